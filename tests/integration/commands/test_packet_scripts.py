"""What packet scripts make of packets is in Kafka, once, from files and from an interface."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import time
import uuid
from pathlib import Path
from urllib.request import urlopen

import pytest

from tapline.services.ports import free_port
from tests.integration.capture.test_killed import records_of
from tests.integration.capture.test_publishing import assert_received_is_announced
from tests.integration.commands.conftest import CommandLine
from tests.unit.capture.test_live import allowed
from tests.unit.capture.wire import pcap
from tests.unit.capture_packet_scripts.made import datagrams, needs_tshark
from topics.catalog import ALERT
from topics.settings import KafkaSettings

pytestmark = needs_tshark

SCRIPT = '''
from typing import Any

from tapline import CounterGroup, Meter, PacketMonitor

SIZES = CounterGroup("Sizes", (Meter("packets"), Meter("largest", "maximum")), "all")


class Numbers(PacketMonitor):
    """Counts datagrams that carry a number, and alerts on some of them."""

    name = "numbers"
    display_filter = 'data.data contains "number"'

    ended = False

    def on_packet(self, packet: Any) -> None:
        number = int(bytes(packet.data.data).split()[1])
        if number == 1000 and not self.ended:
            self.ended = True
            raise ValueError("the last")
        self.count(SIZES, "all", packets=1, largest=packet.length)
        if number % 10 == 0:
            self.alert("tenth", self.ends, f"number {number}")
'''


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:8]}", partitions=2)


@pytest.fixture
def command_line(settings: KafkaSettings, tmp_path: Path) -> CommandLine:
    """Commands that use the shared Kafka with topics of their own, and a packet script that is enabled."""
    folder = tmp_path / "scripts" / "enabled"
    folder.mkdir(parents=True)
    (folder / "numbers.py").write_text(SCRIPT)
    made = CommandLine(
        tmp_path,
        {
            "TAPLINE_KAFKA__BOOTSTRAP": settings.bootstrap,
            "TAPLINE_KAFKA__PREFIX": settings.prefix,
            "TAPLINE_KAFKA__PARTITIONS": str(settings.partitions),
            "TAPLINE_CAPTURE__NODE": "here",
            "TAPLINE_CAPTURE__DEPTH": "light",
            "TAPLINE_CAPTURE__PACKET_SCRIPTS__PACKETS_PER_TSHARK": "100",
        },
    )
    assert made("topics", "create").returncode == 0
    return made


def test_a_file_is_a_stream_of_its_own_for_them(
    command_line: CommandLine, settings: KafkaSettings, tmp_path: Path
) -> None:
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap(datagrams(55)))
    done = command_line("capture", "--json", str(path))
    assert done.returncode == 0, done.stderr
    flows, packets = map(json.loads, done.stdout.splitlines())
    assert packets["stream"].startswith(f"{flows['stream']}-packets-")
    assert packets["packets"] == 55
    assert packets["records"] == {"alert": 5, "metric": 55, "flow": 0, "resource": 0, "document": 0}
    assert packets["events"]["packets.calls.numbers.on_packet"] == 55
    records = assert_received_is_announced(settings)
    assert {alert.message for alert in records["alert"]} == {f"number {n}" for n in range(10, 56, 10)}
    samples = [sample for sample in records["metric"] if sample.group == "Sizes"]
    assert sum(sample.meters["packets"] for sample in samples) == 55
    assert {tuple(sample.kinds.items()) for sample in samples} == {(("largest", "maximum"),)}


def test_the_files_of_a_folder_are_shown_to_them(
    command_line: CommandLine, settings: KafkaSettings, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "a.pcap.gz").write_bytes(gzip.compress(pcap(datagrams(55))))
    with command_line.running("capture", "--json", f"folder:{folder}") as process:
        assert process.stdout is not None
        flows, packets = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert packets["stream"].startswith(f"{flows['stream']}-packets-")
    assert (packets["packets"], packets["records"]["alert"]) == (55, 5)
    assert json.loads(output)["events"]["folder.files"] == 1
    assert len(assert_received_is_announced(settings)["alert"]) == 5


@allowed
def test_an_interface_is_shown_to_them_until_it_is_stopped(
    command_line: CommandLine, settings: KafkaSettings, tmp_path: Path
) -> None:
    metrics = free_port([])

    def counted(event: str) -> int:
        with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as answer:
            found = re.search(rf'events_total{{event="{event}",source="packets"}} (\d+)', answer.read().decode())
        return int(found[1]) if found else 0

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        place = receiver.getsockname()
        (tmp_path / "tapline.yaml").write_text(f"capture:\n  filter: udp dst port {place[1]}\n")
        with command_line.running("capture", "--json", "--metrics-port", str(metrics), "lo") as process:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                wait_until(lambda: sender.sendto(b"number 1", place) and counted("shown"), process)
                for number in range(2, 251):
                    sender.sendto(b"number %d" % number, place)
                # Once this is seen, all before it has been.
                last = "errors.numbers.on_packet"
                wait_until(lambda: sender.sendto(b"number 1000", place) and counted(last), process)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    summary = json.loads(output)
    lost = summary["events"].get("packets.missed.kernel", 0)
    records = assert_received_is_announced(settings)
    numbers = [int(alert.message.split()[1]) for alert in records["alert"] if alert.type == "tenth"]
    once = [number for number in numbers if number < 1000]
    assert once == sorted(set(once))
    assert len(once) + lost >= 25
    samples = [sample for sample in records["metric"] if sample.group == "Sizes"]
    shown = summary["events"]["packets.shown"]
    assert len(samples) + 1 == shown == summary["events"]["packets.calls.numbers.on_packet"]
    assert summary["events"]["packets.tshark_changes"] == 2


@allowed
def test_a_script_that_changes_is_loaded_again_on_an_interface(
    command_line: CommandLine, settings: KafkaSettings, tmp_path: Path
) -> None:
    """Its filter changes as well, and a version that cannot be used changes nothing."""
    script = tmp_path / "scripts" / "enabled" / "numbers.py"

    def alerts() -> set[str]:
        return {record.message for record in records_of(settings, ALERT) if record.type == "tenth"}

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        place = receiver.getsockname()
        (tmp_path / "tapline.yaml").write_text(f"capture:\n  filter: udp dst port {place[1]}\n")
        with command_line.running("capture", "--json", "lo") as process:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                wait_until(lambda: sender.sendto(b"number 10", place) and "number 10" in alerts(), process)
                script.write_text(SCRIPT.replace('"number"', '"changed"').replace('f"number {', 'f"changed {'))
                wait_until(lambda: sender.sendto(b"changed 20", place) and "changed 20" in alerts(), process)
                script.write_text(SCRIPT.replace("data.data contains", "no.such.field contains"))
                told = "script-broken"
                wait_until(lambda: told in {record.type for record in records_of(settings, ALERT)}, process)
                wait_until(lambda: sender.sendto(b"changed 30", place) and "changed 30" in alerts(), process)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    events = json.loads(output)["events"]
    assert not [name for name in events if "errors." in name]
    assert alerts() == {"number 10", "changed 20", "changed 30"}


def wait_until(condition, process) -> None:
    """Ask this now and then, for as long as the command runs."""
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, "the command has ended"
        assert time.monotonic() < deadline
        try:
            if condition():
                return
        except OSError:
            # It does not listen yet.
            pass
        time.sleep(0.05)
