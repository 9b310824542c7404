"""What exporters send to a node that is killed: nothing is published twice, and what was not published is missing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapline.services.ports import free_port
from tests.integration.capture.test_killed import counted_by_workers, records_of
from tests.integration.capture.test_live_engines import SECONDS
from tests.integration.commands.conftest import CommandLine
from tests.unit.capture.wire import udp
from tests.unit.capture_netflow.made import FLOW_FIELDS, a_set, flow, ipfix, template, version_9
from tests.unit.capture_sflow.test_sflow import datagram as sflow
from tests.unit.capture_sflow.test_sflow import flow_sample, raw_packet
from tests.waiting import wait_for
from topics import admin
from topics.catalog import FLOW
from topics.settings import KafkaSettings

pytestmark = pytest.mark.kill
PARTITIONS = 2
KINDS = ("v9", "ipfix", "sflow")
FIRST = {"v9": 10_000, "ipfix": 20_000, "sflow": 30_000}
"""The source port of each kind's first flow."""


def datagram(kind: str, number: int) -> bytes:
    """The ``number``-th datagram of an exporter: one flow, told apart by its port."""
    port = FIRST[kind] + number
    if kind == "sflow":
        packet = bytes(12) + b"\x08\x00" + udp("192.0.2.1", "192.0.2.53", port, 53, b"x")[14:]
        return sflow(flow_sample(raw_packet(packet), rate=1), sequence=number)
    now, flows = int(time.time()), a_set(256, flow(source_port=port))
    if kind == "v9":
        return version_9(a_set(0, template(256, FLOW_FIELDS)), flows, sequence=number, seconds=now)
    return ipfix(a_set(2, template(256, FLOW_FIELDS)), flows, sequence=number, seconds=now)


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:8]}", partitions=PARTITIONS)
    admin.create(settings)
    return settings


class Exporters:
    """One exporter of each kind, and the node that listens to them."""

    def __init__(self, settings: KafkaSettings, folder: Path) -> None:
        self.sent = 0
        self.kept = folder / "kept"
        self._settings = settings
        self._ports = {"netflow": free_port([])}
        self._ports["sflow"] = free_port([self._ports["netflow"]])
        self._tapline = CommandLine(
            folder,
            {
                "TAPLINE_KAFKA__BOOTSTRAP": settings.bootstrap,
                "TAPLINE_KAFKA__PREFIX": settings.prefix,
                "TAPLINE_KAFKA__PARTITIONS": str(PARTITIONS),
                "TAPLINE_CAPTURE__NODE": "node",
                "TAPLINE_CAPTURE__FLOW_EXPORTS__TEMPLATES_FOLDER": str(self.kept),
            },
        )

    @contextmanager
    def heard(self) -> Iterator[subprocess.Popen[str]]:
        """A node that listens to them; it is killed at the end if it still runs."""
        sources = [f"{name}:udp://127.0.0.1:{port}" for name, port in self._ports.items()]
        table = Path("/proc/net/udp")
        with self._tapline.running("capture", *sources, "--json") as process:
            wait_for(
                lambda: all(f":{port:04X}" in table.read_text(encoding="ascii") for port in self._ports.values()),
                "it listens",
                seconds=SECONDS,
            )
            yield process

    def send(self, count: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(self.sent, self.sent + count):
                for kind in KINDS:
                    port = self._ports["sflow" if kind == "sflow" else "netflow"]
                    sender.sendto(datagram(kind, number), ("127.0.0.1", port))
        self.sent += count

    def published(self) -> dict[str, list[int]]:
        """The numbers of the datagrams of each kind whose flow stands in Kafka."""
        ports = sorted(record.source_port for record in records_of(self._settings, FLOW))
        return {
            kind: [port - first for port in ports if first <= port < first + 10_000] for kind, first in FIRST.items()
        }

    def wait_published(self, number: int) -> None:
        """Return when the flows of the datagram of this number stand there."""
        wait_for(
            lambda: all(number in numbers for numbers in self.published().values()),
            f"the flows of datagram {number}",
            seconds=SECONDS,
            every=0.2,
        )

    def wait_kept(self, number: int) -> None:
        def kept() -> bool:
            expected: dict[str, int] = {}
            for file in self.kept.glob("*.sequences"):
                expected |= json.loads(file.read_text())["expected"]
            return len(expected) == len(KINDS) and set(expected.values()) == {number}

        wait_for(kept, f"it is kept that {number} comes next", seconds=SECONDS)


def summaries(process: subprocess.Popen[str]) -> dict[str, dict[str, int]]:
    """Stop a capture in good order; the events of each of its sources."""
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    told = [json.loads(line) for line in out.splitlines()]
    return {each["source"].partition(":")[0]: each["events"] for each in told}


def test_what_was_not_published_is_missing(settings: KafkaSettings, tmp_path: Path) -> None:
    exporters = Exporters(settings, tmp_path)
    with exporters.heard() as process:
        exporters.send(40)
        exporters.wait_published(39)
        exporters.wait_kept(40)
        exporters.send(30)
        process.kill()
        process.wait()
    exporters.send(15)
    with exporters.heard() as process:
        exporters.send(30)
        exporters.wait_published(114)
        events = summaries(process)
    published = exporters.published()
    lost = {"v9": 0, "ipfix": 0, "sflow": 0}
    for kind, numbers in published.items():
        assert len(set(numbers)) == len(numbers)
        assert {*range(40), *range(85, 115)} <= set(numbers) <= {*range(70), *range(85, 115)}
        lost[kind] = 115 - len(numbers)
    # What the killed run published in its last half second may count as missing, nothing else may.
    assert lost["v9"] + lost["ipfix"] <= events["netflow"]["netflow.missing"] <= 90
    assert lost["sflow"] <= events["sflow"]["sflow.missing"] <= 45
    flows = records_of(settings, FLOW)
    assert len({record.id for record in flows}) == len(flows)
    assert counted_by_workers(settings, FLOW) == Counter(received=len(flows))
    # A run that ends in good order keeps how far it came: the next one misses nothing.
    with exporters.heard() as process:
        exporters.send(1)
        exporters.wait_published(115)
        events = summaries(process)
    assert "netflow.missing" not in events["netflow"]
    assert "sflow.missing" not in events["sflow"]
