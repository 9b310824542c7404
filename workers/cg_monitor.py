"""Counter groups: adds up what the partitions counted, runs the counter scripts, publishes totals and top lists."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from heapq import nsmallest
from math import isfinite
from typing import Any, Final, NamedTuple

from prometheus_client import Counter

from tapline.groups import TOTALS
from tapline.monitors import CounterMonitor
from topics.catalog import COUNTER, RANKING
from topics.partitions import digest
from topics.records import Metric, Partial, Ranking
from workers.checks.periodic import PeriodicChecks
from workers.counting.counter_sums import CounterSums, Place, Results
from workers.counting.counts import Definitions
from workers.counting.meters import Number
from workers.counting.new_keys import KeyMemory
from workers.environment import Environment
from workers.scripting.flushing import Voter, vote
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.thresholds.on_demand import CounterRules
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window
from workers.windows.lineage import FLOW_SUMS, origin

_NUMBERS: Final = frozenset((int, float))

_log = logging.getLogger(__name__)
_unusable = Counter(
    "tapline_worker_meter_values_unusable", "Values of scripts that were left out as no finite numbers.", ["group"]
)


class CounterPlan(NamedTuple):
    """What the scripts attached to one counter group want of its keys.

    Filters vote on a key (:func:`~workers.scripting.flushing.vote`), and can give other values for its meters.
    """

    update: tuple[Hook, ...]
    new: tuple[Hook, ...]
    voters: tuple[Voter, ...]
    flush: tuple[Hook, ...]
    totals: tuple[Hook, ...]

    def keeps(self, counter: Metric) -> bool:
        """Vote on a counter and give it the values that filters name; true when it stays."""
        votes, drops = vote(self.voters, counter)
        for said in votes:
            if isinstance(said, Mapping):
                counter.meters.update(said)
        return not drops


class CounterState:
    """One window's sums, and those it has come to while it is open where a script wants to see them."""

    __slots__ = ("interim", "sums", "waiting")

    def __init__(self) -> None:
        self.sums = CounterSums()
        self.interim: dict[Place, dict[tuple[int, bool], Partial]] = {}
        self.waiting: list[Partial] = []

    def come_by(self, second: int) -> Iterator[tuple[Place, CounterSums]]:
        """The sums so far of the keys that have changed in this second, over all partitions."""
        come = [partial for partial in self.waiting if partial.interim <= second]
        self.waiting = [partial for partial in self.waiting if partial.interim > second]
        places: dict[Place, dict[tuple[int, bool], Partial]] = {}
        for partial in come:
            place = (partial.group, partial.key)
            of_key = places[place] = self.interim.setdefault(place, {})
            part = (partial.partition, bool(partial.names))
            if part not in of_key or of_key[part].interim <= partial.interim:
                of_key[part] = partial
        for place, of_key in places.items():
            sums = CounterSums()
            sums.add(of_key.values(), interim=True)
            yield place, sums


