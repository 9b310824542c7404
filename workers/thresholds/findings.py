"""What the verdicts of rules say: of which entity, in which words, in which alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tapline.checks.alert_types import (
    ABSENCE,
    ANOMALY,
    NEW_KEY,
    THRESHOLD_CROSS,
    TOP_CHANGE,
    AlertType,
    TypeInfo,
    severity_of,
)
from tapline.checks.entities import Entity
from tapline.policy.model import Measure, Rule
from topics.partitions import digest
from topics.records import Alert
from workers.alerts.conditions import ReportedCondition
from workers.thresholds.plan import GRANULARITIES, Plan
from workers.thresholds.sums import Period
from workers.thresholds.watched import Verdict
from workers.thresholds.wording import PERIODS, SIGNS, entity_name, kind_of, question_of, shown

_TYPES: Final[Mapping[Measure, AlertType]] = {
    "volume": THRESHOLD_CROSS,
    "rate": THRESHOLD_CROSS,
    "ratio": THRESHOLD_CROSS,
    "change": THRESHOLD_CROSS,
    "absence": ABSENCE,
    "anomaly": ANOMALY,
    "new_key": NEW_KEY,
    "top_change": TOP_CHANGE,
}


def conditions(verdict: Verdict, plan: Plan, units: Mapping[str, str]) -> Iterator[ReportedCondition]:
    """What a verdict asserts, one condition a key; ``units`` are those of the group's meters by name."""
    ask, rule = verdict.ask, verdict.ask.rule
    unit = units.get(rule.metric, "")
    for at, (key, value, threshold) in enumerate(zip(verdict.keys, verdict.values, verdict.thresholds, strict=True)):
        if verdict.bands:
            said = _anomaly(rule, value, *verdict.bands[at], unit)
        elif rule.measure == "absence":
            said = f"nothing in {PERIODS[rule.period]} ({rule.metric}), not seen for {value:.0f} s"
        else:
            said = _crossed(rule, value, threshold, unit)
        yield ReportedCondition(
            script=rule.name,
            entity=Entity(
                kind=plan.kind,
                name=entity_name(plan.group, key),
                granularity=GRANULARITIES[rule.period],
                window=verdict.period.start,
                pools=plan.pools_of(key),
            ),
            info=TypeInfo(
                type=_TYPES[rule.measure],
                message=_worded(rule, said),
                subtype=ask.question,
                score=rule.score,
                severity=rule.severity,
                value=value,
                threshold=threshold,
                attributes={"group": plan.group, "metric": rule.metric},
            ),
            patience=rule.patience,
            configuration=f"rules/{ask.key}",
        )


def stored(
    rule_key: str, rule: Rule, group: str, key: str, period: Period, value: float, said: str, stream: str, instance: str
) -> Alert:
    """An alert without an end that a rule raises on a key."""
    kind, type_ = kind_of(group), _TYPES[rule.measure]
    severity = rule.severity or severity_of(rule.score)
    return Alert(
        id=digest("rule", stream, instance, rule_key, period.start, period.seconds, key),
        time=period.end * 1_000_000,
        type=type_.name,
        subtype=question_of(rule_key),
        granularity=GRANULARITIES[period.seconds],
        message=_worded(rule, said),
        entity=entity_name(group, key),
        entity_kind=kind,
        category=type_.category,
        score=rule.score,
        severity=severity,
        priority=1 if severity >= 6 else 2 if severity >= 4 else 3,
        script=rule.name,
        configuration=f"rules/{rule_key}",
        value=value,
        threshold=rule.floor,
        stream=stream,
        window=period.start,
        instance=instance,
        attributes={"group": group, "metric": rule.metric},
        source_ip=key if kind == "host" else "",
    )


def new_key(rule: Rule, group: str, value: float) -> str:
    """What is said of a key that was not there before."""
    return f"new in {group}, with {rule.metric} {shown(value)}"


def among_largest(rule: Rule, group: str, rank: int, value: float) -> str:
    """What is said of a key that is among the largest and was not in the period before."""
    return (
        f"now number {rank} of the {rule.top} largest of {group} by {rule.metric}, with {shown(value)} in"
        f" {PERIODS[rule.period]}"
    )


def _crossed(rule: Rule, value: float, threshold: float, unit: str) -> str:
    sign, period = SIGNS[rule.operator], PERIODS[rule.period]
    if rule.measure == "ratio":
        return f"{rule.metric} is {value:.4g} % of {rule.other_metric} in {period} ({sign} {threshold:g} %)"
    if rule.measure == "change":
        return f"{rule.metric} changed by {value:+.4g} % in {period} ({sign} {threshold:g} %)"
    told = f"{shown(value)} {unit}".rstrip() + ("/s" if rule.measure == "rate" else "")
    return f"{rule.metric} is {told} in {period} ({sign} {shown(threshold)})"


def _anomaly(rule: Rule, value: float, lower: float, upper: float, unit: str) -> str:
    told = f"{shown(value)} {unit}".rstrip()
    expected = f"expected {shown(lower)} to {shown(upper)} ({rule.method})"
    return f"{rule.metric} is {told} in {PERIODS[rule.period]}, {expected}"


def _worded(rule: Rule, said: str) -> str:
    return f"{rule.message}: {said}" if rule.message else said
