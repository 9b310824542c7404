"""Scripts of the library that look at counters and alerts."""

from __future__ import annotations

from tapline.testing import Result, run
from tests.golden.scripts.library.places import library
from tests.golden.scripts.samples import DEMO, facts, sample, shared
from topics.records import Flow

MINUTE = 60_000_000
START = 1_700_000_040_000_000
HOST, OTHER = "10.0.0.1", "10.0.0.2"


def traffic(minutes: dict[int, int], source: str = HOST) -> list[Flow]:
    """Flows of so many bytes each of these minutes."""
    return [
        Flow(
            id=f"{source}-{minute}",
            flow_id=f"{source}-{minute}",
            community_id=f"{source}-{minute}",
            record="final",
            time=START + minute * MINUTE + 1,
            start=START + minute * MINUTE,
            end=START + minute * MINUTE + 1,
            source_ip=source,
            destination_ip="198.51.100.1",
            application="HTTP",
            transport="tcp",
            protocol_number=6,
            delta_source_packets=1,
            delta_source_bytes=octets,
            total_source_packets=1,
            total_source_bytes=octets,
        )
        for minute, octets in minutes.items()
    ]


def states(told: Result, key: str) -> list[tuple[str, int]]:
    """FIRED and CLEAR of a key with the minute of the window; not what ends with the stream."""
    assert not told.errors
    said = [alert for alert in told.alerts if alert.entity == key and "ended" not in alert.attributes]
    return [(alert.status, (alert.window - START // 1_000_000) // 60) for alert in said]


def test_absence_tells_of_a_host_that_falls_silent_and_of_its_return() -> None:
    records = traffic(dict.fromkeys([*range(8), *range(15, 18)], 100)) + traffic(dict.fromkeys(range(18), 100), OTHER)
    told = run(library("absence"), records=records, partitions=2)
    assert states(told, HOST) == [("FIRED", 9), ("CLEAR", 15)]
    assert states(told, OTHER) == []
    (fired, clear) = [alert for alert in told.alerts if alert.entity == HOST]
    assert (fired.type, fired.action, clear.action, fired.group) == (
        "absent",
        "trigger",
        "release",
        "Threshold Crossing",
    )
    assert (fired.value, fired.threshold) == (120, 120)


def test_absence_does_not_know_a_host_that_came_by() -> None:
    records = traffic({0: 100, 1: 100}) + traffic(dict.fromkeys(range(10), 100), OTHER)
    assert run(library("absence"), records=records).alerts == []
    named = run(library("absence"), records=records, params={"keys": [HOST]})
    assert states(named, HOST) == [("FIRED", 3)]


def test_absence_says_nothing_of_a_capture_that_is_short() -> None:
    told = run(library("absence"), shared("http-browsing-4k6.pcap"))
    assert told.called("on_flush") > 0
    assert told.alerts == []


def test_delta_change_tells_of_a_jump_and_a_drop() -> None:
    sizes = {**dict.fromkeys(range(6), 200_000), 6: 900_000, **dict.fromkeys(range(7, 16), 350_000), 16: 120_000}
    told = run(library("delta_change"), records=traffic(sizes))
    jumped, back, dropped = states(told, "HTTP")
    assert jumped == ("FIRED", 6)
    assert back == ("CLEAR", 7)
    assert dropped == ("FIRED", 16)
    assert told.alerts[0].value == 900_000
    assert told.alerts[0].threshold == 200_000


def test_delta_change_says_nothing_of_what_is_usual_or_small() -> None:
    assert (
        run(library("delta_change"), records=traffic({each: 200_000 + each % 2 * 50_000 for each in range(20)})).alerts
        == []
    )
    assert (
        run(library("delta_change"), records=traffic({each: 10 + each % 2 * 5000 for each in range(20)})).alerts == []
    )
    told = run(library("delta_change"), shared("ssh-guess.pcap"))
    assert told.called("on_flush") > 0
    assert told.alerts == []


def test_new_host_tells_of_hosts_after_it_has_learned() -> None:
    told = run(library("new_host"), DEMO, params={"learn": 60})
    assert not told.errors
    new = {alert.entity for alert in told.alerts}
    assert "10.20.1.66" in new
    assert "10.20.1.11" not in new, "it was there from the beginning"
    assert not any(ip.startswith(("192.0.2.", "198.51.100.", "203.0.113.")) for ip in new)
    assert len(told.alerts) == len(new)
    everybody = run(library("new_host"), DEMO, params={"learn": 0, "outside": True})
    assert len({alert.entity for alert in everybody.alerts}) == len(everybody.alerts)
    assert len(everybody.alerts) >= facts(DEMO.name)["ip_addresses"]
    assert run(library("new_host"), DEMO).alerts == [], "a capture of minutes is all learned"


def test_alert_filter_passes_on_what_is_left() -> None:
    raised = run(sample("ssh_alerts"), shared("ssh-guess.pcap"), params={"limit": 100_000}).alerts
    assert raised
    both = [sample("ssh_alerts"), library("alert_filter")]
    capture = shared("ssh-guess.pcap")
    told = run(both, capture, params={"limit": 100_000, "alert_filter.urgent": ["short-ssh"]})
    passed = [alert for alert in told.alerts if alert.group == "User"]
    assert len(passed) == len(raised)
    assert {alert.priority for alert in passed} == {1}
    assert {alert.attributes["script"] for alert in passed} == {"ssh_alerts"}
    assert sorted(alert.message for alert in passed) == sorted(alert.message for alert in raised)
    for noise in ({"signatures": ["SSHXFER"]}, {"types": ["short-ssh"]}, {"networks": ["0.0.0.0/0", "::/0"]}):
        quiet = run(both, capture, params={"limit": 100_000} | {f"alert_filter.{name}": v for name, v in noise.items()})
        assert [alert for alert in quiet.alerts if alert.group == "User"] == []
        assert len(quiet.alerts) == len(raised)
