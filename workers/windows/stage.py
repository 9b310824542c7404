"""One partition of one topic: its messages in, windows kept, messages out. No Kafka and no Faust in here.

A stage is deterministic: the same messages in the same order make the same messages, so that what is
published again after a restart is recognised by everyone who reads it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from prometheus_client import Counter, Gauge

from topics.catalog import ALERT, DEAD, PARTIAL, RANKING, STORE, Topic
from topics.codec import BadMessage, Envelope, Headers, encode, open_message
from topics.dead_letters import WORKER, dead_envelope, dead_letter
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Alert, Message, Partial, Snapshot, Stored
from workers.counting.counts import ScriptCounts
from workers.counting.group_totals import GroupTotals
from workers.counting.groups import CONSERVATION, CONSERVATION_METERS
from workers.counting.interest import Groups
from workers.environment import Environment
from workers.scripting.jobs import Job, Waiting
from workers.scripting.messages import tell
from workers.windows.core import MonitorCore
from workers.windows.ledger import CommitPoint, Lane, Ledger, Window
from workers.windows.lineage import (
    FLOW_SUMS,
    METRIC_SUMS,
    aside_name,
    expected_producers,
    lane_source,
    loops,
    stage_name,
)
from workers.windows.outbox import Outbox, Outgoing, alone
from workers.windows.store import Place

_log = logging.getLogger(__name__)
_records = Counter("tapline_worker_records", "Records taken into windows.", ["topic"])
_dropped = Counter("tapline_worker_dropped_records", "Records not taken into a window.", ["topic", "reason"])
_dead = Counter("tapline_worker_dead_letters", "Messages that could not be used.", ["topic", "reason"])
_windows = Counter("tapline_worker_windows_closed", "Windows closed.", ["topic"])
_differences = Counter(
    "tapline_worker_conservation_records",
    "Records in which closed windows differ from their announcement, by how: missing, unannounced, duplicate, late.",
    ["topic", "difference"],
)
_live_window = Gauge(
    "tapline_worker_live_window",
    "The last window of live traffic that was closed, by its start in epoch seconds.",
    ["topic", "partition"],
)


_LIVE: Final = "live"
_BETWEEN_STAGES: Final = (PARTIAL, RANKING)
"""Topics in which nothing but what stages have counted travels."""


class WindowState:
    """A window's state: the monitor's own, and what has been emitted in it.

    ``held`` are messages' records that scripts have yet to see, ``clock`` is the latest time
    (microseconds) among those they have seen and ``second`` the next second to tell them of.
    """

    __slots__ = ("clock", "core", "counts", "dispatch", "held", "interim", "jobs", "outbox", "second", "stored")

    def __init__(self, core: Any, outbox: Outbox, interim: Outbox, second: int, *, dispatch: bool) -> None:
        self.core = core
        self.outbox = outbox
        self.interim = interim
        self.counts = ScriptCounts()
        self.dispatch = dispatch
        self.held: list[Sequence[Any]] = []
        self.jobs: list[Job] = []
        self.stored: set[Place] = set()
        self.clock = 0
        self.second = second

    def take(self) -> list[Outgoing]:
        """The messages for what has been emitted since the last call."""
        return self.interim.take() + self.outbox.take()


class Step(NamedTuple):
    """What came of one message: what to publish, and the commit point it allows once that is out.

    Where it says what it is ``waiting`` for, the message is not done: :meth:`Stage.proceed` comes next,
    when that is over.
    """

    outgoing: list[Outgoing]
    point: CommitPoint | None
    waiting: Waiting | None = None


class Stage:
    """The processor of one partition."""

    def __init__(self, topic: Topic, partition: int, core: MonitorCore, environment: Environment) -> None:
        self.topic = topic
        self.partition = partition
        self.core = core
        self._environment = environment
        self._partitions = environment.partitions
        self._job_seconds = environment.settings.async_seconds
        self._store = core.host.runtime.stores
        self._notice_window = 0
        self._closing: Iterator[Waiting] = iter(())
        self._closed: list[Outgoing] = []
        self.ledger = Ledger(lambda source: expected_producers(source, environment.partitions))

    def start(self, metadata: str, stored: Iterable[Stored] = ()) -> None:
        """Begin at a commit point with its metadata (empty: with nothing known) and what was kept as of it."""
        self.ledger.load(metadata)
        self._store.load(stored)
        self.core.host.start()

    def stop(self) -> None:
        """End: scripts unload. Open windows are dropped; they will be read again."""
        self.core.host.stop()
        with suppress(KeyError):
            _live_window.remove(self.topic.kind, str(self.partition))

    def deliver(self, messages: Iterable[Message]) -> None:
        """Tell the scripts messages of others, between two of the stream; they may only take note of them."""
        self.core.host.runtime.refuse("on_message may not emit: keep what it says, and act on it in another hook")
        self._store.point(None)
        for message in messages:
            tell(self.core.host, message)

    def message(self, offset: int, headers: Headers | None, body: bytes | None, written: int = 0) -> Step:
        """Take one message; ``written`` is when Kafka took it, in microseconds."""
        self.core.offset = offset
        return self._with_notices(self._message(offset, headers, body, written))

    def proceed(self) -> Step:
        """Go on with a message that was waiting for jobs; those that are not done by now are given up."""
        return self._with_notices(self._proceed())

    def _message(self, offset: int, headers: Headers | None, body: bytes | None, written: int) -> Step:
        try:
            envelope, records = open_message(headers, body, self.topic)
        except BadMessage as error:
            return Step([self._dead_letter(offset, headers, body, written, (error.reason, str(error)))], None)
        if not envelope.is_for(WORKER):
            self.ledger.next_offset = offset + 1
            return Step([], None)
        source = lane_source(self.topic, envelope.node)
        if envelope.is_snapshot:
            return self._marker(offset, envelope, records[0], source)
        try:
            outgoing = self._records(offset, envelope, records, source)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the partition
            _log.exception("message %d of %s[%d] failed", offset, self.topic.kind, self.partition)
            outgoing = [self._dead_letter(offset, headers, body, written, ("failed", repr(error)))]
        return self._again(offset, envelope, source, outgoing) if envelope.reader else Step(outgoing, None)

    def _again(self, offset: int, envelope: Envelope, source: str, outgoing: list[Outgoing]) -> Step:
        """End the window of a message that was sent again: it is alone in there, and nobody else marks it."""
        marker = Snapshot(
            node=envelope.node, stream=envelope.stream, window=envelope.window, announced=envelope.count, final=True
        )
        step = self._marker(offset, envelope, marker, source)
        return step._replace(outgoing=[*outgoing, *step.outgoing])

    def _records(self, offset: int, envelope: Envelope, records: Sequence[Any], source: str) -> list[Outgoing]:
        admitted = self.ledger.admit(offset, envelope, source)
        if admitted is None:
            _dropped.labels(self.topic.kind, "closed-or-duplicate").inc(len(records))
            return []
        window, skip = admitted
        if skip:
            _dropped.labels(self.topic.kind, "closed-or-duplicate").inc(skip)
            records = records[skip:]
        _records.labels(self.topic.kind).inc(len(records))
        state = self._state(window)
        self._point_scripts(window, state)
        self.core.take(state.core, records, dispatch=state.dispatch)
        if state.dispatch and self.core.shows():
            state.held.append(records)
            if window.lane.oldest() is window:
                self._show_held(window, state)
        return state.take()

    def _show_held(self, window: Window, state: WindowState) -> None:
        """Let scripts see what they have not seen of the oldest open window of a lane.

        A younger one waits: scripts see one window after the other, and what they do in one depends
        on that one's messages alone, also when they are read again.
        """
        held, state.held = state.held, []
        ticking = self._ticks(window, state)
        for records in held:
            self.core.show(state.core, records)
            if ticking:
                state.clock = max(state.clock, *(record.time for record in records))
                self._tick(window, state, state.clock // 1_000_000)

    def _ticks(self, window: Window, state: WindowState) -> bool:
        """True when the seconds of this window are told: those of capture nodes, and of the sums of what they sent."""
        clocked = (FLOW_SUMS, METRIC_SUMS) if self.topic is PARTIAL else ("",)
        return window.lane.source in clocked and state.dispatch and self.core.ticks()

    def _tick(self, window: Window, state: WindowState, until: int) -> None:
        runtime = self.core.host.runtime
        for second in range(state.second, min(until, window.start + WINDOW_SECONDS)):
            state.second = second + 1
            runtime.now = (second + 1) * 1_000_000
            partials = self.core.tick(state.core, window, second)
            if partials:
                state.interim.put_partials(self._stamped(partials))

    def _stamped(self, partials: Iterable[Partial]) -> Iterator[Partial]:
        for partial in partials:
            partial.partition = self.partition
            yield partial

    def _marker(self, offset: int, envelope: Envelope, marker: Snapshot, source: str) -> Step:
        lane = self.ledger.mark(offset, envelope, marker, source)
        ready = lane.ready()
        if not ready:
            self.ledger.settle(lane)
            return Step([], None)
        self._closing = self._close_all(lane, ready)
        return self._proceed()

    def _proceed(self) -> Step:
        waiting = next(self._closing, None)
        outgoing, self._closed = self._closed, []
        return Step(outgoing, None if waiting else self.ledger.point(), waiting)

    def _close_all(self, lane: Lane, ready: list[Window]) -> Iterator[Waiting]:
        for window in ready:
            yield from self._close(window)
        oldest = lane.oldest()
        if oldest is not None:
            state = self._state(oldest)
            self._point_scripts(oldest, state)
            self._show_held(oldest, state)
            self._closed += state.take()
        self._settle(lane)
        self.ledger.settle(lane)

    def _settle(self, lane: Lane) -> None:
        """Have the core keep what the commit point that comes next has to know."""
        changed: set[Place] = set()
        self._store.point(changed)
        self.core.settle()
        self._closed += self._kept(changed, lane.stream, lane.watermark)

    def _kept(self, changed: set[Place], stream: str, window: int) -> Iterator[Outgoing]:
        """The messages that say what has changed of what is kept, as of the message at hand."""
        if not changed:
            return iter(())
        stage = stage_name(self.topic, self.partition, "")
        offset = self.ledger.next_offset - 1
        return self._store.messages(stage, changed, stream, window, offset, self._partitions[STORE.kind])

    def _close(self, window: Window) -> Iterator[Waiting]:
        state = self._state(window)
        self._point_scripts(window, state)
        self._show_held(window, state)
        if self._ticks(window, state):
            self._tick(window, state, window.start + WINDOW_SECONDS)
        self.core.host.runtime.now = (window.start + WINDOW_SECONDS) * 1_000_000
        deadline = time.monotonic() + self._job_seconds
        yield from self._finish_jobs(window, state, deadline)
        outbox = state.outbox
        totals = GroupTotals(self._totals_wanted())
        outbox.put_partials(totals.added(self.core.end(state.core, window, dispatch=state.dispatch)))
        yield from self._finish_jobs(window, state, deadline)
        self.core.host.runtime.end_conditions(final=window.final)
        self.ledger.close(window)
        outbox.put_partials(totals.added(state.counts.partials()))
        outbox.put_partials(totals.added(self._conservation(window, outbox)))
        outbox.put_partials(totals.partials())
        _windows.labels(self.topic.kind).inc()
        if window.lane.stream == _LIVE and not window.lane.source:
            _live_window.labels(self.topic.kind, str(self.partition)).set(window.start)
        self._closed += state.take()
        self._closed += outbox.finish(mark_all=self._marked(state), final=window.final)
        self._closed += self._kept(state.stored, window.lane.stream, window.start)

    def _finish_jobs(self, window: Window, state: WindowState, deadline: float) -> Iterator[Waiting]:
        """Wait for what scripts have asked for in this window, and give them the results."""
        while state.jobs:
            waiting = Waiting([job.future for job in state.jobs], deadline)
            if not waiting.over():
                yield waiting
            self._point_scripts(window, state)
            jobs = state.jobs.copy()
            state.jobs.clear()
            for job in jobs:
                self.core.host.finish(job)

    def _marked(self, state: WindowState) -> list[Topic]:
        """The topics of which every partition waits for this window's marker."""
        sums = [] if self.topic in _BETWEEN_STAGES else [PARTIAL]
        return [*sums, RANKING] if state.dispatch and self.core.ranks else sums

    def _totals_wanted(self) -> Groups | None:
        """The groups whose totals over all keys are made: those that a script wants to see, where one can."""
        wanted = self._environment.scripts.interest.totals
        return wanted if wanted and self.topic not in _BETWEEN_STAGES else None

    def _with_notices(self, step: Step) -> Step:
        """Add alerts about the scripts themselves, each alone, and what else is no part of a window."""
        for alert in self.core.host.runtime.notices():
            self._notice_window = max(self._notice_window + 1, int(time.time()))
            key = f"{alert.type}\x00{alert.entity}"
            producer = aside_name(stage_name(self.topic, self.partition, ""))
            step.outgoing.extend(
                alone(producer, alert.stream, self._notice_window, ALERT, key, alert, self._partitions)
            )
        step.outgoing.extend(self.core.drain())
        return step

    def _conservation(self, window: Window, outbox: Outbox) -> list[Partial]:
        if self.topic in _BETWEEN_STAGES:
            return []
        sums = []
        for producer, tally in sorted(window.tallies.items()):
            announced = tally.announced if tally.announced is not None else 0
            missing = max(0, announced - tally.received - tally.late)
            unannounced = max(0, tally.received - announced)
            values: list[int | float] = [announced, tally.received, missing, unannounced, tally.duplicates, tally.late]
            sums.append(Partial(CONSERVATION.name, f"{self.topic.kind}/{producer}", values))
            for difference, count in zip(CONSERVATION_METERS[2:], values[2:], strict=True):
                _differences.labels(self.topic.kind, difference).inc(count)
            if missing or unannounced:
                outbox.put(
                    ALERT, f"conservation\x00{producer}", self._difference(window, producer, missing, unannounced)
                )
        return sums

    def _difference(self, window: Window, producer: str, missing: int, unannounced: int) -> Alert:
        return Alert(
            id=digest("conservation", window.lane.key, self.topic.kind, self.partition, producer, window.start),
            time=(window.start + WINDOW_SECONDS) * 1_000_000,
            type="conservation",
            subtype=self.topic.kind,
            message=(
                f"{producer} and partition {self.partition} of {self.topic.kind} disagree on the window: "
                f"{missing} records announced and not received, {unannounced} received and not announced"
            ),
            entity=producer,
            severity=5,
            priority=1,
            value=missing + unannounced,
            stream=window.lane.stream,
            window=window.start,
        )

    def _state(self, window: Window) -> WindowState:
        state: WindowState | None = window.state
        if state is None:
            lane = window.lane
            name = stage_name(self.topic, self.partition, lane.source)
            outbox = Outbox(name, lane.stream, window.start, self._partitions)
            interim = Outbox(aside_name(name), lane.stream, window.start, self._partitions)
            dispatch = not loops(self.topic, lane.source)
            state = window.state = WindowState(self.core.begin(), outbox, interim, window.start, dispatch=dispatch)
        return state

    def _point_scripts(self, window: Window, state: WindowState) -> None:
        self.core.host.runtime.point(window.lane.stream, window.start, state.outbox, state.counts, state.jobs)
        self._store.point(state.stored)

    def _dead_letter(
        self, offset: int, headers: Headers | None, body: bytes | None, written: int, why: tuple[str, str]
    ) -> Outgoing:
        """The dead letter of a message, with all that is needed to look into it or to send it again."""
        self.ledger.next_offset = offset + 1
        _dead.labels(self.topic.kind, why[0]).inc()
        _log.warning("dead letter: offset %d of %s[%d]: %s", offset, self.topic.kind, self.partition, why[1])
        node = stage_name(self.topic, self.partition, "")
        place = (self.topic.name(self._environment.prefix), self.partition, offset)
        letter = dead_letter(WORKER, place, written, headers, body, why, node=node)
        return Outgoing(DEAD, 0, dead_envelope(node, written), encode([letter]))
