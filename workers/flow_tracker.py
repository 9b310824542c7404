"""Flow trackers: the largest flows of each partition, window by window, merged into buckets over all.

A flow counts with the largest of its metrics in a bucket. All its records are in one partition, so
whatever is among the largest of a bucket is among the largest of its partition in some window.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from heapq import nsmallest
from itertools import chain
from math import inf, isfinite
from typing import Any, cast

import msgspec
from prometheus_client import Counter

from tapline.monitors import FlowTracker
from topics.catalog import RANKING
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Flow, Partial, Ranking, Track, TrackEntry
from workers.checks.flow_checks import CheckedSessionCore, CheckedState
from workers.counting.tracker_settings import tracker_settings
from workers.environment import Environment
from workers.scripting.flushing import Kept
from workers.scripting.host import ScriptHost
from workers.scripting.hosted import HostedScript
from workers.sg_monitor import matches
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window
from workers.windows.store import StageStore

_log = logging.getLogger(__name__)
_unusable = Counter("tapline_worker_tracker_values", "Metrics of flow trackers that are no finite numbers.", ["script"])


class TrackedState:
    """One window of the session monitor, and its flows for the trackers."""

    __slots__ = ("flows", "sessions")

    def __init__(self, sessions: CheckedState) -> None:
        self.sessions = sessions
        self.flows = Kept()


class TrackedSessionCore(MonitorCore):
    """The session monitor of one partition of the flow topic, with the flow trackers after its flush."""

    ranks = True

    def __init__(self, environment: Environment, sessions: CheckedSessionCore, instance: str) -> None:
        self._environment = environment
        self._sessions = sessions
        self.host = sessions.host
        self._trackers = ScriptHost(environment, FlowTracker, instance)
        self._trackers.runtime = self.host.runtime
        self.host.companions.append(self._trackers)

    def begin(self) -> TrackedState:
        return TrackedState(self._sessions.begin())

    def take(self, state: TrackedState, records: Sequence[Flow], *, dispatch: bool) -> None:
        self._sessions.take(state.sessions, records, dispatch=dispatch)

    def show(self, state: TrackedState, records: Sequence[Flow]) -> None:
        self._sessions.show(state.sessions, records)
        if self._trackers.attached("metric"):
            state.flows.mark(self._trackers.generation)
            state.flows.items += records

    def shows(self) -> bool:
        return bool(self._trackers.scripts) or self._sessions.shows()

    def ticks(self) -> bool:
        return self._trackers.wants("on_metronome") or self._sessions.ticks()

    def tick(self, state: TrackedState, window: Window, second: int) -> Iterable[Partial]:
        self._trackers.call("on_metronome", second)
        return self._sessions.tick(state.sessions, window, second)

    def end(self, state: TrackedState, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        sums = self._sessions.end(state.sessions, window, dispatch=dispatch)
        if dispatch and self._trackers.scripts:
            self._trackers.call("on_begin_flush", window.start)
            for hosted in self._trackers.attached("metric"):
                parts = [flows for generation, flows in state.flows.parts() if hosted.born <= generation]
                ranking = _largest(hosted, parts[0] if len(parts) == 1 else list(chain.from_iterable(parts)))
                window.state.outbox.put(RANKING, ranking.name, ranking)
            self._trackers.call("on_end_flush", window.start)
        return sums


def _largest(hosted: HostedScript, flows: list[Flow]) -> Ranking:
    """The largest flows of a window by a tracker's metric."""
    script = hosted.script
    monitor = cast("type[FlowTracker]", script.monitor)
    found: dict[str, tuple[float, Flow]] = {}
    for flow, value in hosted.answers("metric", _selected(monitor, flows)):
        metric = _finite(value)
        if metric is None:
            _unusable.labels(script.name).inc()
            _log.warning("flow tracker %s: metric of flow %s is %r, no finite number", script.name, flow.flow_id, value)
            continue
        before = found.get(flow.flow_id)
        if before is None or metric >= before[0]:
            found[flow.flow_id] = (metric, flow)
    top, bucket_seconds = tracker_settings(monitor, script.params)
    largest = nsmallest(top, [(-value, flow_id) for flow_id, (value, _) in found.items()])
    return Ranking(
        script.name,
        "",
        top,
        flows=[_entry(-value, found[flow_id][1]) for value, flow_id in largest],
        bucket_seconds=bucket_seconds,
    )


