"""Syslog from a socket to Kafka, and what could not be used to the eyes of a person."""

from __future__ import annotations

import json
import re
import signal
import socket
import uuid
from base64 import b64decode
from pathlib import Path
from urllib.request import urlopen

import pytest

from tapline.services.ports import free_port
from tests.integration.commands.conftest import CommandLine
from tests.waiting import wait_for


@pytest.fixture
def command_line(kafka: str, tmp_path: Path) -> CommandLine:
    """Commands that use the shared Kafka with topics of their own."""
    return CommandLine(
        tmp_path,
        {
            "TAPLINE_KAFKA__BOOTSTRAP": kafka,
            "TAPLINE_KAFKA__PREFIX": f"t{uuid.uuid4().hex[:8]}",
            "TAPLINE_KAFKA__PARTITIONS": "2",
            "TAPLINE_CAPTURE__NODE": "here",
        },
    )


def test_lines_arrive_and_what_was_rejected_is_shown(command_line: CommandLine) -> None:
    assert command_line("topics", "create").returncode == 0
    udp, tcp, metrics = free_port([]), free_port([]), free_port([])
    sources = (f"syslog:udp://127.0.0.1:{udp}", f"syslog:tcp://127.0.0.1:{tcp}")
    with command_line.running("capture", "--json", "--metrics-port", str(metrics), *sources) as process:
        assert process.stderr is not None
        # Where the start takes long, it says meanwhile how far it is.
        for _ in sources:
            while "listening on" not in (line := process.stderr.readline()):
                assert "0 records" in line, line
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for line in (b"<13>app: by datagram", b"no priority \x1b[31m", b"<13>nobody's text"):
                sender.sendto(line, ("127.0.0.1", udp))
        with socket.create_connection(("127.0.0.1", tcp)) as sender:
            sender.sendall(b"<13>app: by stream\n<142>suricata: {}\n")

        def shown() -> str:
            with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as answer:
                return answer.read().decode()

        wait_for(lambda: re.search(r'tapline_capture_lines_total{source="syslog"} 5', shown()), "five lines")
        assert 'tapline_capture_rejected_lines_total{reason="no-priority",source="syslog"} 1' in shown()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    by_datagram, by_stream = map(json.loads, output.splitlines())
    assert (by_datagram["lines"], by_datagram["rejected"]) == (3, {"no-priority": 1, "no-producer": 1})
    assert (by_stream["lines"], by_stream["rejected"]) == (2, {"eve-type": 1})
    assert by_datagram["records"]["document"] == by_stream["records"]["document"] == 1

    tailed = command_line("topics", "tail", "document", "--beginning", "--json").stdout.splitlines()
    texts = {record["text"] for record in map(json.loads, tailed) if "text" in record}
    assert texts == {"by datagram", "by stream"}

    rejected = command_line("topics", "tail", "--rejected", "--beginning").stdout.splitlines()
    assert len(rejected) == 3
    assert sum("here  syslog  no-priority (it does not begin" in line and "\x1b" not in line for line in rejected) == 1
    assert sum("no-producer (no application" in line and line.endswith(": <13>nobody's text") for line in rejected) == 1
    assert sum("eve-type (Object missing required field" in line for line in rejected) == 1
    letters = command_line("topics", "tail", "--rejected", "--beginning", "--json").stdout.splitlines()
    assert b"no priority \x1b[31m" in {b64decode(json.loads(line)["value"]) for line in letters}


def test_a_file_of_lines_is_published_once(command_line: CommandLine) -> None:
    assert command_line("topics", "create").returncode == 0
    path = command_line.folder / "lines.txt"
    path.write_bytes(
        b"".join(b"<13>1 2026-01-01T10:00:00Z h app - - - %d\n" % number for number in range(500)) + b"x\n"
    )
    for _ in range(2):
        result = command_line("capture", "syslog:lines.txt")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("syslog:lines.txt: 501 lines, ")
        assert re.search(r"rejected lines +no-priority +1\b", result.stdout)
    tailed = command_line("topics", "tail", "document", "--beginning", "--json").stdout.splitlines()
    texts = [record["id"] for record in map(json.loads, tailed) if "text" in record]
    assert (len(texts), len(set(texts))) == (1000, 500)


def test_rejected_and_a_kind_do_not_go_together(command_line: CommandLine) -> None:
    result = command_line("topics", "tail", "flow", "--rejected")
    assert result.returncode == 2
    assert "leave out flow" in result.stderr
    assert command_line("topics", "tail").returncode == 2
