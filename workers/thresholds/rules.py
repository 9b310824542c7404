"""The rules of the policy at work on one partition of the counters: one call at each window's end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import Gauge

from tapline.groups import TOTALS, CounterGroup, Directory
from tapline.policy.effective import PolicyView
from topics.catalog import ALERT, PARTIAL, RANKING
from topics.partitions import partition_of_pair
from topics.records import WINDOW_SECONDS, Metric, Ranking
from workers.alerts.conditions import Conditions, Engaged
from workers.counting.counts import Definitions
from workers.counting.groups import FROM_FLOWS
from workers.environment import Environment
from workers.thresholds.findings import conditions, new_key, stored
from workers.thresholds.on_demand import CONDITIONS, TABLES, list_name
from workers.thresholds.plan import GRANULARITIES, Plan
from workers.thresholds.table import KeyTable
from workers.thresholds.watched import MOST_KEYS, Learned, Verdict, Watched
from workers.windows.ledger import Lane, Window
from workers.windows.lineage import FLOW_SUMS
from workers.windows.store import StageStore

_log = logging.getLogger(__name__)
_entities = Gauge(
    "tapline_worker_rule_entities",
    "Entities whose band is still being learned, or ready, by rule.",
    ["rule", "state", "instance"],
)


class ThresholdRules:
    """The rules on one partition of the counters.

    What they know is kept by lane, as windows are: lanes run side by side, and each is read again by itself. Groups
    that are counted from flows are looked at in the lane of the flows alone.
    """

    def __init__(self, environment: Environment, stores: StageStore, instance: str) -> None:
        self._environment = environment
        self._stores = stores
        self._instance = instance
        self._number = int(instance.rpartition("-")[2])
        self._store = stores.of(TABLES)
        self._view: PolicyView | None = None
        self._groups: Directory | None = None
        self._plans: dict[str, Plan] = {}
        self._units: dict[str, Mapping[str, str]] = {}
        self._active: frozenset[tuple[str, str]] = frozenset()
        self._watched: dict[str, dict[str, Watched]] = {}
        self._conditions: dict[str, Conditions] = {}

    def end(self, window: Window, counters: Iterable[Metric]) -> None:
        """Take a window's counters, and put what comes of it into the window's outbox."""
        self._follow()
        lane = window.lane
        watched = self._of_lane(lane)
        if not self._plans and not watched and not self._has_conditions(lane):
            del self._watched[lane.key]
            return
        members: dict[str, list[Metric]] = {group: [] for group in self._plans}
        for counter in counters:
            if counter.group in members and counter.key != TOTALS:
                members[counter.group].append(counter)
        verdicts: list[tuple[Plan, Verdict]] = []
        for group, plan in self._plans.items():
            if self._looks(group, lane, members[group], watched):
                found = self._keys(lane, group, plan, watched)
                verdicts += [
                    (plan, verdict)
                    for verdict in found.end(
                        window.start,
                        members[group],
                        final=window.final,
                        owns=lambda key, group=group: self._owns(group, key),  # type: ignore[misc]
                        new_after=self._environment.settings.new_key_hours * 3600,
                    )
                ]
        for group in watched.keys() - self._plans.keys():
            watched.pop(group).clear()
        self._tell(window, verdicts)
        self._count(watched.values())
        if window.final:
            for each in watched.values():
                each.clear()
            del self._watched[lane.key]

    def engaged(self, window: Window) -> dict[tuple[str, str], tuple[Engaged, ...]]:
        """What rules have engaged in a window's lane, by kind and name of the entity."""
        if not self._has_conditions(window.lane):
            return {}
        standing, stream = self._standing(window.lane), window.lane.stream
        return {place: standing.engaged(stream, *place) for place in standing.places(stream)}

    def _follow(self) -> None:
        """Go over to another policy, or other groups, where there are."""
        environment = self._environment
        groups = environment.scripts.groups.counters
        if environment.policy is self._view and groups is self._groups:
            return
        self._view, self._groups = environment.policy, groups
        definitions = Definitions(groups)
        view = environment.policy
        rules: dict[str, list[tuple[str, object]]] = {}
        for name in sorted(view.rule_groups()):
            rules.setdefault(groups.canonical(name), []).extend(view.rules_for(name))
        self._plans = {}
        for group, mine in rules.items():
            plan = Plan(group, mine, view, lambda meter, group=group: definitions.kind(group, meter))  # type: ignore[arg-type, misc]
            self._plans[group] = plan
            defined = groups.find(group)
            meters = defined.meters if isinstance(defined, CounterGroup) else ()
            self._units[group] = {meter.name: meter.unit for meter in meters}
            unknown = set(plan.metrics) - {meter.name for meter in meters}
            if meters and unknown:
                _log.warning("rules on %s name what it has no meter for: %s", group, ", ".join(sorted(unknown)))
        self._active = frozenset(
            (ask.rule.name, GRANULARITIES[ask.rule.period])
            for plan in self._plans.values()
            for ask in plan.asks
            if ask.rule.enabled
        )

    def _of_lane(self, lane: Lane) -> dict[str, Watched]:
        """What is watched in a lane; what a stage that stopped has left of it is taken up."""
        found = self._watched.get(lane.key)
        if found is None:
            prefix = f"{lane.key}\x00"
            known = {name.split("\x00")[1] for name in self._store if name.startswith(prefix)}
            found = self._watched[lane.key] = {
                group: Watched(KeyTable(self._store, f"{prefix}{group}", MOST_KEYS)) for group in sorted(known)
            }
        return found

    def _keys(self, lane: Lane, group: str, plan: Plan, watched: dict[str, Watched]) -> Watched:
        found = watched.get(group)
        if found is not None and found.remembers and not plan.remembers:
            found.clear()
            found = None
        if found is None:
            found = watched[group] = Watched(KeyTable(self._store, f"{lane.key}\x00{group}", MOST_KEYS))
        found.use(plan)
        return found

    def _looks(self, group: str, lane: Lane, members: Sequence[Metric], watched: dict[str, Watched]) -> bool:
        """True in the lane of a group's counters: that of the flows, or for other groups each that had some."""
        if group in FROM_FLOWS:
            return lane.source == FLOW_SUMS
        return bool(members) or group in watched

    def _owns(self, group: str, key: str) -> bool:
        """True when the counters of a key come to this partition."""
        return partition_of_pair(group, key, self._environment.partitions[PARTIAL.kind]) == self._number

    def _tell(self, window: Window, verdicts: Sequence[tuple[Plan, Verdict]]) -> None:
        """Report what holds, period by period, and publish what became of it."""
        lane, outbox = window.lane, window.state.outbox
        stream = lane.stream
        standing = self._standing(lane)
        end = window.start + WINDOW_SECONDS
        by_end: dict[int, list[tuple[Plan, Verdict]]] = {end: []}
        for plan, verdict in verdicts:
            measure = verdict.ask.rule.measure
            if measure == "new_key":
                for key, value in zip(verdict.keys, verdict.values, strict=True):
                    rule = verdict.ask.rule
                    said = new_key(rule, plan.group, value)
                    instance = self._name(lane)
                    alert = stored(
                        verdict.ask.key, rule, plan.group, key, verdict.period, value, said, stream, instance
                    )
                    outbox.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)
            elif measure == "top_change":
                rule = verdict.ask.rule
                keys = list(zip(verdict.keys, verdict.values, strict=True))
                name = list_name(verdict.ask.key)
                outbox.put(RANKING, name, Ranking(name, rule.metric, rule.top, keys))
            else:
                by_end.setdefault(verdict.period.end if not window.final else end, []).append((plan, verdict))
        for ended, mine in sorted(by_end.items()):
            for plan, verdict in mine:
                for condition in conditions(verdict, plan, self._units[plan.group]):
                    standing.report(stream, condition, holds=verdict.holds)
            ran = {
                name
                for seconds, name in GRANULARITIES.items()
                if ended % seconds == 0 and (ended == end or seconds > WINDOW_SECONDS)
            }
            for alert in standing.finish(stream, ended, ran, self._is_active):
                outbox.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)
        if window.final:
            for alert in standing.end_of_stream(stream, end):
                outbox.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)

    def _is_active(self, rule: str, granularity: str) -> bool:
        return (rule, granularity) in self._active

    def _standing(self, lane: Lane) -> Conditions:
        found = self._conditions.get(lane.source)
        if found is None:
            store = self._stores.of(f"{CONDITIONS}/{lane.source}")
            found = self._conditions[lane.source] = Conditions(store, self._name(lane))
        return found

    def _has_conditions(self, lane: Lane) -> bool:
        return len(self._stores.of(f"{CONDITIONS}/{lane.source}")) > 0

    def _name(self, lane: Lane) -> str:
        """Who says so: lanes of one partition each for itself, since each goes at its own pace."""
        return self._instance if lane.source == FLOW_SUMS else f"{self._instance}@{lane.source}"

    def _count(self, watched: Iterable[Watched]) -> None:
        learned: dict[str, Learned] = {}
        for each in watched:
            learned |= each.learned
        for rule, (learning, ready) in learned.items():
            _entities.labels(rule, "learning", self._instance).set(learning)
            _entities.labels(rule, "ready", self._instance).set(ready)
