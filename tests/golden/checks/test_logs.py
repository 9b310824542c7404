"""Handlers of logs."""

import json
from typing import Any

import pytest

from tapline.testing import Result, run
from tests.golden.checks.made import CHECKS, MINUTE
from topics.records import Document, Syslog

FILE = CHECKS / "logs.py"


def line(text: str, severity: int = 5, producer: str = "sshd", number: int = 0) -> Document:
    return Document(
        id=f"line-{number}-{text[:20]}",
        time=(MINUTE + 1) * 1_000_000 + number,
        group="syslog",
        key=producer,
        text=text,
        source_ip="10.0.0.9",
        syslog=Syslog(producer=producer, severity=severity, hostname="web1", application=producer),
    )


def handled(*lines: Document, **params: Any) -> Result:
    result = run(FILE, records=lines, params=params)
    assert result.errors == []
    return result


@pytest.mark.parametrize(("level", "severity", "score"), [(0, 5, 100), (3, 5, 100), (4, 4, 50), (5, 3, 10)])
def test_a_message_that_matters_is_told_by_its_level(level: int, severity: int, score: int) -> None:
    (alert,) = handled(line("disk is full", level)).alerts
    assert (alert.severity, alert.score, alert.entity, alert.type) == (severity, score, "10.0.0.9", "log_event")
    assert alert.message == "sshd: disk is full"


def test_a_message_beyond_the_level_is_not_told() -> None:
    assert handled(line("started", 6)).alerts == []
    assert handled(line("started", 5), **{"host_log.level": 4}).alerts == []
    assert len(handled(line("started", 6), **{"host_log.level": 6}).alerts) == 1


def test_messages_of_one_kind_are_one_alert_whatever_their_numbers() -> None:
    result = handled(
        line("failed for port 12", number=1), line("failed for port 9999", number=2), line("other", number=3)
    )
    first, second, third = (alert.subtype for alert in result.alerts)
    assert first == second != third


def test_suricatas_events_are_counted_by_type_and_its_alerts_told() -> None:
    event = {
        "event_type": "alert",
        "src_ip": "10.0.0.7",
        "dest_ip": "198.51.100.9",
        "alert": {"severity": 1, "signature": "ET MALWARE x", "signature_id": 2001},
    }
    result = handled(
        line(json.dumps(event), producer="suricata", number=1),
        line(json.dumps({"event_type": "dns"}), producer="suricata", number=2),
        line("no json", producer="suricata", number=3),
        line('["a list"]', producer="suricata", number=4),
    )
    (alert,) = result.alerts
    assert (alert.entity, alert.peer, alert.score, alert.subtype) == ("10.0.0.7", "198.51.100.9", 100, "2001")
    counted = {counter.key: counter.meters["events"] for counter in result.counters if counter.group == "Suricata"}
    assert counted == {"alert": 1, "dns": 1, "unreadable": 2}
