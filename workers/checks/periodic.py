"""Periodic checks on one partition of the counters: run at each window's end, and at the end of longer periods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
from prometheus_client import Counter

from tapline.checks import Check, Entity, TypeInfo
from tapline.checks.entities import Granularity
from tapline.checks.hooks import written
from tapline.checks.periodic import HostCheck, PeriodicCheck
from tapline.checks.runtime import Band
from tapline.policy.effective import PolicyView
from topics.catalog import ALERT
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Alert, Endpoints, MeterKind, MeterValue
from workers.alerts.conditions import Conditions, Engaged, ReportedCondition
from workers.checks.alert_records import alert_of, check_text, emit_alert
from workers.checks.check_memory import CheckMemory
from workers.checks.entities import ANY_LANE, JOINED, ByKey, Standing, by_group, entities, entity, lane_of
from workers.checks.host_scores import add_alerts, explain
from workers.checks.hosting import CheckSettings, InForce
from workers.checks.periods import TIERS, Kinds, Part, Periods, window_values
from workers.counting.behaviour_groups import SETS
from workers.counting.coded import members_of
from workers.counting.counter_sums import CounterSums, Place
from workers.counting.counts import Definitions
from workers.counting.meters import Number
from workers.counting.wanted import is_in_service
from workers.environment import Environment, Notice
from workers.scripting.host import ScriptHost
from workers.scripting.hosted import HostedScript
from workers.scripting.runtime import CheckServices, WindowRuntime
from workers.windows.ledger import Window
from workers.windows.lineage import FLOW_SUMS, METRIC_SUMS

DROPPED_ALERT: Final = "checks-dropped"
"""The type of the alert that tells that checks took too long, and that some were not run."""

_NO_VALUES: Final[Mapping[str, MeterValue]] = {}
_AT_ONCE: Final = 2000
"""So many entities are looked at between two looks at the clock."""

_WAITING: Final = 60 * WINDOW_SECONDS
"""What waits for another lane's window longer than that waits no more."""

_HOOKS: Final[tuple[Granularity, ...]] = ("min", *TIERS)
_dropped = Counter(
    "tapline_worker_check_calls_dropped", "Calls of periodic checks that were not made.", ["check", "reason"]
)

Groups = tuple[str, ...]


if TYPE_CHECKING:
    from workers.thresholds.anomalies import Bands


class Planned(NamedTuple):
    """A check at work: where it runs, at which granularities, each with the method that is called, and its settings."""

    hosted: HostedScript
    check: PeriodicCheck
    lane: str
    groups: Groups
    methods: dict[str, str]
    settings: CheckSettings


class PeriodicServices(CheckServices):
    """What periodic checks ask for, in the lane at hand and with the settings in force for the entity at hand."""

    def __init__(self, runtime: WindowRuntime) -> None:
        self._runtime = runtime
        self.lane: CheckedLane
        self.in_force: InForce | None = None
        self.alerts_of: Mapping[str, list[Engaged]] = {}

    def condition(self, check: Check, entity: Entity, info: TypeInfo, *, holds: bool) -> None:
        if not isinstance(entity, Entity) or not isinstance(info, TypeInfo):
            raise TypeError("a condition is one of an Entity and says a TypeInfo, as self.type_info('what is wrong')")
        check_text("message", info.message)
        in_force = self.in_force
        assert in_force is not None
        if holds and entity.kind == "host" and not getattr(check, "counts_to_score", True):
            reasons = explain(entity, self.alerts_of.get(entity.name, ()))
            info = msgspec.structs.replace(info, attributes={**reasons, **info.attributes})
        self.lane.conditions.report(
            self._runtime.stream,
            ReportedCondition(
                script=check.script_name,
                entity=entity,
                info=info,
                patience=in_force.patience,
                configuration=in_force.configuration,
                score=in_force.score,
                severity=in_force.severity,
            ),
            holds=holds,
        )

    def store_alert(self, check: Check, entity: Entity, info: TypeInfo, about: Endpoints | None = None) -> None:
        emit_alert(self._runtime, alert_of(self._runtime, check, entity, info, self.in_force, about))

    def band(self, check: Check, entity: Entity, metric: str) -> Band:
        place = f"{check.script_name}\x00{entity.kind}\x00{entity.name}\x00{entity.granularity}"
        params = check.params
        chosen = {
            name: getattr(params, name)
            for name in ("method", "sensitivity", "season", "learn_periods")
            if hasattr(params, name)
        }
        return self.lane.bands.learn(self._runtime.stream, place, metric, entity.value(metric), **chosen)

    def remember(self, check: Check, entity: Entity, metric: str, value: float) -> float | None:
        return self.lane.memory.swap(check.script_name, self._runtime.stream, entity, metric, value)


