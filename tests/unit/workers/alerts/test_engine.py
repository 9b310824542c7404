"""What is told of alerts, and what is not: each rule at its boundary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tapline import AlertMonitor
from tapline.policy.model import Acknowledgement, Alerting, Exclusion, Policy
from tests.unit.workers.alerts.log import FIRST_WINDOW, Kafka, Log, alert, environment_of, events, once, run
from tests.unit.workers.made import scripts as loaded
from topics.records import Alert
from workers.alerts.memory import AlertMemory, Standing
from workers.scripting.scripts import ScriptSet
from workers.windows.outbox import Outgoing

AT = FIRST_WINDOW


def said(*alerts: Alert, policy: Policy | None = None, scripts: ScriptSet | None = None) -> Kafka:
    """What comes of these alerts, each in the window of its time, and of the end of each window."""
    log, node = Log(), "~flow/0"
    windows = sorted({each.time // 60_000_000 * 60 for each in alerts})
    for window in windows:
        log.put(node, window, *(each for each in alerts if each.time // 60_000_000 * 60 == window))
        log.mark(node, window)
    return once(log.messages, policy, scripts)


def outcomes(kafka: Kafka) -> dict[str, int]:
    return {name: count for name, count in kafka.outcomes().items() if count and name != "received"}


def test_a_condition_is_told_when_it_begins_and_when_it_ends() -> None:
    kafka = said(alert(AT), alert(AT + 5), alert(AT + 70, "release"), alert(AT + 80, "release"))
    assert events(kafka) == [("raised", AT), ("released", AT + 70)]
    assert outcomes(kafka) == {"raised": 1, "released": 1, "refreshed": 2}
    raised, released = kafka.told
    assert raised.episode == released.episode != ""
    assert (released.began, released.count) == (raised.time, 2)
    (state,) = kafka.standing().values()
    assert (state.status, state.holders, state.notifications) == ("released", {}, 2)


def test_the_next_time_is_another_episode() -> None:
    kafka = said(alert(AT), alert(AT + 1, "release"), alert(AT + 1), alert(AT + 2, "release"))
    assert [each for each, _ in events(kafka)] == ["raised", "released"] * 2
    assert len({each.episode for each in kafka.told}) == 2
    assert len(kafka.notifications()) == 4


@pytest.mark.parametrize(
    "other",
    [{"subtype": "b"}, {"granularity": "hour"}, {"entity": "10.0.0.2"}, {"entity_kind": "network"}, {"kind": "scan"}],
)
def test_what_a_condition_is_known_by(other: dict[str, str]) -> None:
    kafka = said(alert(AT), alert(AT, **other))
    assert outcomes(kafka) == {"raised": 2}
    assert outcomes(said(alert(AT), alert(AT, signature="x", peer="y", group="z"))) == {"raised": 1, "refreshed": 1}


def test_a_stream_is_a_world_of_its_own() -> None:
    live, file = Log(), Log("file-0123456789abcdef")
    live.put("~flow/0", AT, alert(AT))
    file.put("~flow/0", AT, alert(AT))
    assert outcomes_of([*live.messages, *file.messages]) == ["raised", "raised"]


def outcomes_of(messages: Any) -> list[str]:
    return [each.event for each in once(messages).told]


def test_what_several_hold_is_over_when_none_does() -> None:
    kafka = said(
        alert(AT, instance="flow-0"),
        alert(AT + 1, instance="flow-1"),
        alert(AT + 2, instance="flow-1", script="Other"),
        alert(AT + 3, "release", instance="flow-0"),
        alert(AT + 4, "release", instance="flow-0"),
        alert(AT + 5, "release", instance="flow-1"),
        alert(AT + 6, "release", instance="flow-1", script="Other"),
    )
    assert events(kafka) == [("raised", AT), ("released", AT + 6)]


def test_an_event_older_than_the_last_of_its_holder_is_known() -> None:
    kafka = said(alert(AT + 10), alert(AT + 20, "release"), alert(AT + 10), alert(AT + 19, "release"))
    assert events(kafka) == [("raised", AT + 10), ("released", AT + 20)]


def test_a_person_releases_for_all() -> None:
    kafka = said(alert(AT, instance="flow-0"), alert(AT, instance="flow-1"), alert(AT + 1, "release", instance="*"))
    assert events(kafka)[-1] == ("released", AT + 1)


def test_another_severity_or_message_is_a_change_another_number_is_none() -> None:
    kafka = said(
        alert(AT, message="1,000 packets a second from 10.0.0.7"),
        alert(AT + 1, message="2,500 packets a second from 10.0.0.8"),
        alert(AT + 2, message="2,500 packets a second from 10.0.0.8", severity=6),
        alert(AT + 3, message="it is over the whole network now", severity=6),
    )
    assert events(kafka) == [("raised", AT), ("changed", AT + 2), ("changed", AT + 3)]
    assert [each.count for each in kafka.told] == [1, 3, 4]
    (state,) = kafka.standing().values()
    assert state.alert.message == "it is over the whole network now"


@pytest.mark.parametrize(("seconds", "told"), [(299, 1), (300, 2)])
def test_a_one_shot_alert_is_told_once_in_a_while(seconds: int, told: int) -> None:
    kafka = said(alert(AT, "store", id="a"), alert(AT + seconds, "store", id="b"))
    assert len(kafka.told) == told
    assert kafka.told[-1].count == told
    (state,) = kafka.standing().values()
    assert (state.status, state.alert.count) == ("stored", 2)


def test_the_same_alert_of_a_script_is_told_once_however_long_its_flow_lasts() -> None:
    kafka = said(*(alert(AT + 60 * number, "store", id="flow") for number in range(30)))
    assert outcomes(kafka) == {"stored": 1, "repeated": 29}


@pytest.mark.parametrize(
    "other",
    [
        {"signature": "ET SCAN"},
        {"group": "IDS"},
        {"peer": "10.9.9.9"},
        {"subtype": "x"},
        {"destination_ip": "10.9.9.9"},
    ],
)
def test_what_tells_two_one_shot_alerts_apart(other: dict[str, str]) -> None:
    kafka = said(alert(AT, "store", id="a"), alert(AT, "store", id="b", **other))
    assert outcomes(kafka) == {"stored": 2}


@pytest.mark.parametrize(
    ("exclusion", "fields", "excluded"),
    [
        (Exclusion(alert="flo*"), {}, True),
        (Exclusion(alert="FLOOD"), {}, True),
        (Exclusion(alert="scan"), {}, False),
        (Exclusion(entity="10.0.0.0/30"), {}, True),
        (Exclusion(entity="10.0.0.4/30"), {}, False),
        (Exclusion(entity="2001:db8::/32"), {"entity": "2001:DB8::7"}, True),
        (Exclusion(entity="10.0.0.1"), {}, True),
        (Exclusion(entity="10.0.0.?", peer="10.9.*"), {"peer": "10.9.1.1"}, True),
        (Exclusion(entity="10.0.0.?", peer="10.9.*"), {"peer": "10.8.1.1"}, False),
        (Exclusion(peer="10.9.0.0/16"), {"source_ip": "10.0.0.1", "destination_ip": "10.9.1.1"}, True),
        (Exclusion(port=53), {"destination_port": 53}, True),
        (Exclusion(port=53), {"source_port": 53}, True),
        (Exclusion(port=53), {"destination_port": 5353}, False),
        (Exclusion(transport="udp"), {"transport": "udp"}, True),
        (Exclusion(transport="udp"), {"transport": "tcp"}, False),
        (Exclusion(signature="et scan*"), {"signature": "ET SCAN Nmap"}, True),
        (Exclusion(script="Flood"), {"script": "Flood"}, True),
        (Exclusion(script="Flood"), {"script": "Other"}, False),
        (Exclusion(until=(AT + 1) * 1_000_000), {}, True),
        (Exclusion(until=AT * 1_000_000), {}, False),
    ],
)
def test_exclusions(exclusion: Exclusion, fields: dict[str, Any], excluded: bool) -> None:  # noqa: FBT001
    for action in ("trigger", "store"):
        kafka = said(alert(AT, action, **fields), policy=Policy(exclusions={"x": exclusion}))
        assert bool(outcomes(kafka).get("excluded")) is excluded
        assert bool(kafka.told) is not excluded


def test_what_was_excluded_and_still_holds_is_told_when_the_exclusion_ends() -> None:
    policy = Policy(exclusions={"x": Exclusion(until=(AT + 100) * 1_000_000)})
    kafka = said(alert(AT), alert(AT + 99), alert(AT + 100), alert(AT + 101, "release"), policy=policy)
    assert events(kafka) == [("raised", AT + 100), ("released", AT + 101)]
    assert kafka.told[0].began == AT * 1_000_000
    assert outcomes(kafka) == {"excluded": 2, "raised": 1, "released": 1}


def test_of_what_was_not_told_the_end_is_not_told_either() -> None:
    policy = Policy(exclusions={"x": Exclusion()})
    kafka = said(alert(AT), alert(AT + 1, "release"), policy=policy)
    assert kafka.told == []
    assert outcomes(kafka) == {"excluded": 2}
    (state,) = kafka.standing().values()
    assert (state.status, state.withheld) == ("released", "excluded")


@pytest.mark.parametrize(("severity", "told"), [(3, False), (4, True)])
def test_the_minimum_severity(severity: int, told: bool) -> None:  # noqa: FBT001
    policy = Policy(alerting=Alerting(minimum_severity=4))
    kafka = said(alert(AT, severity=severity), policy=policy)
    assert bool(kafka.told) is told


def test_what_becomes_severe_enough_is_raised_then() -> None:
    policy = Policy(alerting=Alerting(minimum_severity=4))
    kafka = said(alert(AT, severity=3), alert(AT + 1, severity=5), policy=policy)
    assert events(kafka) == [("raised", AT + 1)]


def test_severity_follows_from_the_score_where_none_was_given() -> None:
    kafka = said(alert(AT, "store", severity=0, score=150))
    assert kafka.told[0].severity == 5


def test_no_more_of_an_identity_in_an_hour_than_is_allowed_and_that_is_said_once() -> None:
    policy = Policy(alerting=Alerting(per_identity_hour=3))
    hour = (AT // 3600 + 1) * 3600
    flapping = [alert(hour + 10 * number, "trigger" if number % 2 == 0 else "release") for number in range(20)]
    later = [alert(hour + 3600), alert(hour + 3610, "release")]
    kafka = said(*flapping, *later, policy=policy)
    told = [event for event, _ in events(kafka)]
    assert told.count("raised") == 4, "three in one hour, one in the next"
    assert told.count("released") == 4
    (summary,) = [each for each in kafka.told if each.type == "alerts-held-back"]
    assert "more than 3 notifications within an hour" in summary.message
    assert outcomes(kafka)["rate_limited"] == 14


def test_no_more_of_a_type_in_a_minute_than_is_allowed_and_the_rest_is_told_as_a_number() -> None:
    policy = Policy(alerting=Alerting(per_type_minute=5))
    flood = [alert(AT + number % 60, "store", entity=f"10.0.1.{number}") for number in range(50)]
    other = [alert(AT + 1, "store", kind="scan")]
    next_minute = [alert(AT + 60, "store", entity="10.0.2.1")]
    kafka = said(*flood, *other, *next_minute, policy=policy)
    assert outcomes(kafka) == {"stored": 7, "rate_limited": 45, "summaries": 1}
    (summary,) = [each for each in kafka.told if each.type == "alerts-held-back"]
    assert (summary.value, summary.subtype, summary.time) == (45, "flood", (AT + 60) * 1_000_000)
    assert summary.message.startswith("45 alerts of type flood within a minute were counted and not told")


def test_a_condition_beyond_the_limit_is_told_when_it_is_heard_of_again() -> None:
    policy = Policy(alerting=Alerting(per_type_minute=1))
    kafka = said(alert(AT), alert(AT, entity="10.0.0.2"), alert(AT + 1800, entity="10.0.0.2"), policy=policy)
    raised = [each for each in kafka.told if each.event == "raised"]
    assert [(each.entity, each.began) for each in raised] == [
        ("10.0.0.1", AT * 1_000_000),
        ("10.0.0.2", AT * 1_000_000),
    ]


def test_changes_of_what_somebody_has_seen_to_are_not_told() -> None:
    episode = said(alert(AT)).told[0].episode
    policy = Policy(acknowledgements={episode: Acknowledgement(episode=episode, author="ada")})
    kafka = said(
        alert(AT),
        alert(AT + 1, severity=7),
        alert(AT + 2, "release"),
        alert(AT + 3),
        alert(AT + 4, severity=7),
        policy=policy,
    )
    assert [event for event, _ in events(kafka)] == ["raised", "released", "raised", "changed"]
    assert outcomes(kafka)["acknowledged"] == 1
    assert [state.acknowledged for state in kafka.states][:2] == ["ada", "ada"]


def test_a_condition_nobody_speaks_of_is_released() -> None:
    other = [
        alert(AT + 60 * number, "store", kind="tick", id=str(number), script="Ticks") for number in range(0, 140, 10)
    ]
    policy = Policy(alerting=Alerting(silent_seconds=7200))
    kafka = said(alert(AT), *(each for each in other), policy=policy)
    ended = [each for each in kafka.told if each.event == "released"]
    assert [each.type for each in ended] == ["flood"]
    assert "nobody has said anything" in ended[0].attributes["ended"]
    kafka = said(alert(AT), alert(AT + 3600), *other, policy=policy)
    assert [each for each in kafka.told if each.event == "released"] == []


def test_what_is_over_is_forgotten_and_the_topic_stays_small() -> None:
    log = Log()
    forgotten: list[bytes | None] = []
    for number in range(0, 180, 5):
        window = AT + 60 * number
        log.put("~flow/0", window, alert(window, "store", id=str(number), entity=f"10.0.0.{number}", script="It"))
        log.mark("~flow/0", window)

    class Counting(Kafka):
        def write(self, out: Outgoing) -> None:
            if out.body is None:
                forgotten.append(out.key)
            super().write(out)

    kafka = Counting()
    run(log.messages, kafka, environment_of())
    assert len(forgotten) == len(set(forgotten)) > 15
    assert set(forgotten) < {state.id.encode() for state in kafka.states}


def test_memory_is_bounded() -> None:
    memory = AlertMemory(most_engaged=2, most_remembered=3)
    for number in range(10):
        memory.put(Standing(str(number), alert(AT, "store"), "stored"))
    assert [each.id for each in memory.others()] == ["7", "8", "9"]
    assert memory.forgotten() == [str(number) for number in range(7)]
    for number in range(2):
        assert not memory.is_full()
        memory.put(Standing(f"e{number}", alert(AT), "engaged"))
    assert memory.is_full()


class Rewriting(AlertMonitor):
    def on_new_alert(self, alert: Alert) -> Mapping[str, str | int] | None:
        if alert.type == "flood":
            return {"message": f"really {alert.message}", "severity": 7, "priority": 9, "entity": "elsewhere"}
        return None


class Quiet(AlertMonitor):
    def admit(self, alert: Alert) -> bool:
        return alert.severity > 5


class Loud(AlertMonitor):
    def admit(self, alert: Alert) -> bool:
        return alert.type == "scan"


class Watching(AlertMonitor):
    def on_new_alert(self, alert: Alert) -> None:
        self.seen = alert.message


def test_scripts_say_how_an_alert_is_told() -> None:
    kafka = said(alert(AT, message="much", severity=5), scripts=loaded(Rewriting))
    (told,) = kafka.told
    assert (told.message, told.severity, told.priority, told.entity) == ("really much", 7, 3, "10.0.0.1")


def test_an_alert_is_told_unless_all_scripts_are_against_it() -> None:
    both = loaded(Quiet, Loud)
    kafka = said(alert(AT), alert(AT, kind="scan"), alert(AT, entity="10.0.0.2", severity=6), scripts=both)
    assert sorted(each.type for each in kafka.told) == ["flood", "scan"]
    assert outcomes(kafka) == {"raised": 2, "not_admitted": 1}
    assert outcomes(said(alert(AT), scripts=loaded(Quiet, Watching))) == {"raised": 1}, "who has no filter is for it"


def test_what_is_told_does_not_wait_for_the_end_of_the_window() -> None:
    log = Log()
    log.put("~flow/0", AT, alert(AT))
    assert events(once(log.messages)) == [("raised", AT)]
