"""A partition's messages on their way through Faust's side: what is waited for, committed, and given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from topics.catalog import ALERT, ALERT_STATE, FLOW, NOTIFICATION, Topic
from topics.codec import Envelope
from topics.records import Message
from workers.kafka.agents import PartitionAgents, Running
from workers.scripting.jobs import Waiting
from workers.windows.ledger import CommitPoint
from workers.windows.outbox import Outgoing
from workers.windows.stage import Step

FLOWS = TP("t.flow.v1", 0)
OUT = Outgoing(ALERT, 0, Envelope("alert/1", "~flow/0", "live", 60, 0, 1), b"[]")


class MadeStage:
    """A stage whose first message waits for a job."""

    def __init__(self, seconds: float) -> None:
        self.job: Future[Any] = Future()
        self.waiting = Waiting([self.job], time.monotonic() + seconds)
        self.said: list[str] = []
        self.written = 0
        self.ledger = SimpleNamespace(idle=lambda: True, next_offset=6, point=lambda: CommitPoint(6, "idle"))

    def message(self, _offset: int, _headers: object, _body: object, written: int) -> Step:
        self.said.append("message")
        self.written = written
        return Step([OUT], None, self.waiting)

    def proceed(self) -> Step:
        self.said.append("proceed")
        return Step([OUT], CommitPoint(6, "closed"))

    def deliver(self, messages: list[Message]) -> None:
        self.said.append(f"told {len(messages)}")

    def stop(self) -> None:
        self.said.append("stop")


def agents(published: list[Any]) -> PartitionAgents:
    async def send(messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        published.extend(message.topic for message in messages)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    app: Any = SimpleNamespace()

    def never(*_: object) -> Any:
        pytest.fail("not to be called")

    return PartitionAgents(app, {FLOWS.topic: FLOW}, never, never, never, send)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until this is so."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not come about")


def event(offset: int) -> Any:
    message = SimpleNamespace(
        topic=FLOWS.topic, partition=0, offset=offset, headers=[], value=b"", timestamp=1_700_000_000.123
    )
    return SimpleNamespace(message=message)


def test_a_message_is_done_when_its_jobs_are_and_nothing_is_committed_before() -> None:
    published: list[Any] = []
    made, stage = agents(published), MadeStage(30)
    running = made.running[FLOWS] = Running(stage, 5)  # type: ignore[arg-type]
    made.board.add([Message(id="1", time=0, subject="s", payload="")])

    async def run() -> None:
        taking = asyncio.create_task(made._take(event(5)))
        await until(lambda: bool(published))
        assert (running.busy, running.ripe(), running.next_offset) == (True, None, 5)
        await made._tell_all()
        before = running.steps
        await until(lambda: running.steps >= before + 2)
        stage.job.set_result(1)
        await taking

    asyncio.run(run())
    assert stage.said == ["told 1", "message", "proceed"]
    assert stage.written == 1_700_000_000_123_000, "microseconds of the time at which Kafka took it"
    assert published == [ALERT] * 2
    assert (running.busy, running.next_offset, running.told) == (False, 6, 1)
    assert running.ripe() == CommitPoint(6, "closed")


def test_a_job_is_not_waited_for_beyond_its_time() -> None:
    made, stage = agents([]), MadeStage(0.05)
    made.running[FLOWS] = Running(stage, 5)  # type: ignore[arg-type]
    asyncio.run(made._take(event(5)))
    assert stage.said == ["message", "proceed"]


def test_a_partition_that_is_taken_away_is_not_waited_for() -> None:
    made, stage = agents([]), MadeStage(30)
    made.running[FLOWS] = Running(stage, 5)  # type: ignore[arg-type]

    async def run() -> None:
        taking = asyncio.create_task(made._take(event(5)))
        await until(lambda: stage.said == ["message"])
        made.stop()
        await asyncio.wait_for(taking, 10)

    asyncio.run(run())
    assert stage.said == ["message", "stop"]


def test_nothing_is_told_of_a_condition_before_it_is_known_how_it_stands() -> None:
    published: list[Topic] = []
    waiting: list[asyncio.Future[None]] = []

    async def send(messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        published.extend(message.topic for message in messages)
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(sent)
        return sent

    made = agents([])
    made._send = send
    running = Running(MadeStage(1), 5)  # type: ignore[arg-type]
    envelope = Envelope("alert-state/1", "~alert/0", "live", 60, 0, 1)
    outgoing = [Outgoing(topic, 0, envelope, b"[]", b"key") for topic in (ALERT_STATE, ALERT_STATE, NOTIFICATION)]

    async def run() -> None:
        await made._publish_step(running, Step(outgoing, CommitPoint(6, "closed")))
        await made._publish_step(running, Step(outgoing[-1:], None))
        assert published == [ALERT_STATE] * 2, "the partition goes on meanwhile"
        for _ in range(10):
            await asyncio.sleep(0)
        assert NOTIFICATION not in published
        waiting[0].set_result(None)
        await until(lambda: len(published) == 4)
        assert running.ripe() is None
        waiting[1].set_result(None)
        await until(lambda: running.ripe() == CommitPoint(6, "closed"))
        waiting[2].set_result(None)
        await asyncio.gather(*running.unsent)

    asyncio.run(run())