class CheckedLane:
    """What the checks of one lane keep, each stream for itself."""

    def __init__(self, runtime: WindowRuntime, source: str) -> None:
        name = runtime.instance if source == FLOW_SUMS else f"{runtime.instance}@{source}"
        self._stores = runtime.stores
        self._source = source
        self.conditions = Conditions(runtime.stores.of(f"check-conditions/{source}"), name)
        self._bands: Bands | None = None
        self.memory = CheckMemory(runtime.stores.of(f"check-memory/{source}"))
        self._periods: dict[str, Periods] = {}

    @property
    def bands(self) -> Bands:
        """The bands that its checks learn."""
        if self._bands is None:
            from workers.thresholds.anomalies import Bands  # noqa: PLC0415 - numpy takes its time to load

            self._bands = Bands(self._stores.of(f"check-bands/{self._source}"))
        return self._bands

    def periods(self, stream: str) -> Periods:
        """The long periods of a stream."""
        found = self._periods.get(stream)
        if found is None:
            store = self._stores.of(f"check-periods/{self._source}")
            found = self._periods[stream] = Periods(store, stream)
        return found

    def forget(self, stream: str) -> None:
        """A stream has ended."""
        self._periods.pop(stream, None)
        if self._bands is not None or len(self._stores.of(f"check-bands/{self._source}")):
            self.bands.forget(stream)

    def finish(self, stream: str, window: int, *, final: bool) -> None:
        """A window has ended: keep what has changed."""
        if final:
            self.forget(stream)
        if self._bands is not None:
            self._bands.finish()
        self.memory.finish(stream, window, final=final)


class Counted(NamedTuple):
    """What a window has counted: the results by group and key, and the sums they were made of."""

    results: Mapping[str, ByKey]
    raw: Callable[[str, str], Mapping[str, MeterValue]]


