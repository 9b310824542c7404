"""A folder of capture files into real Kafka, by a node that is killed in the middle of a file."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pytest

from tapline.services.ports import free_port
from tests.integration.commands.conftest import CommandLine
from tests.unit.capture.wire import Frame, pcap, udp
from tests.waiting import wait_for

BASE = 1_700_000_000_000_000
FLOWS = 60_000
SPACING = 10_000
"""Microseconds between packets: the file has many windows, and records of the first are out long before its end."""


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
            "TAPLINE_CAPTURE__FOLDER__SETTLED_SECONDS": "0.1",
        },
    )


def capture(first: int, flows: int) -> bytes:
    """A capture file of flows of one packet each."""
    return pcap(
        [
            Frame(BASE + number * SPACING, udp("192.0.2.1", f"198.51.100.{number % 250 + 1}", number // 250 + 1, 53))
            for number in range(first, first + flows)
        ]
    )


def published(port: int) -> bool:
    """True when a node has handed records to Kafka."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return False
    return any(line.startswith("tapline_capture_records_total") and not line.endswith(" 0.0") for line in lines)


def file_of(process: subprocess.Popen[str]) -> str:
    """The file that a node says it has read, when it says so."""
    assert process.stdout is not None
    return Path(json.loads(process.stdout.readline())["source"]).name


def test_every_file_is_there_once_though_the_node_was_killed(command_line: CommandLine) -> None:
    assert command_line("topics", "create").returncode == 0
    incoming = command_line.folder / "incoming"
    incoming.mkdir()
    (incoming / "a.pcap").write_bytes(capture(0, FLOWS))
    port = free_port([])
    watching = ("capture", "--depth", "light", "--json", "folder:incoming")
    with command_line.running(*watching, "--metrics-port", str(port)) as process:
        wait_for(lambda: published(port), "records of the file")
        process.kill()
        process.wait()
    (incoming / "b.pcap").write_bytes(capture(FLOWS, 10))
    with command_line.running(*watching) as process:
        # On a machine that is slow enough the first node has read its file before it was killed.
        first = file_of(process)
        read = [first] if first == "b.pcap" else [first, file_of(process)]
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert read in (["a.pcap", "b.pcap"], ["b.pcap"])
    assert json.loads(output)["events"] == {"folder.files": len(read)}
    (incoming / "c.pcap").write_bytes(capture(FLOWS + 10, 10))
    with command_line.running(*watching) as process:
        assert file_of(process) == "c.pcap"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    tailed = command_line("topics", "tail", "flow", "--beginning", "--json").stdout.splitlines()
    flows = {record["id"]: record for record in map(json.loads, tailed) if "source_ip" in record}
    finals = [flow for flow in flows.values() if flow.get("record") == "final"]
    ends = Counter((flow["destination_ip"], flow["source_port"]) for flow in finals)
    assert (len(ends), max(ends.values())) == (FLOWS + 20, 1)
    assert sum(flow.get("delta_source_packets", 0) for flow in flows.values()) == FLOWS + 20
