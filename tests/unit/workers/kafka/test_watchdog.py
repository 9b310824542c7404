"""A worker that stands still leaves, so that it is started again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import pytest
from faust.types import TP
from prometheus_client import REGISTRY

from topics.catalog import FLOW as FLOW_TOPIC
from workers.kafka import watchdog
from workers.kafka.watchdog import EXIT_RESTART, OffsetWatchdog

FLOW = TP("tapline.flow.v1", 0)

BLOCKED = """
import asyncio
from workers.kafka.watchdog import LoopWatchdog

async def main():
    watchdog = LoopWatchdog(1.0)
    watchdog.start()
    watchdog.beat()
    while True:
        pass  # what a script in an endless loop does

asyncio.run(main())
"""


HOLDING = """
import asyncio
from workers.kafka import watchdog

async def main():
    watchdog.LAST_RESORT = 0.5
    watching = watchdog.LoopWatchdog(0.1)
    watching.start()
    sum(range(10**13))

asyncio.run(main())
"""


def test_a_loop_that_is_blocked_ends_the_process_and_shows_what_blocks() -> None:
    ended = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == EXIT_RESTART
    assert "leaving to be started again" in ended.stderr
    assert "in main" in ended.stderr


def test_a_call_that_keeps_the_interpreter_lock_ends_the_process_too() -> None:
    ended = subprocess.run([sys.executable, "-c", HOLDING], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "in main" in ended.stderr


class Left(Exception):
    """Raised in place of the end of the process."""


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A worker whose one partition ends at ``end`` and which has read up to ``read``."""

    def leave(reason: str) -> None:
        raise Left(reason)

    monkeypatch.setattr(watchdog, "leave", leave)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock.now)
    partition = SimpleNamespace(next_offset=10, steps=1, stage=SimpleNamespace(topic=FLOW_TOPIC))
    worker = SimpleNamespace(end=10, partition=partition, agents=None, clock=clock)

    async def highwaters(*_: TP) -> dict[TP, int]:
        return {FLOW: worker.end}

    app = SimpleNamespace(consumer=SimpleNamespace(highwaters=highwaters))
    worker.agents = SimpleNamespace(running={FLOW: worker.partition})
    worker.watchdog = OffsetWatchdog(app, worker.agents, 60.0)  # type: ignore[arg-type]
    return worker


def check(worker: SimpleNamespace, at: float) -> None:
    worker.clock.now = at
    asyncio.run(worker.watchdog.check())


def test_it_leaves_when_records_wait_and_the_offset_does_not_move(standing: SimpleNamespace) -> None:
    standing.end = 20
    check(standing, 1)
    check(standing, 50)
    with pytest.raises(Left, match=r"flow\.v1\[0\] stands at 10 while records wait"):
        check(standing, 70)


def test_it_stays_when_nothing_waits_or_the_offset_moves(standing: SimpleNamespace) -> None:
    check(standing, 1)
    check(standing, 1000)
    standing.end = 2000
    for at in range(2000, 3000, 50):
        standing.partition.next_offset += 1
        standing.partition.steps += 1
        check(standing, at)


def test_it_stays_while_windows_wait_for_the_jobs_of_scripts(standing: SimpleNamespace) -> None:
    standing.end = 20
    for at in range(1, 1000, 50):
        standing.partition.steps += 1
        check(standing, at)


def test_it_shows_what_waits_as_long_as_the_partition_is_here(standing: SimpleNamespace) -> None:
    def lag() -> float | None:
        return REGISTRY.get_sample_value("tapline_worker_lag_messages", {"topic": "flow", "partition": "0"})

    standing.end = 17
    check(standing, 1)
    assert lag() == 7
    standing.partition.next_offset = 17
    check(standing, 2)
    assert lag() == 0
    standing.agents.running = {}
    check(standing, 3)
    assert lag() is None
