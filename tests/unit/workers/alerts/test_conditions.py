"""When what checks assert run by run becomes an alert, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tapline.checks import Entity, Patience
from tapline.checks.alert_types import ANOMALY, TypeInfo, threshold_cross
from topics.records import Alert, Stored
from workers.alerts.conditions import (
    NOT_SEEN,
    REASSERT_SECONDS,
    SCRIPT_GONE,
    STREAM_ENDED,
    Conditions,
    ReportedCondition,
)
from workers.windows.store import Place, StageStore

STREAM = "live"
BEGIN = 1_700_000_040 // 60 * 60


class Stage:
    """A stage that runs a check each minute, and can be started again after any of its windows."""

    def __init__(self, patience: Patience | None = None, **reported: Any) -> None:
        self.patience = patience or Patience()
        self.reported = reported
        self.minute = 0
        self.stores = StageStore()
        self.kept: dict[Place, str] = {}
        self.active = True
        self._begin()

    def _begin(self) -> None:
        self.stores = StageStore()
        self.stores.load(
            Stored(stage="~partial/0", owner=owner, key=key, value=value) for (owner, key), value in self.kept.items()
        )
        self.conditions = Conditions(self.stores.of("conditions"), "partial-0")

    def restart(self) -> None:
        self._begin()

    def run(self, value: float | None, *, ran: Sequence[Any] = ("min",), info: TypeInfo | None = None) -> list[Alert]:
        """A window with this value of a metric, which holds above 100; ``None`` asserts nothing."""
        self.minute += 1
        end = BEGIN + 60 * self.minute
        changed: set[Place] = set()
        self.stores.point(changed)
        if value is not None:
            info = info or threshold_cross("bytes", value, "gt", 100)
            condition = ReportedCondition(
                script="Volume",
                entity=Entity(kind="host", name="10.0.0.1"),
                info=info,
                patience=self.patience,
                **self.reported,
            )
            self.conditions.report(STREAM, condition, holds=value > 100)
        events = self.conditions.finish(STREAM, end, ran, lambda *_: self.active)
        self.written = changed
        for owner, key in changed:
            self.kept[owner, key] = self.stores.of(owner).text(key)
        self.kept = {place: value for place, value in self.kept.items() if value}
        return events


def actions(stage: Stage, values: Sequence[float | None]) -> list[str]:
    found = []
    for value in values:
        events = stage.run(value)
        assert len(events) <= 1
        found.append(events[0].action if events else "")
    return found


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_it_is_triggered_after_so_many_runs_in_a_row(runs: int) -> None:
    stage = Stage(Patience(for_runs=runs))
    assert actions(stage, [101] * (runs - 1)) == [""] * (runs - 1)
    if runs > 1:
        assert actions(stage, [100]) == [""], "a run in between begins anew; a threshold that is met is not crossed"
        assert actions(stage, [101] * (runs - 1)) == [""] * (runs - 1)
    assert actions(stage, [101, 101]) == ["trigger", ""]


def test_it_is_released_after_five_clear_runs_in_a_row_and_not_before() -> None:
    stage = Stage()
    assert actions(stage, [101, 0, 0, 0, 0, 101]) == ["trigger", "", "", "", "", ""]
    assert actions(stage, [0, 0, None, None, 0, 0]) == ["", "", "", "", "release", ""]


def test_flapping_each_minute_for_an_hour_is_one_alert() -> None:
    stage = Stage()
    said = [each for each in actions(stage, [200, 0] * 30) if each]
    assert said == ["trigger", "trigger"], "the second only says that it still holds, after half an hour"
    assert [each for each in actions(stage, [0] * 10) if each] == ["trigger", "release"], "and at the end of the hour"


@pytest.mark.parametrize(("seconds", "run"), [(0, 1), (60, 1), (61, 2), (120, 2), (180, 3)])
def test_it_is_held_at_least_so_long(seconds: int, run: int) -> None:
    stage = Stage(Patience(clear_runs=1, hold_seconds=seconds))
    assert actions(stage, [101]) == ["trigger"]
    assert actions(stage, [0] * 3) == ["release" if each + 1 == run else "" for each in range(3)]


def test_between_the_thresholds_it_stays_as_it_was() -> None:
    stage = Stage(Patience(for_runs=2, clear_runs=2, clear_threshold=80))
    assert actions(stage, [101, 90, 101, 101]) == ["", "", "", "trigger"], "what does not hold is no run of it"
    assert actions(stage, [80, 81, 80, 90, 80]) == ["", "", "", "", ""], "over 80 is not clear"
    assert actions(stage, [80]) == ["release"]


def test_for_a_lower_bound_the_clear_threshold_is_above() -> None:
    stage = Stage(Patience(clear_runs=1, clear_threshold=20))
    below = threshold_cross("replies", 5, "lt", 10)
    assert [each.action for each in stage.run(101, info=below)] == ["trigger"]
    assert stage.run(0, info=threshold_cross("replies", 19, "lt", 10)) == []
    assert [each.action for each in stage.run(0, info=threshold_cross("replies", 20, "lt", 10))] == ["release"]


def test_the_event_says_why() -> None:
    (event,) = Stage(configuration="checks/volume/overrides/0", score=200).run(150)
    assert (event.type, event.subtype, event.entity, event.entity_kind) == (
        "threshold_cross",
        "bytes",
        "10.0.0.1",
        "host",
    )
    assert (event.value, event.threshold, event.score, event.severity) == (150, 100, 200, 6)
    assert (event.script, event.configuration, event.instance) == ("Volume", "checks/volume/overrides/0", "partial-0")
    assert (event.time, event.window, event.source_ip) == ((BEGIN + 60) * 1_000_000, BEGIN, "10.0.0.1")


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({"severity": 8, "score": 1}, 8),
        ({"score": 9}, 2),
        ({"score": 10}, 3),
        ({"score": 49}, 3),
        ({"score": 50}, 4),
        ({"score": 250}, 8),
        ({"score": 9000}, 8),
        ({}, 5),
    ],
)
def test_severity_follows_from_the_score_where_none_is_given(given: dict[str, int], severity: int) -> None:
    (event,) = Stage(**given).run(101)
    assert event.severity == severity
    assert event.score <= 250


def test_only_what_says_something_new_is_told_again() -> None:
    stage = Stage()
    assert actions(stage, [101, 5000, 7e9]) == ["trigger", "", ""], "another value is nothing new"
    worse = TypeInfo(
        type=threshold_cross("", 0, "gt", 0).type, message="bytes is 200 (> 100)", subtype="bytes", score=200
    )
    assert [each.severity for each in stage.run(200, info=worse)] == [6]
    other = TypeInfo(type=worse.type, message="nothing but uploads", subtype="bytes", score=200)
    assert [each.message for each in stage.run(200, info=other)] == ["nothing but uploads"]
    assert stage.run(200, info=other) == []


def test_what_still_holds_is_said_again_after_half_an_hour() -> None:
    stage = Stage()
    said = actions(stage, [101] * (1 + REASSERT_SECONDS // 60))
    assert [number for number, each in enumerate(said) if each] == [0, REASSERT_SECONDS // 60]


def test_a_run_at_another_granularity_is_none() -> None:
    stage = Stage(Patience(clear_runs=1))
    assert actions(stage, [101]) == ["trigger"]
    assert stage.run(None, ran=("five_minutes",)) == []
    (event,) = stage.run(None)
    assert (event.action, event.attributes["ended"]) == ("release", NOT_SEEN)


def test_what_a_script_that_is_gone_held_is_released_at_once() -> None:
    stage = Stage(Patience(hold_seconds=3600))
    actions(stage, [101])
    stage.active = False
    (event,) = stage.run(None, ran=())
    assert (event.action, event.attributes["ended"]) == ("release", SCRIPT_GONE)
    assert stage.kept == {}


def test_the_end_of_a_stream_releases_what_is_engaged_in_it() -> None:
    stage = Stage(Patience(for_runs=2))
    actions(stage, [101])
    stage.stores.point(set())
    assert stage.conditions.end_of_stream(STREAM, BEGIN + 120) == [], "what is pending was never told"
    actions(stage, [101, 101])
    stage.stores.point(set())
    assert stage.conditions.end_of_stream("other", BEGIN + 300) == []
    (event,) = stage.conditions.end_of_stream(STREAM, BEGIN + 300)
    assert (event.action, event.attributes["ended"]) == ("release", STREAM_ENDED)
    assert stage.conditions.end_of_stream(STREAM, BEGIN + 300) == []


def test_who_looks_at_an_entity_sees_what_is_engaged_on_it() -> None:
    stage = Stage()
    assert stage.conditions.engaged(STREAM, "host", "10.0.0.1") == ()
    stage.run(101)
    stage.run(200, info=TypeInfo(type=ANOMALY, message="odd", score=60))
    found = stage.conditions.engaged(STREAM, "host", "10.0.0.1")
    assert sorted((each.type, each.score, each.category) for each in found) == [
        ("anomaly", 60, "network"),
        ("threshold_cross", 100, "network"),
    ]
    assert list(stage.conditions.places(STREAM)) == [("host", "10.0.0.1")]
    assert list(stage.conditions.places("other")) == []


def test_nothing_is_written_while_nothing_changes() -> None:
    stage = Stage()
    stage.run(101)
    for _ in range(10):
        stage.run(150)
        assert not stage.written
    stage.run(0)
    assert stage.written


@pytest.mark.parametrize("after", range(14))
def test_a_restart_after_any_window_changes_nothing(after: int) -> None:
    values = [101, 101, 90, 101, 101, 0, 101, 0, 90, 0, 0, 0, 0, 0, 101]
    patience = Patience(for_runs=2, clear_runs=3, hold_seconds=120, clear_threshold=80)
    whole, other = Stage(patience), Stage(patience)
    for number, value in enumerate(values):
        assert other.run(value) == whole.run(value)
        if number == after:
            other.restart()
    assert other.kept == whole.kept
