"""Faust's side of a stage: messages in order, results published, then committed.

The window state of a partition lives in its :class:`~workers.windows.stage.Stage` and is rebuilt by reading
again. Faust commits nothing itself: events are not acknowledged, and offsets are committed here, with
what the ledger has to know in the commit's metadata, once everything a window published is in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter as Tally
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import faust
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from confluent_kafka import KafkaException
from faust.types import TP, EventT, StreamT
from prometheus_client import Counter, Gauge

from topics.catalog import ALERT, NOTIFICATION, Topic
from topics.records import AlertState, Stored
from workers.kafka.store_reader import StoreUnreadable
from workers.scripting.messages import MessageBoard
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.lineage import stage_name
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage, Step

_log = logging.getLogger(__name__)
_messages = Counter("tapline_worker_messages", "Messages read, skipped or used.", ["topic", "use"])
_published = Counter("tapline_worker_published_messages", "Messages published.", ["topic"])
_commits = Counter("tapline_worker_commits", "Offset commits.", ["outcome"])
_expired = Counter(
    "tapline_worker_expired_messages", "Messages that retention deleted before they were read.", ["topic"]
)
_assigned = Gauge("tapline_worker_assigned_partitions", "Partitions this process works on.")

_BETWEEN_LOOKS: Final = 0.01
_FETCH_WAIT_MS: Final = 100

BuildStage = Callable[[Topic, int], Stage]
Leave = Callable[[str], None]
Send = Callable[[Sequence[Outgoing]], Awaitable[Awaitable[Any]]]
ReadStores = Callable[[Mapping[str, int]], dict[str, list[Stored]]]
ReadStates = Callable[[list[int]], dict[int, list[AlertState]]]


class Running:
    """A partition at work: its stage, the next offset, and commit points that wait for their messages.

    ``steps`` counts what has been done, also within one message; ``busy`` is true while one is under way.
    ``told`` is the place on the message board up to which its scripts have been told.
    """

    def __init__(self, stage: Stage, next_offset: int) -> None:
        self.stage = stage
        self.next_offset = next_offset
        self.steps = 0
        self.busy = False
        self.told = 0
        self.committed = -1
        self.unsent: list[Awaitable[Any]] = []
        self.telling = asyncio.Lock()
        self.points: deque[tuple[CommitPoint, list[Awaitable[Any]]]] = deque()

    def ripe(self) -> CommitPoint | None:
        """The newest commit point before which everything has been published, if there is a new one.

        :class:`KafkaException` when something could not be published.
        """
        point = None
        while self.points and all(_succeeded(sent) for sent in self.points[0][1]):
            point = self.points.popleft()[0]
        if point is not None or self.points or self.busy:
            return point
        self.unsent = [sent for sent in self.unsent if not _succeeded(sent)]
        ledger = self.stage.ledger
        if not self.unsent and ledger.idle() and ledger.next_offset > self.committed:
            return ledger.point()
        return None


class PartitionAgents:
    """Runs a stage for every partition the group gives this process.

    ``send`` hands messages to a producer. ``leave`` ends the process: where reading again is the only way to be exact,
    that is what it does, and its supervisor starts it anew. ``read_stores`` gives what stages kept as of an offset, by
    their names, ``read_states`` the records of conditions on partitions; they are called on a thread.
    """

    def __init__(
        self,
        app: faust.App,
        topics: Mapping[str, Topic],
        build: BuildStage,
        leave: Leave,
        read_stores: ReadStores,
        send: Send,
        read_states: ReadStates = lambda _: {},
    ) -> None:
        self._app = app
        self._topics = topics
        self._build = build
        self._leave = leave
        self._read_stores = read_stores
        self._read_states = read_states
        self._send = send
        self.running: dict[TP, Running] = {}
        self.board = MessageBoard()
        self.on_message: list[Callable[[TP, Any], None]] = []

    def attach(self, commit_interval: float) -> None:
        """Register the agents, the rebalance handler and the commit task with the app."""
        for name in self._topics:
            topic = self._app.topic(name, key_serializer="raw", value_serializer="raw", value_type=bytes)
            self._app.agent(topic, concurrency=1, name=f"stage.{name}")(self._read)
        self._app.on_rebalance_complete.connect(self._rebalanced, weak=False)
        self._app.timer(commit_interval, name="commit")(self._commit)
        self._app.timer(commit_interval, name="script-messages")(self._tell_all)

    def stop(self) -> None:
        """Drop all stages; what was open is read again by whoever comes next."""
        for running in self.running.values():
            running.stage.stop()
        self.running = {}

    async def publish(self, messages: Sequence[Outgoing]) -> Awaitable[Any]:
        """Hand messages to the producer; the result is done when Kafka has acknowledged all of them."""
        for kind, count in Tally(message.topic.kind for message in messages).items():
            _published.labels(kind).inc(count)
        return await self._send(messages)

    async def _read(self, stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():  # type: ignore[attr-defined]
            await self._take(event)

    async def _take(self, event: EventT[bytes]) -> None:
        message = event.message
        tp = TP(message.topic, message.partition)
        running = self.running.get(tp)
        kind = self._topics[message.topic].kind
        if running is None or message.offset < running.next_offset:
            _messages.labels(kind, "skipped").inc()
            return
        if message.offset > running.next_offset:
            self._leave(f"{tp.topic}[{tp.partition}] jumped from offset {running.next_offset} to {message.offset}")
            return
        _messages.labels(kind, "used").inc()
        for observer in self.on_message:
            observer(tp, message.headers)
        self._tell(running)
        running.busy = True
        written = round(message.timestamp * 1000) * 1000
        step = running.stage.message(message.offset, _pairs(message.headers), message.value, written)
        await self._publish_step(running, step)
        while step.waiting is not None:
            while not step.waiting.over():
                running.steps += 1  # it has an end: this is no standing still
                await asyncio.sleep(_BETWEEN_LOOKS)
                if self.running.get(tp) is not running:
                    return  # taken away meanwhile: whoever has it now reads this message again
            step = running.stage.proceed()
            await self._publish_step(running, step)
        running.next_offset = message.offset + 1
        running.busy = False

    async def _tell_all(self) -> None:
        for running in self.running.values():
            if not running.busy:
                self._tell(running)

    def _tell(self, running: Running) -> None:
        """Let the scripts of a partition know what others have sent since they were last told."""
        if running.told < self.board.end:
            messages, running.told = self.board.since(running.told)
            running.stage.deliver(messages)

    async def _publish_step(self, running: Running, step: Step) -> None:
        running.steps += 1
        told = [message for message in step.outgoing if message.topic is NOTIFICATION]
        others = [message for message in step.outgoing if message.topic is not NOTIFICATION] if told else step.outgoing
        before: list[Awaitable[Any]] = []
        if others:
            before.append(await self.publish(others))
            running.unsent += before
        if told:
            running.unsent.append(asyncio.create_task(self._tell_people(running, before, told)))
        if step.point is not None:
            running.points.append((step.point, running.unsent))
            running.unsent = []

    async def _tell_people(self, running: Running, before: list[Awaitable[Any]], told: list[Outgoing]) -> None:
        """Publish notifications once the states they follow from are in Kafka, in the order in which they were made.

        What is told of a condition must not be all that is known of it. Nobody waits for this but the commit.
        """
        async with running.telling:
            await asyncio.gather(*before)
            sent = await self.publish(told)
        await sent

    async def _rebalanced(self, *_: Any, **__: Any) -> None:
        self.stop()
        consumer: Any = self._app.consumer
        assignment = sorted(tp for tp in consumer.assignment() if tp.topic in self._topics)
        _assigned.set(len(assignment))
        if not assignment:
            return
        thread = consumer._thread  # noqa: SLF001 - Faust offers no other way to a commit's metadata
        partitions = [TopicPartition(tp.topic, tp.partition) for tp in assignment]
        coordinator = thread._consumer._coordinator  # noqa: SLF001
        # What comes on one partition waits for the request under way for others: Faust sets 1.5 s, and has no setting.
        thread._consumer._fetcher._fetch_max_wait_ms = _FETCH_WAIT_MS  # noqa: SLF001
        committed = await thread.call_thread(coordinator.fetch_committed_offsets, partitions)
        earliest = await consumer.earliest_offsets(*assignment)
        ends = await consumer.highwaters(*assignment)
        points = {tp: _committed(tp, committed.get(TopicPartition(*tp)), ends[tp] or 0) for tp in assignment}
        stored = await self._stored(points)
        states = await self._states(assignment)
        for tp, point in points.items():
            running = self._resume(tp, point, stored.get(self._stage_of(tp), []), earliest[tp])
            # What was deleted before it was read is not read again: what is known of it is all there is.
            known = max(known_offset(point.metadata, point.offset), running.next_offset - 1)
            running.stage.core.restore(states.get(tp.partition, ()) if self._has_states(tp) else (), known)
            self.running[tp] = running
        _log.info("working on %d partitions", len(assignment))

    async def _stored(self, points: Mapping[TP, CommitPoint]) -> dict[str, list[Stored]]:
        """What the stages of these partitions kept as of their commit points."""
        known = {}
        for tp, point in points.items():
            try:
                known[self._stage_of(tp)] = known_offset(point.metadata, point.offset)
            except ValueError as error:
                self._leave(f"{tp.topic}[{tp.partition}]: {error}; reset the group's offsets (docs/how-to/reset.md)")
        if max(known.values()) < 0:
            return {}
        try:
            return await asyncio.to_thread(self._read_stores, known)
        except StoreUnreadable as error:
            self._leave(str(error))
            return {}

    async def _states(self, assignment: Sequence[TP]) -> dict[int, list[AlertState]]:
        """How conditions stood on the partitions of the alert topic among these."""
        wanted = [tp.partition for tp in assignment if self._has_states(tp)]
        if not wanted:
            return {}
        try:
            return await asyncio.to_thread(self._read_states, wanted)
        except StoreUnreadable as error:
            self._leave(str(error))
            return {}

    def _has_states(self, tp: TP) -> bool:
        return self._topics[tp.topic] is ALERT

    def _stage_of(self, tp: TP) -> str:
        return stage_name(self._topics[tp.topic], tp.partition, "")

    def _resume(self, tp: TP, point: CommitPoint, stored: list[Stored], earliest: int) -> Running:
        stage = self._build(self._topics[tp.topic], tp.partition)
        offset = point.offset
        if 0 <= offset < earliest:
            _expired.labels(self._topics[tp.topic].kind).inc(earliest - offset)
            _log.error(
                "%s[%d]: %d messages were deleted by retention before they were read; going on at %d",
                tp.topic, tp.partition, earliest - offset, earliest,
            )  # fmt: skip
        stage.start(point.metadata, stored)
        running = Running(stage, max(offset, earliest))
        running.committed = offset
        return running

    async def _commit(self) -> None:
        for tp, running in list(self.running.items()):
            try:
                point = running.ripe()
            except KafkaException as error:
                self._leave(f"could not publish what {tp.topic}[{tp.partition}] made: {error!r}")
                return
            if point is not None and self.running.get(tp) is running and await self._commit_point(tp, point):
                running.committed = point.offset

    async def _commit_point(self, tp: TP, point: CommitPoint) -> bool:
        """Commit offset and metadata as one; after a rebalance the group refuses, and replay heals."""
        thread = self._app.consumer._thread  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        offsets = {TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(*point)}
        while self.running.get(tp) is not None:
            try:
                await thread.call_thread(thread._consumer.commit, offsets)  # noqa: SLF001
            except CommitFailedError:
                _commits.labels("fenced").inc()
                return False
            except KafkaError as error:
                _commits.labels("retried").inc()
                _log.warning("commit of %s[%d] failed, trying again: %r", tp.topic, tp.partition, error)
                await asyncio.sleep(1.0)
            except (AssertionError, ValueError) as error:
                _commits.labels("refused").inc()
                _log.warning("commit of %s[%d] refused: %r", tp.topic, tp.partition, error)
                return False
            else:
                _commits.labels("done").inc()
                return True
        return False


def _committed(tp: TP, found: OffsetAndMetadata | None, end: int) -> CommitPoint:
    """The commit point to begin at; one before everything where there is none that can be used."""
    if found is None or found.offset < 0:
        return CommitPoint(-1, "")
    if found.offset > end:
        _log.error(
            "%s[%d] ends at %d, before the committed offset %d: it was made anew or cut; reading all of it",
            tp.topic, tp.partition, end, found.offset,
        )  # fmt: skip
        return CommitPoint(-1, "")
    return CommitPoint(found.offset, found.metadata)


def _succeeded(sent: Awaitable[Any]) -> bool:
    """True when a message is in Kafka; raises what kept it from getting there."""
    future: Any = sent
    if not future.done():
        return False
    future.result()
    return True


def _pairs(headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] | None) -> list[tuple[str, bytes | None]]:
    if headers is None:
        return []
    return list(headers.items() if isinstance(headers, Mapping) else headers)
