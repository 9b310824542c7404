"""What each measure of a rule compares, and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tapline.checks.base import Patience
from tapline.policy.model import Pool, Selector
from tests.unit.workers.thresholds.made import DAY, FIRST, HOUR, Stage, rule
from workers.counting.groups import CAPTURE, SAMPLED
from workers.windows.lineage import FLOW_SUMS, METRIC_SUMS


def test_greater_is_strict() -> None:
    stage = Stage({"r": rule(value=1000)})
    assert stage.alerts(FIRST, {"10.0.0.1": 999, "10.0.0.2": 1000, "10.0.0.3": 1001}) == [("trigger", "10.0.0.3")]


def test_less_is_strict() -> None:
    stage = Stage({"r": rule(value=1000, operator="lt")})
    assert stage.alerts(FIRST, {"10.0.0.1": 999, "10.0.0.2": 1000, "10.0.0.3": 1001}) == [("trigger", "10.0.0.1")]


def test_an_alert_says_why() -> None:
    stage = Stage({"upload/servers": rule("big upload", metric="bytes_out", value=10, score=200, message="too much")})
    (alert,) = stage.put(FIRST, {"10.0.0.1": {"bytes_out": 12.0}}).alerts
    assert (alert.type, alert.subtype, alert.granularity) == ("threshold_cross", "upload", "min")
    assert (alert.entity_kind, alert.entity, alert.source_ip) == ("host", "10.0.0.1", "10.0.0.1")
    assert (alert.script, alert.configuration) == ("big upload", "rules/upload/servers")
    assert (alert.value, alert.threshold, alert.window, alert.time) == (12, 10, FIRST, (FIRST + 60) * 1_000_000)
    assert (alert.score, alert.severity, alert.stream, alert.instance) == (200, 6, "live", "partial-0")
    assert alert.message == "too much: bytes_out is 12 bytes in 1 min (> 10)"
    assert alert.attributes == {"group": "Hosts", "metric": "bytes_out"}


def test_a_condition_lasts_as_long_as_it_holds() -> None:
    stage = Stage({"r": rule(value=10)})
    assert stage.alerts(FIRST, {"10.0.0.1": 11}) == [("trigger", "10.0.0.1")]
    assert stage.alerts(FIRST + 60, {"10.0.0.1": 12}) == []
    assert stage.alerts(FIRST + 120, {}) == [("release", "10.0.0.1")]


def test_between_the_clear_threshold_and_the_threshold_things_stay() -> None:
    stage = Stage({"r": rule(value=10, patience=Patience(clear_runs=1, clear_threshold=5))})
    assert stage.alerts(FIRST, {"10.0.0.1": 7}) == []
    assert stage.alerts(FIRST + 60, {"10.0.0.1": 11}) == [("trigger", "10.0.0.1")]
    assert stage.alerts(FIRST + 120, {"10.0.0.1": 6}) == []
    assert stage.alerts(FIRST + 180, {"10.0.0.1": 5}) == [("release", "10.0.0.1")]


def test_a_rate_is_a_second_s_worth() -> None:
    stage = Stage({"r": rule(measure="rate", value=10)})
    assert stage.alerts(FIRST, {"10.0.0.1": 600}) == []
    (alert,) = stage.put(FIRST + 60, {"10.0.0.1": 660}).alerts
    assert alert.value == 11


def test_a_ratio_is_a_share_in_percent_and_needs_something_to_be_a_share_of() -> None:
    stage = Stage(
        {"r": rule(measure="ratio", metric="packets_in", other_metric="packets_out", operator="lt", value=50, floor=10)}
    )
    found = stage.put(
        FIRST,
        {
            "10.0.0.1": {"packets_in": 5, "packets_out": 10},
            "10.0.0.2": {"packets_in": 4, "packets_out": 10},
            "10.0.0.3": {"packets_in": 0, "packets_out": 9},
            "10.0.0.4": {"packets_in": 3},
        },
    )
    assert [(alert.entity, alert.value, alert.threshold) for alert in found.alerts] == [("10.0.0.2", 40, 50)]


def test_a_change_is_against_the_period_before() -> None:
    stage = Stage({"r": rule(measure="change", value=50)})
    assert stage.alerts(FIRST, {"10.0.0.1": 100, "10.0.0.2": 100}) == []
    found = stage.put(FIRST + 60, {"10.0.0.1": 150, "10.0.0.2": 151, "10.0.0.3": 9999})
    assert [(alert.entity, alert.value) for alert in found.alerts] == [("10.0.0.2", 51)]


def test_a_drop_is_seen_also_where_nothing_is_left() -> None:
    stage = Stage({"r": rule(measure="change", operator="lt", value=-50)})
    assert stage.alerts(FIRST, {"10.0.0.1": 100, "10.0.0.2": 100}) == []
    found = stage.put(FIRST + 60, {"10.0.0.1": 50})
    assert [(alert.entity, alert.value) for alert in found.alerts] == [("10.0.0.2", -100)]


def test_the_floor_keeps_changes_of_tiny_numbers_quiet() -> None:
    stage = Stage({"r": rule(measure="change", value=100, floor=1000)})
    assert stage.alerts(FIRST, {"10.0.0.1": 1, "10.0.0.2": 1}) == []
    # 900 is 89.9 % of the floor more, 2002 a little over twice the floor.
    assert stage.alerts(FIRST + 60, {"10.0.0.1": 900, "10.0.0.2": 1002, "10.0.0.3": 2001}) == [
        ("trigger", "10.0.0.2"),
        ("trigger", "10.0.0.3"),
    ]


def test_a_time_without_windows_is_a_period_of_nothing() -> None:
    stage = Stage({"r": rule(measure="change", value=100, floor=10)})
    stage.alerts(FIRST, {"10.0.0.1": 1000})
    (alert,) = stage.put(FIRST + 600, {"10.0.0.1": 1000}).alerts
    assert alert.value == 10_000


def test_a_host_that_falls_silent_is_missed_until_it_returns() -> None:
    stage = Stage({"gone": rule("gone", measure="absence")})
    assert stage.alerts(FIRST, {"10.0.0.1": 1, "10.0.0.2": 1}) == []
    (alert,) = stage.put(FIRST + 60, {"10.0.0.2": 1}).alerts
    assert (alert.type, alert.entity, alert.value, alert.threshold) == ("absence", "10.0.0.1", 60, 60)
    assert stage.alerts(FIRST + 120, {"10.0.0.2": 1}) == []
    assert stage.alerts(FIRST + 180, {"10.0.0.1": 1, "10.0.0.2": 1}) == [("release", "10.0.0.1")]
    assert stage.alerts(FIRST + 240, {"10.0.0.2": 1}) == [("trigger", "10.0.0.1")]


def test_a_key_that_is_named_is_missed_though_it_never_came() -> None:
    stage = Stage({"backup": rule("backup", measure="absence", select=Selector(host="10.0.0.9"))})
    assert stage.alerts(FIRST, {"10.0.0.1": 1}) == []
    (alert,) = stage.put(FIRST + 60, {}).alerts
    assert (alert.action, alert.entity, alert.value) == ("trigger", "10.0.0.9", 120)
    assert stage.alerts(FIRST + 120, {"10.0.0.9": 1}) == [("release", "10.0.0.9")]


def test_the_members_of_a_pool_that_are_named_singly_are_waited_for() -> None:
    pools = {"there": Pool(members=("10.0.0.9", "10.1.0.0/16", "10.2.*", "02:00:00:00:00:01"))}
    stage = Stage({"there": rule(measure="absence", select=Selector(pool="there"))}, pools)
    assert stage.alerts(FIRST, {"10.0.0.1": 1}) == []
    assert stage.alerts(FIRST + 60, {}) == [("trigger", "10.0.0.9")]


def test_a_named_key_is_missed_by_the_partition_it_would_come_to_alone() -> None:
    names = [f"10.0.0.{number}" for number in range(1, 9)]
    stage = Stage({n: rule(n, measure="absence", select=Selector(host=n)) for n in names}, partitions=4)
    missed = []
    for number in range(4):
        stage.stored = {}
        stage.start()
        stage.rules._number = number
        stage.alerts(FIRST, {})
        missed += [entity for _, entity in stage.alerts(FIRST + 60, {})]
    assert sorted(missed) == names


def test_less_than_is_asked_of_a_known_key_that_is_silent() -> None:
    stage = Stage({"r": rule(operator="lt", value=10)})
    assert stage.alerts(FIRST, {"10.0.0.1": 10}) == []
    assert stage.alerts(FIRST + 60, {}) == [("trigger", "10.0.0.1")]


def test_the_short_last_window_of_a_stream_misses_nobody() -> None:
    stage = Stage({"gone": rule(measure="absence"), "low": rule(operator="lt", value=10)})
    assert stage.alerts(FIRST, {"10.0.0.1": 10}) == []
    assert stage.alerts(FIRST + 60, {}, final=True) == []


@pytest.mark.parametrize(("period", "start"), [(300, FIRST), (3600, HOUR), (86400, DAY)])
def test_a_long_period_is_the_sum_of_its_windows(period: int, start: int) -> None:
    number = period // 60
    stage = Stage({"r": rule(period=period, value=number - 1)})
    for at in range(start, start + period - 60, 60):
        assert stage.alerts(at, {"10.0.0.1": 1, "10.0.0.2": 1} if at > start else {"10.0.0.1": 1}) == []
    (alert,) = stage.put(start + period - 60, {"10.0.0.1": 1, "10.0.0.2": 1}).alerts
    assert (alert.entity, alert.value, alert.window) == ("10.0.0.1", number, start)
    assert alert.granularity == {300: "five_minutes", 3600: "hour", 86400: "day"}[period]


def test_of_a_period_that_was_not_seen_whole_only_what_more_would_not_change_is_said() -> None:
    stage = Stage({"low": rule("low", period=300, operator="lt", value=100), "high": rule("high", period=300, value=5)})
    for at in range(FIRST + 120, FIRST + 240, 60):
        assert stage.alerts(at, {"10.0.0.1": 3}) == []
    (alert,) = stage.put(FIRST + 240, {"10.0.0.1": 3}).alerts
    assert (alert.script, alert.value) == ("high", 9)


def test_a_period_that_the_stream_s_end_cuts_short() -> None:
    stage = Stage({"low": rule("low", period=300, operator="lt", value=100), "high": rule("high", period=300, value=5)})
    stage.alerts(FIRST, {"10.0.0.1": 3})
    found = stage.put(FIRST + 60, {"10.0.0.1": 3}, final=True).alerts
    assert [(alert.script, alert.action) for alert in found] == [("high", "trigger"), ("high", "release")]
    assert stage.stored == {}


def test_a_period_ends_also_where_no_window_does() -> None:
    stage = Stage({"r": rule(period=300, value=5)})
    stage.alerts(FIRST, {"10.0.0.1": 3})
    stage.alerts(FIRST + 60, {"10.0.0.1": 3})
    (alert,) = stage.put(FIRST + 720, {"10.0.0.1": 1}).alerts
    assert (alert.value, alert.window, alert.time) == (6, FIRST, (FIRST + 300) * 1_000_000)


def test_new_keys_are_told_once_it_is_known_which_are_not() -> None:
    stage = Stage({"new": rule(measure="new_key", learn_periods=2)})
    assert stage.alerts(FIRST, {"10.0.0.1": 1}) == []
    assert stage.alerts(FIRST + 60, {"10.0.0.1": 1, "10.0.0.2": 1}) == []
    assert stage.alerts(FIRST + 120, {"10.0.0.1": 1, "10.0.0.3": 1}) == [("store", "10.0.0.3")]
    assert stage.alerts(FIRST + 180, {"10.0.0.3": 1}) == []
    later = FIRST + 5 * 3600
    assert stage.alerts(later, {"10.0.0.1": 1}) == [("store", "10.0.0.1")]


def test_the_most_specific_rule_of_a_question_is_asked() -> None:
    pools = {"servers": Pool(members=("10.0.0.3",))}
    stage = Stage(
        {
            "up": rule("all", value=10),
            "up/net": rule("net", value=20, select=Selector(network="10.0.0.0/24")),
            "up/servers": rule("servers", value=5, select=Selector(pool="servers")),
            "up/one": rule("one", value=40, select=Selector(host="10.0.0.2")),
            "up/free": rule("free", select=Selector(host="10.0.0.5"), enabled=False),
            "other": rule("other", value=35),
        },
        pools,
    )
    hosts = {"192.0.2.1": 11, "10.0.0.1": 15, "10.0.0.2": 39, "10.0.0.3": 21, "10.0.0.4": 21, "10.0.0.5": 30}
    found = [(alert.entity, alert.script) for alert in stage.put(FIRST, hosts).alerts]
    assert sorted(found) == [("10.0.0.2", "other"), ("10.0.0.3", "net"), ("10.0.0.4", "net"), ("192.0.2.1", "all")]


def test_patterns_choose_keys_of_any_group() -> None:
    stage = Stage({"r": rule(group="apps", value=1, select=Selector(name="TLS*"))})
    found = stage.put(FIRST, {"TLS.Google": 2, "DNS": 2}, "Apps").alerts
    assert [(alert.entity_kind, alert.entity) for alert in found] == [("system", "Apps/TLS.Google")]


@pytest.mark.parametrize(
    ("group", "key", "kind"),
    [("Subnets", "10.0.0.0/24", "network"), ("Interfaces", "eth0", "interface"), ("Scores", "10.0.0.1", "host")],
)
def test_the_entity_is_of_the_group_s_kind(group: str, key: str, kind: str) -> None:
    stage = Stage({"r": rule(group=group, metric="m", value=1)})
    (alert,) = stage.put(FIRST, {key: {"m": 2}}, group).alerts
    assert (alert.entity_kind, alert.entity) == (kind, key)


def test_the_totals_of_a_group_are_no_key_of_it() -> None:
    assert Stage({"r": rule(value=1)}).alerts(FIRST, {"SYS:GROUP_TOTALS": 5}) == []


def test_a_group_of_a_script_is_looked_at_in_each_lane_it_comes_in() -> None:
    stage = Stage({"r": rule(group="Mine", metric="m", operator="lt", value=2)})
    assert stage.alerts(FIRST, {}, "Mine") == []
    assert stage.alerts(FIRST, {"a": {"m": 2}}, "Mine", source="~resource") == []
    assert stage.alerts(FIRST + 60, {}, "Mine") == []
    assert stage.alerts(FIRST + 60, {}, "Mine", source="~resource") == [("trigger", "Mine/a")]


@pytest.mark.parametrize("group", [group.name for group in (CAPTURE, *SAMPLED)])
def test_what_capture_nodes_sample_is_looked_at_where_it_comes(group: str) -> None:
    stage = Stage({"r": rule(group=group, metric="m", value=1)})
    assert stage.alerts(FIRST, {}, group, source=FLOW_SUMS) == []
    (alert,) = stage.put(FIRST, {"10.0.0.1": {"m": 2}}, group, source=METRIC_SUMS).alerts
    assert (alert.action, alert.attributes["group"]) == ("trigger", group)


def test_no_number_is_no_value() -> None:
    stage = Stage({"r": rule(value=1), "a": rule(measure="anomaly", learn_periods=2)})
    values: list[Any] = [float("inf"), float("nan"), float("-inf"), 5]
    found = [stage.alerts(FIRST + 60 * at, {"10.0.0.1": value}) for at, value in enumerate(values)]
    assert found[:3] == [[], [], []]
    assert ("trigger", "10.0.0.1") in found[3]


def test_there_is_an_end_to_the_keys_that_rules_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.thresholds.rules.MOST_KEYS", 3)
    monkeypatch.setattr("workers.thresholds.watched.MOST_KEYS", 3)
    stage = Stage({"gone": rule("gone", measure="absence", period=300), "high": rule("high", value=5)})
    stage.alerts(FIRST, {"a": 1, "b": 1, "c": 1})
    # d takes the place of the one that was not seen for longest; e finds none.
    assert stage.alerts(FIRST + 60, {"b": 1, "c": 1, "d": 6}) == [("trigger", "d")]
    assert stage.alerts(FIRST + 120, {"b": 1, "c": 1, "d": 1, "e": 6}) == [("release", "d")]


def test_what_is_not_seen_for_a_day_is_forgotten() -> None:
    stage = Stage({"gone": rule(measure="absence")})
    stage.alerts(HOUR, {"10.0.0.1": 1})
    assert stage.alerts(HOUR + 60, {}) == [("trigger", "10.0.0.1")]
    assert stage.alerts(HOUR + 86_400 + 3600, {}) == [("release", "10.0.0.1")]
