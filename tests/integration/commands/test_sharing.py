"""Several interfaces in one process, and several processes that share one: every packet is published once."""

from __future__ import annotations

import json
import signal
import socket
import uuid
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tapline.services.ports import free_port
from tests.integration.commands.conftest import CommandLine
from tests.unit.capture.test_live import allowed
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
            "TAPLINE_CAPTURE__DEPTH": "light",
            "TAPLINE_CAPTURE__FANOUT": "2",
        },
    )


def _neighbours() -> int:
    """A port that is free, as is the one after it."""
    while True:
        port = free_port([])
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def _captured(port: int, interface: str) -> bool:
    """Whether the process whose metrics are on this port captures this interface."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return f'tapline_capture_interface_up{{interface="{interface}"}} 1.0' in answer.read().decode()
    except URLError:
        return False


@allowed
def test_one_process_captures_several_interfaces_as_observation_points_of_their_own(command_line: CommandLine) -> None:
    assert command_line("topics", "create").returncode == 0
    port = free_port([])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        address = receiver.getsockname()
        command_line.environment |= {
            "TAPLINE_CAPTURE__FANOUT": "1",
            "TAPLINE_CAPTURE__FILTER": f"udp and dst port {address[1]}",
        }
        with command_line.running("capture", "--json", "--metrics-port", str(port), "lo", "any") as process:
            wait_for(lambda: _captured(port, "lo") and _captured(port, "any"), "the capture to begin", seconds=60)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(50):
                    sender.sendto(b"x" * 100, address)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors

    summaries = [json.loads(line) for line in output.splitlines()]
    assert [(summary["source"], summary["packets"]) for summary in summaries] == [("lo", 50), ("any", 50)]
    tailed = command_line("topics", "tail", "flow", "--beginning", "--json").stdout.splitlines()
    flows = [record for record in map(json.loads, tailed) if "source_ip" in record]
    assert {flow["observation_point"] for flow in flows} == {"lo", "any"}


@allowed
def test_processes_that_share_an_interface_publish_every_packet_once(command_line: CommandLine) -> None:
    assert command_line("topics", "create").returncode == 0
    ports = [_neighbours()]
    ports.append(ports[0] + 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        address = receiver.getsockname()
        command_line.environment["TAPLINE_CAPTURE__FILTER"] = f"udp and dst port {address[1]}"
        with command_line.running("capture", "--json", "--metrics-port", str(ports[0]), "lo") as process:
            wait_for(lambda: all(_captured(port, "lo") for port in ports), "both processes to capture", seconds=60)
            for _ in range(200):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"x" * 100, address)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors

    summaries = [json.loads(line) for line in output.splitlines()]
    assert len({summary["node"] for summary in summaries}) == len(summaries) == 2
    assert sum(summary["packets"] + sum(summary["dropped"].values()) for summary in summaries) == 200
    tailed = command_line("topics", "tail", "flow", "--beginning", "--json").stdout.splitlines()
    flows = [record for record in map(json.loads, tailed) if "source_ip" in record]
    assert sum(record.get("delta_source_packets", 0) for record in flows) == sum(s["packets"] for s in summaries)
    assert sum(summary["records"]["flow"] for summary in summaries) == len(flows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--flows", "suricata", "lo"), "Suricata has a thread for each core by itself: set capture.fanout to 1"),
        (("lo", "host:"), "only interfaces can be shared (capture.fanout): run one command for them, one for the rest"),
    ],
)
def test_what_cannot_be_shared_is_said_in_one_line(
    command_line: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    ended = command_line("capture", *arguments)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
