"""What statuses count for: the flow's score, the alert that comes of them, and the scores of hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tapline import Entity, Flow, FlowCheck, FlowStatus
from tests.unit.workers.checks.flows import CLIENT, SERVER, Checked, flow, long_flow

WEAK = FlowStatus(name="weak", number=8, title="Weak cipher", score=100, client_share=90)
OLD = FlowStatus(name="old", number=7, title="Old version", score=100, client_share=50)
MINOR = FlowStatus(name="minor", number=49, score=10, client_share=0)


def check(
    says: Callable[[Any, Flow], object], *, hook: str = "flow_end", name: str = "check", **attributes: Any
) -> type[FlowCheck]:
    """A check that says this of each flow."""
    return type("Check", (FlowCheck,), {hook: says, "name": name, "__module__": __name__, **attributes})


def triggers(status: FlowStatus | None = None, **arguments: Any) -> Callable[[Any, Flow], object]:
    return lambda self, flow: self.trigger_status(flow, status, **arguments)


def sets(status: FlowStatus | None = None, **arguments: Any) -> Callable[[Any, Flow], object]:
    return lambda self, flow: self.set_status(flow, status, **arguments)


def test_a_status_without_a_definition_is_made_of_the_check() -> None:
    checked = Checked(check(sets(), name="mine", score=40, client_share=75), [flow("one")])
    (status,) = checked.statuses
    assert (status.name, status.score, status.client_score, status.server_score) == ("mine", 40, 30, 10)
    assert (status.flow_id, status.script, status.source_ip) == ("one", "mine", CLIENT)


@pytest.mark.parametrize(
    ("arguments", "scores"),
    [
        ({}, (100, 90, 10)),
        ({"score": 50}, (50, 45, 5)),
        ({"client_score": 5}, (100, 5, 10)),
        ({"score": 1, "client_score": 2, "server_score": 3}, (1, 2, 3)),
        ({"score": 1024}, (1024, 921, 103)),
        ({"score": 1025}, (1024, 922, 103)),
        ({"score": 5000, "client_score": 1025, "server_score": 99999}, (1024, 1024, 1024)),
        ({"score": -1, "client_score": -5, "server_score": 0}, (0, 0, 0)),
    ],
)
def test_each_score_of_a_status_is_clamped(arguments: dict[str, int], scores: tuple[int, int, int]) -> None:
    checked = Checked(check(sets(WEAK, **arguments)), [flow("one")])
    (status,) = checked.statuses
    assert (status.score, status.client_score, status.server_score) == scores
    assert not checked.alerts, "a status that is only set raises none"


@pytest.mark.parametrize(
    ("arguments", "score", "shares"),
    [
        ({"score": 250}, 250, (225, 25)),
        ({"score": 251}, 250, (224, 26)),
        ({"score": 1000}, 250, (225, 25)),
        ({"client_score": 1024, "server_score": 5}, 100, (248, 2)),
        ({"client_score": 125, "server_score": 125}, 100, (125, 125)),
        ({"client_score": 125, "server_score": 126}, 100, (124, 126)),
    ],
)
def test_what_is_alerted_counts_250_at_most(arguments: dict[str, int], score: int, shares: tuple[int, int]) -> None:
    checked = Checked(check(triggers(WEAK, **arguments)), [flow("one")])
    (alert,), (status,) = checked.alerts, checked.statuses
    assert alert.score == score
    assert (status.client_score, status.server_score) == shares
    assert sum(shares) <= 250


def test_the_flows_score_is_the_sum_of_its_statuses_each_once() -> None:
    first = check(triggers(WEAK), name="first")
    again = check(triggers(WEAK), name="again")
    other = check(sets(MINOR), name="other")
    checked = Checked([first, again, other], [flow("one")])
    assert [each.name for each in checked.statuses] == ["weak", "minor"]
    (alert,) = checked.alerts
    assert alert.attributes == {
        "flow_score": "110",
        "client_score": "90",
        "server_score": "20",
        "predominant_status": "weak",
    }


def test_a_status_that_is_found_to_be_worse_counts_for_the_worse() -> None:
    def worse(self: Any, flow: Flow) -> None:
        self.set_status(flow, MINOR, score=20 if flow.sequence == 1 else 10)

    checked = Checked(check(worse, hook="all"), long_flow("long", 3, delta_source_packets=1))
    assert [each.score for each in checked.statuses] == [10, 20]
    assert len({each.id for each in checked.statuses}) == 2
    assert {window: hosts[SERVER]["score"] for window, hosts in checked.scores.items()} == {0: 10, 1: 20, 2: 20}


def test_the_alert_is_of_the_highest_score_and_of_those_of_the_lowest_number() -> None:
    low = check(triggers(MINOR, info="little"), name="low", priority=5)
    weak = check(triggers(WEAK, info="RC4"), name="weak", priority=3)
    old = check(triggers(OLD, info="TLS 1.0"), name="old")
    checked = Checked([low, weak, old], [flow("one")])
    (alert,) = checked.alerts
    assert (alert.type, alert.script, alert.score, alert.entity_kind) == ("old", "old", 100, "flow")
    assert alert.message == (
        "Old version: TLS 1.0; score 210: old 100 (client 50, server 50), weak 100 (client 90, server 10),"
        " minor 10 (client 0, server 10)"
    )
    assert (alert.action, alert.flow_id, alert.evidence) == ("store", "one", ["one"])


def test_who_is_blamed_more_is_the_entity_and_the_client_where_both_are() -> None:
    checks = [
        check(triggers(WEAK), name="a", l7_proto="TLS"),
        check(triggers(MINOR), name="b", l7_proto="DNS"),
        check(triggers(OLD), name="c", l7_proto="HTTP"),
    ]
    flows = [flow("client"), flow("server", application="DNS"), flow("both", application="HTTP")]
    checked = Checked(checks, flows)
    assert {alert.flow_id: (alert.entity, alert.peer) for alert in checked.alerts} == {
        "client": (CLIENT, SERVER),
        "server": (SERVER, CLIENT),
        "both": (CLIENT, SERVER),
    }
    assert {alert.source_ip for alert in checked.alerts} == {CLIENT}


@pytest.mark.parametrize(
    ("score", "severity", "priority"),
    [(1, 2, 3), (9, 2, 3), (10, 3, 3), (49, 3, 3), (50, 4, 2), (100, 5, 2), (199, 5, 2), (200, 6, 1), (250, 8, 1)],
)
def test_severity_follows_from_the_score(score: int, severity: int, priority: int) -> None:
    checked = Checked(check(triggers(WEAK, score=score)), [flow("one")])
    (alert,) = checked.alerts
    assert (alert.severity, alert.priority) == (severity, priority)


def test_a_custom_severity_stands_above_the_scores() -> None:
    checked = Checked(check(triggers(MINOR, severity=8)), [flow("one")])
    assert [(alert.severity, alert.score) for alert in checked.alerts] == [(8, 10)]


def test_only_what_is_worse_than_what_was_told_is_told_again() -> None:
    said = {0: (MINOR, 10), 1: (WEAK, 50), 2: (OLD, 50), 3: (WEAK, 49), 4: (OLD, 51)}

    def says(self: Any, flow: Flow) -> None:
        status, score = said[flow.sequence]
        self.trigger_status(flow, status, score=score)

    checked = Checked([check(says, hook="all")], [*long_flow("long", 5), flow("other")])
    told = [(alert.type, alert.score, alert.flow_id) for alert in checked.alerts]
    assert told == [("minor", 10, "long"), ("minor", 10, "other"), ("weak", 50, "long"), ("old", 51, "long")]
    assert len({alert.id for alert in checked.alerts}) == 4


def test_a_status_of_an_earlier_window_is_among_the_reasons_but_is_not_told_again() -> None:
    def says(self: Any, flow: Flow) -> None:
        if flow.sequence == 0:
            self.set_status(flow, WEAK, score=200)
        if flow.sequence == 2:
            self.trigger_status(flow, MINOR)

    checked = Checked(check(says, hook="all"), long_flow("long", 3))
    (alert,) = checked.alerts
    assert alert.type == "minor"
    assert "score 210: weak 200 (client 180, server 20), minor 10" in alert.message


def test_hosts_have_their_shares_in_each_window_in_which_their_flows_have_packets() -> None:
    security = check(sets(WEAK), name="a", hook="protocol_detected")
    network = check(sets(MINOR), name="b", hook="protocol_detected", category="network")
    system = check(sets(OLD, score=8), name="c", hook="protocol_detected", category="system")
    records = long_flow("long", 4)
    quiet = flow("long", 2, sequence=2, record="update", delta_source_packets=0, delta_destination_packets=0)
    checked = Checked([security, network, system], [*records[:2], quiet, records[3], flow("short", 1)])
    one = {"score": 94, "network": 0, "security": 90}
    two = {"score": 188, "network": 0, "security": 180}
    assert {window: hosts.get(CLIENT) for window, hosts in checked.scores.items()} == {0: one, 1: two, 3: one}
    assert checked.scores[0][SERVER] == {"score": 24, "network": 10, "security": 10}
    assert checked.scores[1][SERVER] == {"score": 48, "network": 20, "security": 20}


def test_several_records_of_a_flow_in_a_window_count_once() -> None:
    found = check(sets(WEAK), hook="all")
    twice = [flow("many", 0, sequence=number, record="update", id=str(number)) for number in range(3)]
    checked = Checked(found, [*twice, flow("many", 0, sequence=3)])
    assert checked.scores[0][CLIENT]["score"] == 90
    assert len(checked.statuses) == 1


def test_what_is_found_at_the_end_of_a_quiet_flow_counts_there() -> None:
    ended = flow("long", 1, sequence=1, delta_source_packets=0, delta_destination_packets=0)
    checked = Checked(check(sets(WEAK)), [long_flow("long", 2)[0], ended])
    assert {window: hosts[CLIENT]["score"] for window, hosts in checked.scores.items()} == {1: 90}


def test_a_check_can_store_an_alert_on_something_else() -> None:
    def says(self: Any, flow: Flow) -> None:
        entity = Entity(kind="network", name="192.0.2.0/24")
        self.store_alert(entity, self.type_info("odd", score=200, peer=flow.source_ip, value=3.5))

    checked = Checked(check(says, name="odd_network", category="network"), [flow("one"), flow("two", 1)])
    first, second = checked.alerts
    assert (first.entity_kind, first.entity, first.type, first.message) == (
        "network",
        "192.0.2.0/24",
        "odd_network",
        "odd",
    )
    assert (first.score, first.severity, first.category, first.value, first.peer) == (200, 6, "network", 3.5, CLIENT)
    assert first.id != second.id, "another time, another alert"