class CounterCore(MonitorCore):
    """One partition of the partial topic: it has every partition's sums of its keys."""

    ranks = True

    def __init__(self, environment: Environment, instance: str) -> None:
        self._environment = environment
        self.host = ScriptHost(environment, CounterMonitor, instance)
        self.host.changed.append(self._changed)
        self._plans: dict[str, CounterPlan] = {}
        stores = self.host.runtime.stores
        self._results = Results(Definitions(self.host.groups.counters), stores.of("meters"))
        self._keys = KeyMemory(stores.of("keys"), environment.settings.new_key_hours)
        self._rules = CounterRules(environment, stores, instance)
        self._checks = PeriodicChecks(environment, self.host.runtime, self._rules.engaged)
        self.host.companions.append(self._checks.host)

    def begin(self) -> CounterState:
        return CounterState()

    def take(self, state: CounterState, records: Sequence[Partial], *, dispatch: bool) -> None:  # noqa: ARG002
        state.sums.add(records)

    def show(self, state: CounterState, records: Sequence[Partial]) -> None:
        state.waiting += [partial for partial in records if partial.interim]

    def shows(self) -> bool:
        return self.ticks()

    def ticks(self) -> bool:
        return self.host.wants("on_update") or self._checks.host.wants("on_metronome") or super().ticks()

    def tick(self, state: CounterState, window: Window, second: int) -> Iterable[Partial]:
        for place, sums in state.come_by(second) if state.waiting else ():
            for counter in _counters(window, self._results.of(sums, window.lane, keep=False)):
                for hook in self._plan(place[0]).update:
                    hook(counter)
        if window.lane.source == FLOW_SUMS:
            self._checks.host.call("on_metronome", second)
            return super().tick(state, window, second)
        return ()

    def end(self, state: CounterState, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        lane = window.lane
        results = self._results.of(state.sums, lane, keep=True)
        if dispatch:
            self._checks.add_scores(window, results)
        counters = _counters(window, results)
        if dispatch:
            self._rules.end(window, counters)
            self._checks.end(window, results, state.sums)
        if dispatch and self.host.scripts:
            counters = self._flush(counters, window)
        outbox = window.state.outbox
        for counter in counters:
            if counter.key != TOTALS:
                outbox.put(COUNTER, f"{counter.group}\x00{counter.key}", counter)
        if dispatch:
            for ranking in self._rankings(counters):
                outbox.put(RANKING, ranking.name, ranking)
        if self._environment.scripts.interest.new_keys:
            self._keys.forget(lane.key, window.start, final=window.final)
        if window.final:
            self._results.forget(lane)
        return ()

    def _flush(self, counters: list[Metric], window: Window) -> list[Metric]:
        """Run the hooks of a window that has ended; returns the counters that filters have left."""
        host = self.host
        lane, start = window.lane.key, window.start
        if window.lane.source != FLOW_SUMS and not any(any(self._plan(counter.group)) for counter in counters):
            # What else is counted of a window comes in lanes of its own: those without anything for a script are
            # no window to it.
            return counters
        new_keys = self._environment.scripts.interest.new_keys
        host.call("on_begin_flush", start)
        left = []
        for counter in counters:
            plan = self._plan(counter.group)
            if counter.key == TOTALS:
                for hook in plan.totals:
                    hook(counter)
                continue
            is_new = new_keys(counter.group) and self._keys.is_new(lane, counter.group, counter.key, start)
            new = plan.new if is_new else ()
            if not (new or plan.voters or plan.flush):
                left.append(counter)
                continue
            names = counter.meters.keys() | ()
            for hook in new:
                hook(counter)
            if plan.voters and not plan.keeps(counter):
                continue
            left.append(counter)
            for hook in plan.flush:
                hook(counter)
            _leave_out_unusable(counter, names)
        host.call("on_end_flush", start)
        return left

    def _plan(self, group: str) -> CounterPlan:
        plan = self._plans.get(group)
        if plan is None:
            select = self._attached_to(group)
            update, new, flush, totals = (
                tuple(self.host.hooks(name, select)) for name in ("on_update", "on_new_key", "on_flush", "on_totals")
            )
            voters = self.host.voters("flush_filter", select)
            plan = self._plans[group] = CounterPlan(update, new, voters, flush, totals)
        return plan

    def _changed(self) -> None:
        self._plans.clear()
        self._results.definitions = Definitions(self.host.groups.counters)

    def _attached_to(self, group: str) -> Callable[[type[Any]], bool]:
        """Select the scripts that want this group."""
        directory = self.host.groups.counters
        return lambda monitor: directory.selector(monitor.group)(group)

    def _rankings(self, counters: Iterable[Metric]) -> Iterator[Ranking]:
        """The largest keys of the meters whose top lists are wanted; keys without any of a meter are none of them."""
        interest = self._environment.scripts.interest
        if not interest.toppers:
            return
        by_group: dict[str, list[Metric]] = {}
        for counter in counters:
            if counter.key != TOTALS and interest.toppers(counter.group):
                by_group.setdefault(counter.group, []).append(counter)
        for group, members in by_group.items():
            for meter in interest.top_meters(group, {name for member in members for name in member.meters}):
                values = ((-member.meters.get(meter.name, 0), member.key) for member in members)
                largest = nsmallest(meter.top, (value for value in values if value[0] < 0))
                if largest:
                    yield Ranking(group, meter.name, meter.top, [(key, -value) for value, key in largest])


def _leave_out_unusable(counter: Metric, names: AbstractSet[str]) -> None:
    """Take away what scripts have put among a counter's meters and nobody could read: what is no finite number.

    ``names`` are the meters they were shown.
    """
    meters: dict[Any, Any] = counter.meters
    try:
        if (
            meters.keys() == names
            and _NUMBERS.issuperset(map(type, meters.values()))
            and all(map(isfinite, meters.values()))
        ):
            return
    except OverflowError:
        pass
    unusable = {name: value for name, value in meters.items() if not (_is_name(name) and _is_number(value))}
    if not unusable:
        return
    for name in unusable:
        del meters[name]
    _unusable.labels(counter.group).inc(len(unusable))
    _log.warning("%s of %s: scripts gave values that are no finite numbers: %r", counter.key, counter.group, unusable)


def _is_name(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(name.encode())
    except UnicodeEncodeError:
        return False


def _is_number(value: Any) -> bool:
    try:
        return type(value) in _NUMBERS and isfinite(value)
    except OverflowError:
        return False


def _counters(window: Window, results: Mapping[Place, dict[str, Number]]) -> list[Metric]:
    lane = window.lane
    source = origin(lane.source)
    identity = f"counter\x00{lane.stream}\x00{source}\x00{window.start}"
    time = window.start * 1_000_000
    return [
        Metric(
            id=digest(identity, group, key),
            time=time,
            group=group,
            key=key,
            meters=meters,
            stream=lane.stream,
            window=window.start,
            source=source,
        )
        for (group, key), meters in results.items()
    ]
