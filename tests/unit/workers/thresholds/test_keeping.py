"""What rules know survives a stop at any window, and a change of the rules."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapline.checks.base import Patience
from tapline.policy.model import Rule, Selector
from tests.unit.workers.thresholds.made import FIRST, Stage, rule
from topics.records import Alert, Ranking
from workers.thresholds import table as tables
from workers.thresholds.table import KeyTable
from workers.windows.store import StageStore

RULES: dict[str, Rule] = {
    "high": rule("high", value=40, patience=Patience(for_runs=2, clear_runs=2)),
    "low": rule("low", operator="lt", value=5),
    "five": rule("five", period=300, value=120),
    "change": rule("change", measure="change", value=60, floor=10),
    "change5": rule("change5", measure="change", value=10, period=300, floor=1),
    "gone": rule("gone", measure="absence"),
    "named": rule("named", measure="absence", select=Selector(host="h9")),
    "new": rule("new", measure="new_key", learn_periods=3),
    "top": rule("top", measure="top_change", top=2),
    "top5": rule("top5", measure="top_change", top=2, period=300),
    **{
        method: rule(method, measure="anomaly", method=method, learn_periods=3, season=180, sensitivity=1.0)  # type: ignore[arg-type]
        for method in ("ewma", "double_exponential", "holt_winters", "rsi", "z_score", "iqr")
    },
    "five_ewma": rule("five_ewma", measure="anomaly", period=300, learn_periods=2, sensitivity=0.5),
}

Windows = list[dict[str, float]]


def told(stage: Stage, windows: Windows, begin: int = 0) -> list[list[Alert | Ranking]]:
    """What each window put out."""
    found = []
    for number, keys in enumerate(windows[begin:], begin):
        kept = stage.put(FIRST + 60 * number, keys)
        found.append([*kept.alerts, *kept.rankings])
    return found


keys = st.dictionaries(st.sampled_from([f"h{n}" for n in range(12)]), st.integers(0, 60), max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(keys, min_size=1, max_size=24), st.data())
def test_beginning_again_at_any_commit_point_comes_to_the_same(windows: Windows, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(windows)))
    whole = Stage(RULES)
    expected = told(whole, windows)
    stage = Stage(RULES)
    told(stage, windows[:at])
    known = deepcopy(stage.stored)
    # Windows after the commit point, of which nothing is known after the start.
    told(stage, windows, at)
    stage.stored = known
    stage.start()
    assert told(stage, windows, at) == expected[at:]
    assert {place: json.loads(text) for place, text in stage.stored.items()} == {
        place: json.loads(text) for place, text in whole.stored.items()
    }


def test_a_window_writes_some_values_and_not_one_a_key() -> None:
    stage = Stage(RULES)
    hosts = {f"10.0.{n // 250}.{n % 250}": 10.0 for n in range(2000)}
    for number in range(6):
        stage.put(FIRST + 60 * number, hosts)
    assert max(stage.written) < 60


def test_the_blocks_of_a_table_are_written_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 4)
    stores = StageStore()
    changed: set[tuple[str, str]] = set()
    stores.point(changed)
    table = KeyTable(stores.of("t"), "place", 100)
    rows, _ = table.rows_of([f"k{n}" for n in range(10)])
    table.column("a")[rows] = range(10)
    table.touch("a")
    table.save()
    changed.clear()
    table.column("a")[9] = 99
    table.touch("a")
    table.save()
    assert changed == {("t", "place\x00ca\x002")}
    table.free([0, 5])
    assert table.rows_of(["new", "newer"])[0].tolist() == [0, 5]
    table.save()
    again = KeyTable(stores.of("t"), "place", 100)
    assert [again.key(row) for row in range(10)] == ["new", "k1", "k2", "k3", "k4", "newer", "k6", "k7", "k8", "k9"]
    assert again.column("a").tolist() == [0, 1, 2, 3, 4, 0, 6, 7, 8, 99]
    again.clear()
    assert not len(stores.of("t"))


def test_a_rule_that_comes_later_begins_with_whole_periods_and_the_others_go_on() -> None:
    old = {"five": rule("five", period=300, value=14)}
    stage = Stage(old)
    for number in range(3):
        assert stage.alerts(FIRST + 60 * number, {"a": 3}) == []
    stage.set({**old, "low": rule("low", period=300, metric="packets", operator="lt", value=1)})
    found = [stage.put(FIRST + 60 * number, {"a": 3}).alerts for number in range(3, 10)]
    assert [(alert.script, alert.window) for alerts in found for alert in alerts] == [
        ("five", FIRST),
        ("low", FIRST + 300),
    ]


def test_what_no_rule_needs_any_more_is_dropped() -> None:
    stage = Stage(RULES)
    told(stage, [{"h1": 3.0}] * 4)
    names = [key for owner, key in stage.stored if owner == "rules"]
    assert any("/300" in name for name in names)
    assert any("\x00cb/" in name for name in names)
    stage.set({"low": RULES["low"]})
    told(stage, [{"h1": 50.0}] * 5, 4)
    names = [key.split("\x00", 2)[2] for owner, key in stage.stored if owner == "rules"]
    assert sorted(names) == ["cseen\x000", "k0", "m"]
    stage.set({"high": RULES["high"]})
    told(stage, [{"h1": 1.0}] * 6, 5)
    assert [key for owner, key in stage.stored if owner == "rules"] == []


def test_the_conditions_of_a_rule_that_is_gone_are_released() -> None:
    stage = Stage({"low": RULES["low"], "gone": RULES["gone"]})
    assert stage.alerts(FIRST, {"a": 3}) == [("trigger", "a")]
    stage.set({"gone": RULES["gone"]})
    assert stage.alerts(FIRST + 60, {"a": 3}) == [("release", "a")]
    assert stage.alerts(FIRST + 120, {}) == [("trigger", "a")]
    stage.set({})
    stage.start()
    assert stage.alerts(FIRST + 180, {"a": 3}) == [("release", "a")]
    assert stage.stored == {}


def test_a_threshold_that_changes_holds_from_the_next_window_on() -> None:
    stage = Stage({"r": rule(value=10)})
    assert stage.alerts(FIRST, {"a": 5}) == []
    stage.set({"r": rule(value=4)})
    assert stage.alerts(FIRST + 60, {"a": 5}) == [("trigger", "a")]


def test_a_band_that_is_learned_otherwise_is_learned_anew() -> None:
    def anomaly(sensitivity: float) -> dict[str, Rule]:
        return {"r": rule(measure="anomaly", learn_periods=3, sensitivity=sensitivity)}

    stage = Stage(anomaly(3.0))
    told(stage, [{"a": 10.0}] * 4)
    assert stage.alerts(FIRST + 240, {"a": 1000}) == [("trigger", "a")]
    stage.set(anomaly(2.0))
    assert stage.alerts(FIRST + 300, {"a": 5000}) == [("release", "a")]


def test_a_stream_that_has_ended_leaves_nothing() -> None:
    stage = Stage(RULES)
    told(stage, [{"h1": 50.0, "h2": 3.0}] * 4)
    stage.put(FIRST + 240, {"h1": 50}, final=True)
    assert stage.stored == {}
