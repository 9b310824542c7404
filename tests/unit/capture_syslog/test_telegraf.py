"""What an independent tool makes of the same lines: its test cases, translated to our records.

Each case is a folder with ``input.txt``, the configuration (transport, framing, format, strict or best effort) and
``expected.out``, in Influx's line protocol, or ``expected.err``. Without ``best_effort`` Telegraf refuses what is not
right altogether, as we do; with it, it keeps the beginning of a broken message, which we do not.
"""

from __future__ import annotations

import re
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

import pytest

from capture.settings import SyslogSettings
from capture.syslog.message import Parser
from tests.unit.capture_syslog.made import NOW, Received, connected, listening, take
from tests.waiting import wait_for
from topics.records import Document

SETTINGS = SyslogSettings(producers={"*": "any"})
CASES = Path(__file__).parents[4] / "shared" / "telemetry" / "telegraf-syslog"
FOLDERS = sorted(CASES.iterdir()) if CASES.is_dir() else []

_FIELD = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


class Expected(NamedTuple):
    """A message as Telegraf tells it; ``timestamp`` in microseconds, 0 where there is none."""

    facility: int
    severity: int
    version: int
    hostname: str
    application: str
    process_id: str
    message_id: str
    text: str
    timestamp: int
    data: dict[str, str]


NAMED = {
    "facility_code", "severity_code", "version", "hostname", "appname", "procid", "msgid", "message", "timestamp",
    "facility", "severity", "source",
}  # fmt: skip


def expected_of(line: str) -> Expected:
    """One line of Influx's protocol: tags, fields and a time that we do not need."""
    quoted = re.match(r'(syslog(?:,[^ ]*)?) ((?:[^" ]|"(?:[^"\\]|\\.)*")*) ?\d*', line, re.DOTALL)
    assert quoted, line
    tags = dict(part.split("=", 1) for part in quoted[1].split(",")[1:])
    fields = dict(_FIELD.findall(quoted[2]))

    def text(name: str) -> str:
        value = fields.get(name, '""')[1:-1]
        return re.sub(r'\\(["\\])', r"\1", value.replace("\\n", "\n"))

    def number(name: str) -> int:
        return int(fields.get(name, "0").rstrip("iu"))

    data = {name: text(name) if value != "true" else "" for name, value in fields.items() if name not in NAMED}
    return Expected(
        number("facility_code"),
        number("severity_code"),
        number("version"),
        tags.get("hostname", ""),
        tags.get("appname", ""),
        text("procid"),
        text("msgid"),
        text("message"),
        number("timestamp") // 1000,
        data,
    )


def told_of(document: Document) -> Expected:
    head = document.syslog
    assert head is not None
    data = {}
    for element, values in head.structured_data.items():
        data |= {f"{element}_{name}": value for name, value in values.items()} if values else {element: ""}
    return Expected(
        head.facility, head.severity, head.version, head.hostname, head.application, head.process_id, head.message_id,
        document.text, 0 if head.received else document.time, data,
    )  # fmt: skip


def received_by(folder: Path) -> Received:
    """What we make of the input, by the transport of the case; TLS and local sockets carry the same bytes."""
    settings = folder.joinpath("telegraf.conf").read_text(encoding="utf-8")
    data = folder.joinpath("input.txt").read_bytes()
    if "udp://" in settings:
        return take([data.rstrip(b"\n")], "127.0.0.1", settings=SETTINGS)
    with listening("tcp", SETTINGS) as (port, received):
        with connected(port) as sender:
            sender.sendall(data)
        wait_for(lambda: received.sink.counts["connections.closed"], "the end of the connection")
    return received


def test_the_cases_are_there():
    if not FOLDERS:
        pytest.skip(f"no folder {CASES}: the cases of others are not part of this repository")
    assert len(FOLDERS) == 27


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_same_messages_are_accepted_and_the_same_refused(folder):
    received = received_by(folder)
    refused = folder / "expected.err"
    if refused.exists():
        assert not received.documents
        assert sum(received.reasons.values()) == 1
        return
    assert not received.reasons
    lines = folder.joinpath("expected.out").read_text(encoding="utf-8").splitlines()
    expected = [expected_of(line) for line in lines if line]
    told = [told_of(document) for document in received.documents]
    # Live, a time that is years old is read but not believed.
    assert [each._replace(timestamp=0) for each in told] == [each._replace(timestamp=0) for each in expected]
    text = folder.joinpath("input.txt").read_text(encoding="utf-8")
    parsed = Parser(UTC).parse(text[text.index("<") :].rstrip("\n"), NOW)
    assert not isinstance(parsed, str)
    assert [parsed[1]] == [each.timestamp for each in expected]