class PeriodicChecks:
    """The periodic checks of one partition of the counters.

    ``rules`` tells what rules have engaged on hosts in a lane, which counts to their score as well.
    """

    def __init__(
        self,
        environment: Environment,
        runtime: WindowRuntime,
        rules: Callable[[Window], Mapping[tuple[str, str], tuple[Engaged, ...]]],
    ) -> None:
        self._environment = environment
        self._runtime = runtime
        self._rules = rules
        self.host = ScriptHost(environment, PeriodicCheck, runtime.instance)
        self.host.runtime = runtime
        self.host.changed.append(self._forget)
        self._services = PeriodicServices(runtime)
        runtime.services = self._services
        self._joined = runtime.stores.of("check-joined")
        self._view: PolicyView | None = None
        self._plans: tuple[Planned, ...] = ()
        self._lanes: dict[str, CheckedLane] = {}
        self._engaged_before: dict[tuple[str, str], tuple[Engaged, ...]] = {}

    def add_scores(self, window: Window, results: dict[Place, dict[str, Number]]) -> None:
        """Put to the scores of hosts what is engaged on them; before the counters of a window of flows are made."""
        if window.lane.source != FLOW_SUMS:
            return
        self._prepare()
        engaged = dict(self._rules(window))
        for place, alerts in self._engaged(self._lane(FLOW_SUMS), window.lane.stream).items():
            engaged[place] = engaged.get(place, ()) + alerts
        self._engaged_before = engaged
        hosts = {name: alerts for (kind, name), alerts in engaged.items() if kind == "host"}
        left_out = {plan.check.type.name for plan in self._plans if not plan.check.counts_to_score}
        self._services.alerts_of = add_alerts(results, hosts, left_out)

    def end(self, window: Window, results: Mapping[Place, dict[str, Number]], sums: CounterSums) -> None:
        """Run the checks of a window that has ended, and publish what became of their conditions."""
        self._prepare()
        source = window.lane.source
        mine = [plan for plan in self._plans if plan.lane in (source, ANY_LANE)]
        wanted = frozenset(group for plan in mine for group in plan.groups)
        counted = by_group(results, wanted) if wanted else {}
        self._run(window, source, mine, Counted(counted, _raw_of(sums)), final=window.final)
        if source in (FLOW_SUMS, METRIC_SUMS):
            self._join(window, results)

    def _join(self, window: Window, results: Mapping[Place, dict[str, Number]]) -> None:
        """Run the checks that look at flows and samples together, when both lanes have ended the window."""
        plans = [plan for plan in self._plans if plan.lane == JOINED]
        lane, start = window.lane, window.start
        beginning = f"{lane.stream}\x00"
        mine = self._joined_places(beginning)
        if not plans:
            if mine or self._has_kept(JOINED):
                for place in mine:
                    del self._joined[place]
                self._run(window, JOINED, [], Counted({}, _nothing), final=window.final)
            return
        place = f"{beginning}{start}"
        wanted = frozenset(group for plan in plans for group in plan.groups)
        counted = by_group(results, wanted)
        other = self._joined.get(place)
        if other is None or other["lane"] == lane.source:
            self._joined[place] = {"lane": lane.source, "counted": counted}
        else:
            del self._joined[place]
            both = {group: {**other["counted"].get(group, {}), **counted[group]} for group in wanted}
            self._run(window, JOINED, plans, Counted(both, _nothing), final=window.final)
        for old in mine:
            if int(old.rpartition("\x00")[2]) <= start - _WAITING or (window.final and old != place):
                self._joined.pop(old, None)

    def _joined_places(self, beginning: str) -> list[str]:
        return [place for place in self._joined if place.startswith(beginning)]

    def _run(self, window: Window, source: str, plans: list[Planned], counted: Counted, *, final: bool) -> None:
        if not plans and not self._has_kept(source):
            return
        stream, start = window.lane.stream, window.start
        end = start + WINDOW_SECONDS
        lane = self._services.lane = self._lane(source)
        engaged = self._engaged_before if source == FLOW_SUMS else self._engaged(lane, stream)
        deadline = _Deadline(self._environment.settings.script_window_seconds)
        skipped: set[str] = set()
        ran: set[Granularity] = {"min"}
        self._run_period(plans, "min", start, counted.results, engaged, deadline, skipped)
        for ended in lane.periods(stream).add(
            start, _longest(plans), lambda kinds: self._parts(plans, counted, kinds), final=final
        ):
            self._run_period(plans, ended.granularity, ended.start, ended.counted, engaged, deadline, skipped)
            ran.add(ended.granularity)
        self._tell_dropped(deadline, skipped, stream, start)
        active = {(plan.check.script_name, hook) for plan in plans for hook in plan.methods}
        alerts = lane.conditions.finish(stream, end, ran, lambda *at: at in active, skipped)
        if final:
            alerts += lane.conditions.end_of_stream(stream, end)
        lane.finish(stream, start, final=final)
        for alert in alerts:
            self._put(alert)

    def _run_period(
        self,
        plans: list[Planned],
        hook: Granularity,
        start: int,
        counted: Mapping[str, ByKey],
        engaged: Mapping[tuple[str, str], tuple[Engaged, ...]],
        deadline: _Deadline,
        skipped: set[str],
    ) -> None:
        """Call one granularity's hooks, check by check in the order of their priorities."""
        view = self._environment.policy
        standing = Standing(
            self._runtime.is_local,
            view.pools_of,
            {place: tuple(alert.type for alert in alerts) for place, alerts in engaged.items()},
        )
        made: dict[tuple[str, Groups], list[Entity]] = {}
        for plan in plans:
            method = plan.methods.get(hook)
            if method is None or plan.hosted.suspended:
                continue
            check = plan.check
            plainly = type(check).compares_plainly(method)
            place = (check.kind, plan.groups)
            if place not in made:
                made[place] = entities(check.kind, plan.groups, counted, hook, start, standing)
            silent = _silent(check, made[place], engaged)
            found = made[place] + [entity(check.kind, name, {}, hook, start, standing) for name in silent]
            found = _for_check(check, plan.groups, found)
            for in_force, some in _by_settings(plan.settings, hook, found):
                check.params = in_force.params
                self._services.in_force = in_force
                for first in range(0, len(some), _AT_ONCE):
                    if deadline.over():
                        skipped.add(check.script_name)
                        _dropped.labels(check.script_name, "deadline").inc(len(some) - first)
                        break
                    batch = some[first : first + _AT_ONCE]
                    if plainly:
                        batch = _worth_comparing(check, batch)
                        plan.hosted.looked_at(method, min(_AT_ONCE, len(some) - first) - len(batch))
                    plan.hosted.each(method, batch)

    def _parts(self, plans: list[Planned], counted: Counted, kinds: dict[str, Kinds]) -> Iterator[Part]:
        """What checks of long periods want kept of a window: the meters that they read.

        Of hosts one's own alone, where no check looks at others.
        """
        all_of: dict[str, bool] = {}
        read: dict[str, set[str] | None] = {}
        for plan in plans:
            hooks = {hook: method for hook, method in plan.methods.items() if hook != "min"}
            if hooks:
                reads = plan.check.meters_kept(hooks.values())
                local_only = isinstance(plan.check, HostCheck) and plan.check.local_only
                for group in plan.groups:
                    all_of[group] = all_of.get(group, False) or not local_only
                    before = read.get(group, set())
                    read[group] = None if before is None or not reads else before.union(reads)
        is_local = self._runtime.is_local
        definitions = Definitions(self.host.groups.counters)
        for group in sorted(all_of):
            of_group = kinds[group] = _KindsOf(definitions, group)
            read_of_group = read[group]
            wanted = None if read_of_group is None else sorted(read_of_group)
            for key, meters in counted.results.get(group, {}).items():
                if all_of[group] or is_local(key):
                    kept = meters if wanted is None else {meter: meters[meter] for meter in wanted if meter in meters}
                    yield group, key, window_values(kept, of_group, partial(counted.raw, group, key))

    def _tell_dropped(self, deadline: _Deadline, skipped: set[str], stream: str, start: int) -> None:
        if not skipped:
            return
        message = (
            f"checks took more than {deadline.seconds:g} s of window {start} of stream {stream}; not run to their end:"
            f" {', '.join(sorted(skipped))}: run fewer, make them faster, or raise workers.script_window_seconds"
        )
        identity = digest(DROPPED_ALERT, self._runtime.instance, stream, start)
        self._environment.notices.append(Notice(DROPPED_ALERT, message, "checks", "", identity))

    def _put(self, alert: Alert) -> None:
        self._runtime.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)

    def _lane(self, source: str) -> CheckedLane:
        found = self._lanes.get(source)
        if found is None:
            found = self._lanes[source] = CheckedLane(self._runtime, source)
        return found

    def _has_kept(self, source: str) -> bool:
        """True when checks have left something in a lane that has to be brought to its end."""
        owners = ("check-conditions", "check-bands", "check-memory", "check-periods")
        return any(len(self._runtime.stores.of(f"{owner}/{source}")) for owner in owners)

    @staticmethod
    def _engaged(lane: CheckedLane, stream: str) -> dict[tuple[str, str], tuple[Engaged, ...]]:
        conditions = lane.conditions
        return {(kind, name): conditions.engaged(stream, kind, name) for kind, name in conditions.places(stream)}

    def _prepare(self) -> None:
        """Find the checks that are at work, and what the policy says of them."""
        if self._view is self._environment.policy:
            return
        self._view = view = self._environment.policy
        canonical = self.host.groups.counters.canonical
        plans = []
        at_work = [hosted for hosted in self.host.scripts if hosted.monitor is not None]
        for hosted in sorted(at_work, key=lambda each: -cast("Check", each.monitor).priority):
            check = cast("PeriodicCheck", hosted.monitor)
            if is_in_service(type(check), view) and check.groups:
                groups = tuple(dict.fromkeys(map(canonical, check.groups)))
                settings = CheckSettings(hosted.script, view)
                plans.append(Planned(hosted, check, lane_of(groups), groups, written(type(check)), settings))
        self._plans = tuple(plans)

    def _forget(self) -> None:
        self._view = None


