"""Top lists: merges those of all partitions, runs the topper hooks, publishes what flow trackers keep.

A key of a counter group is in one partition, and so is a flow, so what is largest of all is among what
is largest in each: merging the lists is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tapline.monitors import CounterMonitor, Top, TopList
from topics.catalog import ALERT, TRACK
from topics.records import Partial, Ranking
from workers.counting.interest import TOPPER_HOOKS
from workers.environment import Environment
from workers.flow_tracker import TrackerBuckets
from workers.scripting.flushing import Voter, vote
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.thresholds.on_demand import ListRules, rule_of
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window


class TopperPlan(NamedTuple):
    """What the scripts that want a top list do with it.

    They vote (:func:`~workers.scripting.flushing.vote`) on its keys, as a whole in ``begin``, where those
    vote who have that hook, and on each in ``filters``.
    """

    begin: tuple[Voter, ...]
    filters: tuple[Voter, ...]
    flush: tuple[Hook, ...]
    end: tuple[Hook, ...]

    def run(self, top: TopList) -> None:
        """Call the hooks for one list."""
        if not vote(self.begin, top)[1]:
            for entry in top.entries:
                if self.filters and vote(self.filters, entry)[1]:
                    continue
                for flush in self.flush:
                    flush(entry)
        for end in self.end:
            end(top)


class RankingCore(MonitorCore):
    """One partition of the ranking topic: the lists of all partitions of what it is for."""

    def __init__(self, environment: Environment, instance: str) -> None:
        self._environment = environment
        self.host = ScriptHost(environment, CounterMonitor, instance, TOPPER_HOOKS)
        self.host.changed.append(self._changed)
        self._plans: dict[tuple[str, str], TopperPlan] = {}
        self._buckets = TrackerBuckets(self.host.runtime.stores)
        self._rules = ListRules(environment, self.host.runtime.stores, instance)

    def begin(self) -> list[Ranking]:
        return []

    def take(self, state: list[Ranking], records: Sequence[Ranking], *, dispatch: bool) -> None:  # noqa: ARG002
        state += records

    def shows(self) -> bool:
        return False

    def ticks(self) -> bool:
        return False

    def end(self, state: list[Ranking], window: Window, *, dispatch: bool) -> Iterable[Partial]:
        counters: dict[str, dict[str, list[Ranking]]] = {}
        trackers: dict[str, list[Ranking]] = {}
        rules: list[Ranking] = []
        for ranking in state:
            if rule_of(ranking.name):
                rules.append(ranking)
            elif ranking.bucket_seconds:
                trackers.setdefault(ranking.name, []).append(ranking)
            else:
                counters.setdefault(ranking.name, {}).setdefault(ranking.meter, []).append(ranking)
        stream = window.lane.stream
        for track in self._buckets.closed_by(stream, window.start, trackers, final=window.final):
            window.state.outbox.put(TRACK, track.tracker, track)
        for alert in self._rules.end(window, rules):
            window.state.outbox.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)
        if dispatch:
            for group, by_meter in sorted(counters.items()):
                for meter in self._environment.scripts.interest.top_meters(group, by_meter):
                    if meter.name in by_meter:
                        top = _merged(group, meter.name, window.start, by_meter[meter.name])
                        self._plan(group, meter.name).run(top)
        return ()

    def _plan(self, group: str, meter: str) -> TopperPlan:
        plan = self._plans.get((group, meter))
        if plan is None:
            directory = self.host.groups.counters

            def wants(monitor: type[Any]) -> bool:
                return directory.selector(monitor.group)(group) and (not monitor.meters or meter in monitor.meters)

            begin, filters = (self.host.voters(name, wants) for name in TOPPER_HOOKS[:2])
            flush, end = (tuple(self.host.hooks(name, wants)) for name in TOPPER_HOOKS[2:])
            begin = tuple(voter for voter in begin if voter.wanted is not None)
            plan = self._plans[group, meter] = TopperPlan(begin, filters, flush, end)
        return plan

    def _changed(self) -> None:
        self._plans.clear()


def _merged(group: str, meter: str, window: int, rankings: Sequence[Ranking]) -> TopList:
    keys = sorted((-value, key) for ranking in rankings for key, value in ranking.keys)
    largest = keys[: max(ranking.count for ranking in rankings)]
    entries = [
        Top(group=group, meter=meter, window=window, key=key, value=-value, rank=rank)
        for rank, (value, key) in enumerate(largest, 1)
    ]
    return TopList(group=group, meter=meter, window=window, entries=entries)
