"""The rules that ship can be used as they are."""

from pathlib import Path

import scripts
from tapline.policy.effective import PolicyView
from tapline.policy.reading import read_files
from workers.counting.groups import GROUPS
from workers.thresholds.plan import Plan

RULES = Path(scripts.__file__).parent / "rules" / "useful.yaml"


def test_they_name_groups_and_meters_that_there_are() -> None:
    view = PolicyView(read_files([RULES]).policy)
    groups = {group.name: {meter.name for meter in group.meters} for group in GROUPS}
    assert len(view.policy.rules) > 10
    for group in view.rule_groups():
        plan = Plan(group, view.rules_for(group), view, lambda _: "counter")
        assert set(plan.metrics) <= groups[group]


def test_there_is_one_of_each_measure() -> None:
    measures = {rule.measure for rule in read_files([RULES]).policy.rules.values()}
    assert measures == {"volume", "rate", "ratio", "change", "absence", "anomaly", "new_key", "top_change"}