class _KindsOf(dict[str, MeterKind]):
    """The kinds of a group's meters, found as they are asked for."""

    def __init__(self, definitions: Definitions, group: str) -> None:
        super().__init__()
        self._definitions = definitions
        self._group = group

    def __missing__(self, meter: str) -> MeterKind:
        kind = self[meter] = self._definitions.kind(self._group, meter)
        return kind


class _Deadline:
    """The CPU time that the checks of one window may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.thread_time() + seconds

    def over(self) -> bool:
        return time.thread_time() > self._end


def _longest(plans: Iterable[Planned]) -> Granularity:
    hooks = {hook for plan in plans for hook in plan.methods}
    return next((hook for hook in reversed(_HOOKS) if hook in hooks), "min")


def _for_check(check: PeriodicCheck, groups: Groups, found: list[Entity]) -> list[Entity]:
    """The entities that a check looks at."""
    if isinstance(check, HostCheck) and check.local_only:
        return [each for each in found if each.is_local]
    if check.packet_interface_only and "Capture" in groups:
        return [each for each in found if "dropped" in each.meters]
    return found


def _worth_comparing(check: PeriodicCheck, found: list[Entity]) -> list[Entity]:
    """The entities of which a plain comparison has something to say: a call for each costs twenty times as much."""
    meter, threshold = check.meter, check.params.threshold
    if check.params.operator == "gt":
        return [each for each in found if each.meters.get(meter, 0) > threshold or each.engaged]
    return [each for each in found if each.meters.get(meter, 0) < threshold or each.engaged]


def _silent(
    check: PeriodicCheck, found: list[Entity], engaged: Mapping[tuple[str, str], tuple[Engaged, ...]]
) -> list[str]:
    """The entities on which a check has something engaged and of which nothing was counted."""
    script = check.script_name
    mine = [
        name
        for (kind, name), alerts in engaged.items()
        if kind == check.kind and any(alert.script == script for alert in alerts)
    ]
    if not mine:
        return mine
    counted = {each.name for each in found}
    return sorted(name for name in mine if name not in counted)


def _by_settings(settings: CheckSettings, hook: str, found: list[Entity]) -> list[tuple[InForce, list[Entity]]]:
    """The entities for which a check is on, those of one setting together."""
    if settings.is_uniform:
        in_force = settings.of(hook, "", "")
        return [(in_force, found)] if in_force.enabled else []
    buckets: dict[int, tuple[InForce, list[Entity]]] = {}
    for each in found:
        in_force = settings.of(hook, each.kind, each.name)
        if in_force.enabled:
            buckets.setdefault(id(in_force), (in_force, []))[1].append(each)
    return list(buckets.values())


def _nothing(_group: str, _key: str) -> Mapping[str, MeterValue]:
    return _NO_VALUES


def _raw_of(sums: CounterSums) -> Callable[[str, str], Mapping[str, MeterValue]]:
    """What averages and sets are made of, by group and key."""

    def raw(group: str, key: str) -> Mapping[str, MeterValue]:
        if group not in SETS and (group, key) not in sums.named:
            return _NO_VALUES
        found: dict[str, MeterValue] = {}
        if group in SETS:
            values: Any = sums.plain.get((group, key), [])
            for code, members in members_of(values).items():
                found[SETS[group][code]] = members  # type: ignore[assignment]
        for (name, kind), value in sums.named.get((group, key), {}).items():
            if kind in ("average", "distinct"):
                found[name] = value
        return found

    return raw
