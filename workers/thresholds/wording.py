"""What rules and what they find are called, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tapline.checks.entities import EntityKind
from tapline.checks.periodic import (
    HostCheck,
    InterfaceCheck,
    NetworkCheck,
    SnmpDeviceCheck,
    SnmpInterfaceCheck,
)
from tapline.policy.model import Rule

PERIODS: Final[Mapping[int, str]] = {60: "1 min", 300: "5 min", 3600: "1 h", 86400: "1 d"}
SIGNS: Final = {"gt": ">", "lt": "<"}

_KINDS: Final[Mapping[str, EntityKind]] = {
    group: check.kind
    for check in (HostCheck, InterfaceCheck, NetworkCheck, SnmpDeviceCheck, SnmpInterfaceCheck)
    for group in check.groups
}


def kind_of(group: str) -> EntityKind:
    """What the keys of a counter group are; those of no other kind are the system's."""
    return _KINDS.get(group, "system")


def question_of(rule_key: str) -> str:
    """The question that a rule is an answer to: its key up to a slash."""
    return rule_key.partition("/")[0]


def entity_name(group: str, key: str) -> str:
    """What a key is called in alerts: keys of groups that are no kind of entity by themselves say their group."""
    return key if kind_of(group) != "system" else f"{group}/{key}"


def asked_of(rule: Rule) -> str:
    """What a rule asks, as ``bytes_out in 5 min > 1,000,000``."""
    period, sign, value = PERIODS.get(rule.period, f"{rule.period} s"), SIGNS[rule.operator], shown(rule.value)
    if rule.measure == "rate":
        return f"{rule.metric}/s in {period} {sign} {value}"
    if rule.measure == "ratio":
        return f"{rule.metric} of {rule.other_metric} in {period} {sign} {value} %"
    if rule.measure == "change":
        return f"change of {rule.metric} in {period} {sign} {value} %"
    if rule.measure == "absence":
        return f"no {rule.metric} in {period}"
    if rule.measure == "anomaly":
        return f"{rule.metric} in {period} outside its band ({rule.method}, learns {rule.learn_periods} periods)"
    if rule.measure == "new_key":
        return f"new, once {rule.learn_periods} x {period} are known"
    if rule.measure == "top_change":
        return f"new among the {rule.top} largest by {rule.metric} in {period}"
    return f"{rule.metric} in {period} {sign} {value}"


def shown(value: float) -> str:
    """A number for people."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