def _finite(value: Any) -> float | None:
    try:
        metric = float(value) if isinstance(value, int | float) else inf
    except OverflowError:
        return None
    return metric if isfinite(metric) else None


def _selected(monitor: type[FlowTracker], flows: list[Flow]) -> list[Flow]:
    """The flows of the protocols a tracker declares."""
    if not monitor.l4_proto and not monitor.l7_proto:
        return flows
    kinds = {(flow.transport, flow.application) for flow in flows}
    wanted = {kind for kind in kinds if matches(monitor, *kind)}
    return [flow for flow in flows if (flow.transport, flow.application) in wanted]


def _entry(metric: float, flow: Flow) -> TrackEntry:
    return TrackEntry(
        flow_id=flow.flow_id,
        metric=metric,
        source_ip=flow.source_ip,
        destination_ip=flow.destination_ip,
        source_port=flow.source_port,
        destination_port=flow.destination_port,
        transport=flow.transport,
        application=flow.application,
        start=flow.start,
    )


class Bucket(msgspec.Struct):
    """What a tracker's bucket has come to: its start and length in seconds, and its largest flows."""

    start: int
    seconds: int
    count: int
    flows: list[TrackEntry]

    def merge(self, rankings: Iterable[Ranking]) -> None:
        """Put the largest flows of a window to it."""
        by_flow = {entry.flow_id: entry for entry in self.flows}
        for ranking in rankings:
            self.count = ranking.count
            for entry in ranking.flows:
                before = by_flow.get(entry.flow_id)
                if before is None or entry.metric >= before.metric:
                    by_flow[entry.flow_id] = entry
        order = nsmallest(self.count, ((-entry.metric, flow_id) for flow_id, entry in by_flow.items()))
        self.flows = [by_flow[flow_id] for _, flow_id in order]

    def track(self, stream: str, tracker: str) -> Track:
        """It as a record."""
        return Track(
            id=digest("track", stream, tracker, self.start),
            time=self.start * 1_000_000,
            tracker=tracker,
            window=self.start,
            bucket_seconds=self.seconds,
            entries=self.flows,
            stream=stream,
        )


class TrackerBuckets:
    """The open buckets of all trackers, by stream; kept, since a bucket lasts longer than a window."""

    def __init__(self, stores: StageStore) -> None:
        self._stores = stores

    def closed_by(
        self, stream: str, window: int, rankings: Mapping[str, Sequence[Ranking]], *, final: bool
    ) -> Iterator[Track]:
        """Put a window's lists into their buckets; gives those that it closes, by tracker."""
        kept: MutableMapping[str, Any] = self._stores.of("trackers")
        prefix = f"{stream}\x00"
        open_ones = [key.removeprefix(prefix) for key in kept if key.startswith(prefix)]
        for tracker in sorted({*open_ones, *rankings}):
            key = prefix + tracker
            bucket = msgspec.convert(kept[key], Bucket) if key in kept else None
            found = rankings.get(tracker, ())
            seconds = found[0].bucket_seconds if found else bucket.seconds if bucket else WINDOW_SECONDS
            start = window - window % seconds
            if bucket is not None and (bucket.start, bucket.seconds) != (start, seconds):
                yield bucket.track(stream, tracker)
                bucket = None
                del kept[key]
            if bucket is None:
                if not any(ranking.flows for ranking in found):
                    continue
                bucket = Bucket(start, seconds, 0, [])
            bucket.merge(found)
            if final or window + WINDOW_SECONDS >= start + seconds:
                yield bucket.track(stream, tracker)
                kept.pop(key, None)
            else:
                kept[key] = msgspec.to_builtins(bucket)
