"""When which flow check sees which flow."""

from __future__ import annotations

from typing import Any

import pytest

from tapline import Flow, FlowCheck, SessionMonitor
from tapline.script import Script
from tests.unit.workers.checks.flows import Checked, flow, long_flow

PRIVATE, PUBLIC = "10.0.0.1", "203.0.113.9"


class Teller(FlowCheck):
    """Tells of each call."""

    def tell(self, hook: str, flow: Flow) -> None:
        print(type(self).__name__, hook, flow.flow_id, flow.sequence, flow.score, ",".join(flow.reasons))


class AllFour(Teller):
    def protocol_detected(self, flow: Flow) -> None:
        self.tell("detected", flow)

    def status_changed(self, flow: Flow) -> None:
        self.tell("changed", flow)

    def periodic_update(self, flow: Flow) -> None:
        self.tell("update", flow)

    def flow_end(self, flow: Flow) -> None:
        self.tell("end", flow)


def calls(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split()[:4] for line in capsys.readouterr().out.splitlines()]


def hooks(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [f"{hook} {sequence}" for _, hook, _, sequence in calls(capsys)]


def test_a_flow_of_one_record_is_detected_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    Checked(AllFour, [flow("one")])
    assert hooks(capsys) == ["detected 0", "end 0"]


def test_a_flow_that_goes_on_is_seen_once_a_window(capsys: pytest.CaptureFixture[str]) -> None:
    Checked(AllFour, long_flow("long", 4))
    assert hooks(capsys) == ["detected 0", "update 0", "update 1", "update 2", "end 3"]


@pytest.mark.parametrize("unknown", ["", "Unknown"])
def test_a_protocol_is_detected_when_it_becomes_known_and_never_again(
    capsys: pytest.CaptureFixture[str], unknown: str
) -> None:
    records = long_flow("late", 5)
    for number in (0, 1):
        records[number] = flow("late", number, sequence=number, record="update", application=unknown)
    Checked(AllFour, records)
    assert hooks(capsys) == ["update 0", "update 1", "detected 2", "update 2", "update 3", "end 4"]


def test_a_protocol_that_nobody_knows_is_detected_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    Checked(AllFour, [*long_flow("long", 3, application=""), flow("short", 1, application="")])
    assert [" ".join(call[1:3]) for call in calls(capsys) if call[1] == "detected"] == [
        "detected short",
        "detected long",
    ]


def test_all_stands_in_for_the_hooks_that_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    class Some(Teller):
        def flow_end(self, flow: Flow) -> None:
            self.tell("end", flow)

        def all(self, flow: Flow) -> None:
            self.tell("all", flow)

    class Finder(FlowCheck):
        def flow_end(self, flow: Flow) -> None:
            self.set_status(flow)

    Checked([Some, Finder], long_flow("long", 2))
    assert hooks(capsys) == ["all 0", "all 0", "end 1", "all 1"], "detected, updated, ended, changed"


def test_those_of_a_higher_priority_come_first_and_others_see_what_they_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Last(Teller):
        priority = -20
        score = 7

        def flow_end(self, flow: Flow) -> None:
            self.tell("end", flow)
            self.set_status(flow)

    class First(Teller):
        priority = 20
        score = 30

        def flow_end(self, flow: Flow) -> None:
            self.tell("end", flow)
            self.set_status(flow)

    class Middle(Teller):
        def flow_end(self, flow: Flow) -> None:
            self.tell("end", flow)

    class Session(SessionMonitor):
        def on_flush(self, flow: Flow) -> None:
            print("Session", "flush", flow.flow_id, flow.sequence, flow.score, ",".join(flow.reasons))

    Checked([Last, Middle, First, Session], [flow("one")])
    assert capsys.readouterr().out.splitlines() == [
        "First end one 0 0 ",
        "Middle end one 0 30 First",
        "Last end one 0 30 First",
        "Session flush one 0 37 First,Last",
    ]


def test_who_set_a_status_is_not_told_of_it_and_the_others_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Own(AllFour):
        def periodic_update(self, flow: Flow) -> None:
            self.set_status(flow)

    Checked([Own, AllFour], long_flow("long", 3))
    changed = [line for line in capsys.readouterr().out.splitlines() if "changed" in line]
    assert changed == ["AllFour changed long 0 100 Own"], "in the first record, and not when it is set again"


def test_a_status_set_when_one_changed_is_not_told_of_but_counts(capsys: pytest.CaptureFixture[str]) -> None:
    class Consequence(Teller):
        def status_changed(self, flow: Flow) -> None:
            self.tell("changed", flow)
            self.set_status(flow)

    class Cause(Teller):
        def flow_end(self, flow: Flow) -> None:
            self.set_status(flow)

        def status_changed(self, flow: Flow) -> None:
            self.tell("changed", flow)

    checked = Checked([Consequence, Cause], [flow("one")])
    assert hooks(capsys) == ["changed 0"]
    assert [each.name for each in checked.statuses] == ["Cause", "Consequence"]


def looking(**attributes: Any) -> type[FlowCheck]:
    """A check with these attributes that prints the flows it sees."""

    def flow_end(self: FlowCheck, flow: Flow) -> None:
        print(flow.flow_id)

    return type("Looking", (FlowCheck,), {"flow_end": flow_end, "__module__": __name__, **attributes})


FLOWS = [
    flow("tls"),
    flow("quic", transport="udp", application="QUIC.Google"),
    flow("dns", transport="udp", application="DNS", destination_ip=PRIVATE, source_ip=PUBLIC),
    flow("half-open", setup_rtt_us=0, state="syn", tcp_flags_source=2),
    flow("flags", setup_rtt_us=0, state="closed", tcp_flags_source=0x1B, tcp_flags_destination=0x1B),
    flow("away", source_ip=PUBLIC),
    flow("risky", risks=["tls_weak_cipher", "minor_issues"]),
    flow("old", risks=["tls_certificate_expired"], transport="udp", application="QUIC"),
    flow("log", observation_point="netflow:192.0.2.7"),
]
ALL = [each.flow_id for each in FLOWS]
NOT_TCP = ["quic", "dns", "old"]


@pytest.mark.parametrize(
    ("attributes", "seen"),
    [
        ({}, ALL),
        ({"l4_proto": "UDP"}, NOT_TCP),
        ({"l4_proto": "tcp"}, [name for name in ALL if name not in NOT_TCP]),
        ({"l7_proto": "Google"}, [name for name in ALL if name not in ("dns", "old")]),
        ({"l7_proto": "quic"}, ["quic", "old"]),
        ({"l7_proto": "TLS.Google", "l4_proto": "UDP"}, []),
        ({"l7_proto": "NoSuch"}, []),
        ({"three_way_handshake_ok": True}, [name for name in ALL if name != "half-open"]),
        ({"local_only": True}, [name for name in ALL if name != "away"]),
        ({"direction": "external"}, ["away"]),
        ({"direction": "inbound"}, ["dns"]),
        ({"direction": "internal"}, []),
        ({"direction": "outbound", "l4_proto": "TCP"}, ["tls", "half-open", "flags", "risky", "log"]),
        ({"direction": "outbound", "l7_proto": "Google", "risks": ("minor_issues",)}, ["risky"]),
        ({"direction": "inbound", "risks": ("minor_issues",)}, []),
        ({"packet_interface_only": True}, [name for name in ALL if name != "log"]),
        ({"risks": ("tls_weak_cipher",)}, ["risky"]),
        ({"risks": ("tls_weak_cipher", "minor_issues", "tls_certificate_expired")}, ["risky", "old"]),
        ({"risks": ("tls_certificate_expired", "minor_issues"), "l4_proto": "TCP"}, ["risky"]),
        ({"nedge_exclude": True}, ALL),
        ({"nedge_only": True}, []),
        ({"default_enabled": False}, []),
    ],
)
def test_what_a_check_declares_selects_flows(
    attributes: dict[str, Any], seen: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    checked = Checked([looking(**attributes), looking(name="another", l4_proto="UDP", risks=("minor_issues",))], FLOWS)
    assert capsys.readouterr().out.split() == seen
    assert not checked.errors


def test_a_check_keeps_the_order_of_the_stream_whatever_it_selects_by(capsys: pytest.CaptureFixture[str]) -> None:
    flows = [flow(f"{number:03}", application=("TLS", "DNS", "HTTP")[number % 3]) for number in range(60)]
    Checked([looking(l4_proto="TCP")], flows, size=7)
    assert capsys.readouterr().out.split() == [each.flow_id for each in flows]


def test_setup_that_says_no_keeps_a_check_out_and_teardown_comes_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Begun(FlowCheck):
        def setup(self) -> bool | None:
            print("begins", type(self).__name__)
            return None

        def teardown(self) -> None:
            print("ends", type(self).__name__)

        def flow_end(self, flow: Flow) -> None:
            print("sees", flow.flow_id)

    class Declines(Begun):
        def setup(self) -> bool | None:
            print("declines")
            return False

    Checked([Begun, Declines], [flow("one"), flow("two")])
    assert capsys.readouterr().out.splitlines() == ["begins Begun", "declines", "sees one", "sees two", "ends Begun"]


def test_a_check_that_raises_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(FlowCheck):
        priority = 5

        def protocol_detected(self, flow: Flow) -> None:
            raise ValueError(flow.flow_id)

    checked = Checked([Broken, looking()], [flow("one"), flow("two")])
    assert checked.errors == ["one", "two"]
    assert capsys.readouterr().out.split() == ["one", "two"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("self.set_status(flow, 'bad')", "status has to be a FlowStatus"),
        ("self.set_status(None)", "flow has to be a Flow"),
        ("self.set_status(flow, info=5)", "info has to be a text"),
        ("self.set_status(flow, info='x' * 20_000)", "10,000 are the most"),
        ("self.set_status(flow, info='\\ud800')", "surrogates not allowed"),
        ("self.set_status(flow, score='much')", "score has to be a finite number"),
        ("self.set_status(flow, client_score=float('nan'))", "client_score has to be a finite number"),
        ("self.trigger_status(flow, severity=9)", "severity has to be a whole number from 1 to 8"),
        ("self.set_status(flow, FlowStatus(name=''))", "a name of 1 to 200 characters"),
        ("self.trigger(Entity(kind='host', name='a'), self.type_info('m'))", "once a period"),
    ],
)
def test_what_cannot_be_said_is_an_error_of_the_check_alone(call: str, said: str) -> None:
    names: dict[str, Any] = {}
    text = f"from tapline import Entity, FlowStatus\ndef flow_end(self, flow):\n    {call}\n"
    exec(text, names)
    check: type[Script] = type("Wrong", (FlowCheck,), {"flow_end": names["flow_end"], "__module__": __name__})
    checked = Checked(check, [flow("one")])
    assert said in checked.errors[0]
    assert not checked.alerts
    assert not checked.statuses
