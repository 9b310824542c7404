"""Records made by hand, and what a check has to make of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import Struct

from tapline.testing import Result, run
from topics.records import Alert, Flow, Record, Resource

CHECKS = Path(__file__).parents[3] / "scripts" / "checks"
MINUTE = 1_700_000_040
"""The beginning of a window, in epoch seconds."""

_numbers = count(1)


class Expected(Struct, frozen=True):
    """What the alert of a check has to be: on whom, how bad, and something that its message says."""

    entity: str
    score: int
    severity: int
    says: str = ""
    peer: str = ""


class Case(Struct, frozen=True):
    """A check with records on which it fires and such on which it does not."""

    check: str
    fires: Sequence[Record]
    expected: Expected
    silent: Sequence[Record]
    params: dict[str, Any] = {}
    status: bool = False
    """True for a flow's status that is worth no alert."""


def flow(**fields: Any) -> Flow:
    """A flow of one second, which ended, unless the fields say something else."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "id": f"flow-{number}",
        "flow_id": f"flow-{number}",
        "record": "final",
        "start": MINUTE * 1_000_000,
        "end": (MINUTE + 1) * 1_000_000,
        "source_ip": "10.0.0.1",
        "destination_ip": "198.51.100.1",
        "source_port": 40000,
        "destination_port": 443,
        "transport": "tcp",
        "protocol_number": 6,
        "application": "TLS",
        "tcp_flags_source": 0x1B,
        "tcp_flags_destination": 0x1B,
        "setup_rtt_us": 1000,
        "total_source_packets": 10,
        "total_destination_packets": 10,
        "total_source_bytes": 2000,
        "total_destination_bytes": 8000,
        "total_source_payload_bytes": 1300,
        "total_destination_payload_bytes": 7300,
        **fields,
    }
    given.setdefault("time", given["end"])
    for name in [name for name in given if name.startswith("total_")]:
        given.setdefault(name.replace("total", "delta"), given[name])
    known = set(Flow.__struct_fields__)
    return Flow(**{name: value for name, value in given.items() if name in known})


def udp(**fields: Any) -> Flow:
    """A UDP flow."""
    return flow(
        **{"transport": "udp", "protocol_number": 17, "tcp_flags_source": 0, "tcp_flags_destination": 0, **fields}
    )


def resource(group: str, **fields: Any) -> Resource:
    """A resource of a connection from a local client to a server elsewhere."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "id": f"resource-{number}",
        "time": (MINUTE + 1) * 1_000_000,
        "group": group,
        "source_ip": "10.0.0.1",
        "destination_ip": "198.51.100.1",
        "source_port": 40000,
        "destination_port": 443,
        "transport": "tcp",
        "uri": f"uri-{number}",
        **fields,
    }
    return Resource(**given)


def alerts(result: Result, check: str) -> list[Alert]:
    """The alerts of one check."""
    return [alert for alert in result.alerts if alert.script == check]


def verify(file: str, case: Case) -> None:
    """Run a case's records through the file of its check."""
    params = {f"{case.check}.{name}": value for name, value in case.params.items()}
    fired = run(CHECKS / file, records=case.fires, params=params)
    assert fired.errors == []
    found = alerts(fired, case.check)
    if case.status:
        assert found == [], "worth no alert"
        statuses = [each for each in fired.annotations if each.kind == "status" and each.script == case.check]
        assert [(each.source_ip, each.score) for each in statuses[:1]] == [(case.expected.entity, case.expected.score)]
        assert case.expected.says in statuses[0].value
    else:
        assert found, "it has to fire"
        alert = found[0]
        told = (alert.entity, alert.score, alert.severity)
        assert told == (case.expected.entity, case.expected.score, case.expected.severity)
        assert case.expected.says in alert.message
        if case.expected.peer:
            assert alert.peer == case.expected.peer
    still = run(CHECKS / file, records=case.silent, params=params)
    assert still.errors == []
    assert alerts(still, case.check) == [], "it has to stay silent"
    assert [each.name for each in still.annotations if each.kind == "status" and each.script == case.check] == []
    assert case.silent, "there is a case in which it stays silent"
