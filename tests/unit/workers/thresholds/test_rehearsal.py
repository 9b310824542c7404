"""What rules would have said of windows that are past is what they say of them as they come."""

from __future__ import annotations

from collections.abc import Iterator

from tapline.policy.model import Policy, Rule
from tests.unit.workers.thresholds.made import FIRST, Stage, counter, rule
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.thresholds.rehearsal import PastWindow, rehearse

VALUES = (5, 50, 60, 10, 70, 0, 80, 5, 5)
RULES = {
    "above": rule("above", value=40),
    "grown": rule("grown", measure="change", value=100),
    "missing": rule("missing", measure="absence"),
    "five": rule("five", value=150, period=300),
}


def rehearsed(rules: dict[str, Rule]) -> list[tuple[str, str, int]]:
    found = rehearse(Policy(rules=rules), load_files([], {}), WorkersSettings(scripts=[]), windows())
    return [(alert.configuration, alert.action, alert.time) for alert in found]


def windows() -> Iterator[PastWindow]:
    for number, value in enumerate(VALUES):
        start = FIRST + 60 * number
        counters = [counter(start, "Hosts", "192.0.2.1", value)] if value else []
        yield PastWindow("live", start, counters)


def test_the_past_is_judged_as_the_present() -> None:
    stage = Stage(RULES)
    lived = [
        (alert.configuration, alert.action, alert.time)
        for number, value in enumerate(VALUES)
        for alert in stage.put(FIRST + 60 * number, {"192.0.2.1": value} if value else {}).alerts
    ]
    assert rehearsed(RULES) == lived
    assert len({rule for rule, _, _ in lived}) == len(RULES), "each of them has something to say"


def test_what_comes_into_the_largest_is_told() -> None:
    past = [
        PastWindow("live", FIRST, [counter(FIRST, "Hosts", "192.0.2.1", 5)]),
        PastWindow("live", FIRST + 60, [counter(FIRST + 60, "Hosts", "192.0.2.2", 9)]),
    ]
    policy = Policy(rules={"top": rule("top", measure="top_change", top=1)})
    (alert,) = rehearse(policy, load_files([], {}), WorkersSettings(scripts=[]), past)
    assert (alert.entity, alert.configuration, alert.action) == ("192.0.2.2", "rules/top", "store")
