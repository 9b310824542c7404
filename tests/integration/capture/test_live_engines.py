"""Every engine on a cable: what is sent through it is captured, or counted as lost, and stands in real Kafka."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture.exports.source import ExportListener
from capture.feed import CaptureFeed
from capture.node import CaptureNode
from capture.open import open_capture
from capture.packets import live
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings, SyslogSettings
from capture.suricata import configuration
from capture.suricata.program import OLDEST, find_suricata
from capture.syslog.source import SyslogListener
from tests.integration.capture.test_publishing import assert_received_is_announced
from tests.namespaces import cable, captures, needs_networks, own_network, sending
from tests.unit.capture.wire import udp
from tests.unit.capture_tshark.conversations import dns_query
from tests.waiting import wait_for
from topics import admin
from topics.catalog import CAPTURED, Topic
from topics.codec import decode
from topics.records import Flow, Metric, Record, Resource
from topics.settings import KafkaSettings

DEMO = Path(__file__).parents[3] / "tapline" / "demo" / "demo.pcap"
HERE, THERE = "cable0", "cable1"
SECONDS = 60
TCPREPLAY = shutil.which("tcpreplay")
SOFTFLOWD = shutil.which("softflowd") or shutil.which("softflowd", path="/usr/sbin")
SURICATA = find_suricata()

needs_tcpreplay = pytest.mark.skipif(TCPREPLAY is None, reason="tcpreplay is not installed (apt install tcpreplay)")
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
needs_suricata = pytest.mark.skipif(SURICATA is None or SURICATA.major < OLDEST, reason="Suricata 7 is not installed")


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:8]}", partitions=3)
    admin.create(settings)
    return settings


class Node(CaptureNode):
    """A node that knows how many packets Suricata has said it has decoded."""

    decoded = 0

    def _find_place(self) -> None:
        """Only what the publisher has connected before reaches Kafka from a network of its own."""

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        if isinstance(record, Metric) and record.group == "Suricata":
            self.decoded = int(record.meters["decoder_pkts"])
        super().put(topic, key, record, window)


class Reader:
    """Stands between the flow engine and an interface: how many packets it has been given, and when it last had all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.packets = 0
        self.caught_up = 0.0
        self.go_on = threading.Event()
        self.go_on.set()
        packets = live.LiveCapture.packets

        def counted(capture: live.LiveCapture) -> Iterator[object]:
            for packet in packets(capture):
                if packet[2] == live.CLOCK:
                    self.caught_up = time.monotonic()
                else:
                    self.packets += 1
                yield packet
                self.go_on.wait()

        monkeypatch.setattr(live.LiveCapture, "packets", counted)

    def has_read(self) -> bool:
        """True when the kernel holds nothing of what was sent a second before this was asked first."""
        asked = time.monotonic() + 1
        return bool(wait_for(lambda: self.caught_up > asked, "the interface is read", seconds=SECONDS))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(monkeypatch)


@pytest.fixture
def tells_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Suricata say every second what it has counted."""
    monkeypatch.setattr(configuration, "_STATISTICS_SECONDS", 1)


@contextmanager
def capturing(settings: KafkaSettings, capture: CaptureSettings, sockets: int = 1) -> Iterator[Node]:
    """A node that captures at one end of a cable, in a network of its own."""
    with KafkaPublisher(settings, live=True) as publisher, own_network():
        cable(HERE, THERE)
        observation, sources = open_capture(HERE, capture)
        node = Node(observation, sources, publisher)
        with running(node):
            wait_for(lambda: captures() >= sockets, "the interface is captured", seconds=SECONDS)
            yield node


@contextmanager
def running(node: CaptureNode) -> Iterator[None]:
    """Run a node for as long as the block lasts."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            node.run()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        node.stop()
        thread.join()
    if errors:
        raise errors[0]


def replay(path: Path, *options: str, speed: str = "--topspeed") -> int:
    """Send the packets of a capture file, as fast as it goes by default; how many came through the cable."""
    assert TCPREPLAY is not None
    before = lost_by_the_cable()
    told = subprocess.run(
        [TCPREPLAY, speed, *options, f"--intf1={THERE}", path], check=True, capture_output=True, text=True
    ).stdout
    failed = re.search(r"Failed packets:\s+(\d+)", told)
    sent = re.search(r"Successful packets:\s+(\d+)", told)
    assert sent is not None
    assert failed is not None
    assert int(failed[1]) == 0, told
    return int(sent[1]) - lost_by_the_cable() + before


def lost_by_the_cable() -> int:
    """Packets that the kernel had no room for before any capture could see them, as on a machine that is busy."""
    lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    (counters,) = (line.partition(":")[2].split() for line in lines if line.strip().startswith(f"{THERE}:"))
    return int(counters[11])


def read(path: Path, capture: CaptureSettings) -> list[Record]:
    """The records of a capture file."""
    observation, sources = open_capture(str(path), capture)
    with CaptureFeed(observation, sources, {topic.kind: 1 for topic in CAPTURED}) as feed:
        return [
            record
            for topic, _, envelope, body in feed
            if not envelope.is_snapshot
            for record in decode(topic.record, body)
        ]


def lost(node: CaptureNode) -> int:
    return sum(amount for (_, counter), amount in node.counts.items() if counter == "dropped.kernel")


def carried(flows: Sequence[Record]) -> int:
    """The packets of flows."""
    return sum(flow.delta_packets for flow in flows if isinstance(flow, Flow))


@needs_networks
@needs_tcpreplay
def test_flows(settings: KafkaSettings, reader: Reader) -> None:
    with capturing(settings, CaptureSettings(node="node", depth="light")) as node:
        sent = replay(DEMO, "--loop=3")
        wait_for(lambda: reader.packets + lost(node) >= sent, "the packets are read", seconds=SECONDS)
    counts = node.counts
    assert counts["nfstream", "packets"] + lost(node) == sent
    ignored = sum(amount for (_, counter), amount in counts.items() if counter.startswith("ignored."))
    assert carried(assert_received_is_announced(settings)["flow"]) == counts["nfstream", "packets"] - ignored


@needs_networks
@needs_tcpreplay
def test_flows_of_more_than_the_kernel_holds(
    settings: KafkaSettings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_BUFFER", 1 << 20)
    with capturing(settings, CaptureSettings(node="node", depth="light")) as node:
        reader.go_on.clear()
        sent = replay(DEMO, "--loop=10")
        reader.go_on.set()
        reader.has_read()
    assert lost(node) > 0
    assert node.counts["nfstream", "packets"] + lost(node) == sent
    samples = [sample for sample in assert_received_is_announced(settings)["metric"] if sample.group == "Capture"]
    assert sum(sample.meters["packets"] + sample.meters["dropped"] for sample in samples) == sent


@needs_networks
@needs_tcpreplay
@needs_tshark
def test_tshark(settings: KafkaSettings, reader: Reader) -> None:
    capture = CaptureSettings(node="node", engine="tshark")
    wanted = named(read(DEMO, capture))
    with capturing(settings, capture, sockets=2) as node:
        sent = replay(DEMO, speed="--pps=3000")
        wait_for(lambda: reader.packets + lost(node) >= sent, "the packets are read", seconds=SECONDS)
        wait_for(
            lambda: node.records["resource"] >= wanted.total(),
            f"{wanted.total()} resources",
            seconds=SECONDS,
        )
    assert node.counts["nfstream", "packets"] + lost(node) == sent
    assert node.counts["tshark", "missed.kernel"] == 0
    assert named(assert_received_is_announced(settings)["resource"]) == wanted


def named(records: list[Record]) -> Counter[tuple[str, str]]:
    """The resources among records, by group and what one looks up."""
    return Counter((record.group, record.uri) for record in records if isinstance(record, Resource))


PROBES = "probe.example"


def until_suricata_listens(node: CaptureNode, settings: KafkaSettings) -> int:
    """Send DNS queries until Suricata tells of one; how many were sent. It discards what comes while it starts."""
    sent = 0

    def heard() -> bool:
        nonlocal sent
        with sending(THERE) as sender:
            sender.send(udp("192.0.2.1", "192.0.2.53", 1024 + sent, 53, payload=dns_query(f"{sent}.{PROBES}")))
        sent += 1
        return node.records["resource"] > 0

    wait_for(heard, "Suricata listens", seconds=SECONDS, every=0.3)
    return sent


@needs_networks
@needs_tcpreplay
@needs_suricata
@pytest.mark.usefixtures("tells_often")
def test_suricata_beside_the_flow_engine(settings: KafkaSettings, reader: Reader) -> None:
    capture = CaptureSettings(node="node", engine="suricata")
    wanted = named(read(DEMO, capture))
    with capturing(settings, capture, sockets=2) as node:
        probes = until_suricata_listens(node, settings)
        sent = replay(DEMO, speed="--pps=3000") + probes
        wait_for(lambda: reader.packets + lost(node) >= sent, "the packets are read", seconds=SECONDS)
        wait_for(lambda: node.decoded >= sent - probes, "Suricata has all", seconds=SECONDS)
    found = named(assert_received_is_announced(settings)["resource"])
    assert Counter({name: many for name, many in found.items() if not name[1].endswith(PROBES)}) == wanted
    assert node.counts["nfstream", "packets"] + lost(node) == sent
    assert node.counts["suricata", "missed.kernel"] == 0


@needs_networks
@needs_tcpreplay
@needs_suricata
@pytest.mark.usefixtures("tells_often")
def test_suricata_alone(settings: KafkaSettings) -> None:
    with capturing(settings, CaptureSettings(node="node", flows="suricata")) as node:
        probes = until_suricata_listens(node, settings)
        sent = replay(DEMO)
        counts = node.counts
        wait_for(lambda: counts["suricata", "packets"] + lost(node) >= sent, "the packets are counted", seconds=SECONDS)
    records = assert_received_is_announced(settings)
    heard = len({resource.uri for resource in records["resource"] if resource.uri.endswith(PROBES)})
    assert 1 <= heard <= probes
    assert counts["suricata", "packets"] + lost(node) == sent + heard
    assert 0 < carried(records["flow"]) <= counts["suricata", "packets"]


@pytest.mark.skipif(SOFTFLOWD is None, reason="softflowd is not installed (apt install softflowd)")
@pytest.mark.parametrize("version", [5, 9, 10])
def test_softflowd(settings: KafkaSettings, tmp_path: Path, version: int) -> None:
    """What an exporter has counted of a capture is what its flows come to."""
    assert SOFTFLOWD is not None
    with listening(settings, "netflow:udp://127.0.0.1:0", CaptureSettings(node="node")) as (node, port):
        command = [SOFTFLOWD, "-r", DEMO, "-v", str(version), "-n", f"127.0.0.1:{port}", "-p", tmp_path / "pid"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        exported = re.search(r"Flows exported: \d+ \((\d+) records\) in (\d+) packets \(0 failures\)", told)
        assert exported is not None, told
        records, datagrams = int(exported[1]), int(exported[2])
        wait_for(lambda: node.counts["netflow", "packets"] + lost(node) >= datagrams, "the datagrams", seconds=SECONDS)
    assert node.counts["netflow", "packets"] + lost(node) == datagrams
    assert lost(node) == 0
    flows = assert_received_is_announced(settings)["flow"]
    assert len(flows) == node.counts["netflow", "flows"] <= records
    seen = [record for record in read(DEMO, CaptureSettings(depth="light")) if isinstance(record, Flow)]
    assert carried(flows) == carried([flow for flow in seen if version > 5 or flow.ip_version == 4])


@contextmanager
def listening(settings: KafkaSettings, source: str, capture: CaptureSettings) -> Iterator[tuple[CaptureNode, int]]:
    """A node that listens on a free port of the loopback, and the port."""
    with KafkaPublisher(settings, live=True) as publisher:
        observation, (listener,) = open_capture(source, capture)
        assert isinstance(listener, ExportListener | SyslogListener)
        node = CaptureNode(observation, [listener], publisher)
        with running(node):
            yield node, wait_for(lambda: listener.port, "the listener's port")


def test_syslog_faster_than_it_is_read(settings: KafkaSettings) -> None:
    """Datagrams for which the kernel has no room are counted: nothing is missing."""
    lines = 20_000
    small = CaptureSettings(node="node", syslog=SyslogSettings(receive_buffer=4096))
    with listening(settings, "syslog:udp://127.0.0.1:0", small) as (node, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", port))
            for number in range(lines):
                sender.send(b"<14>1 2026-01-01T00:00:00Z box app - - - number %d" % number)
        wait_for(lambda: node.counts["syslog", "lines"] + lost(node) >= lines, "the lines", seconds=SECONDS)
    documents = assert_received_is_announced(settings)["document"]
    assert lost(node) > 0
    assert len(documents) + lost(node) == lines
    assert len({document.id for document in documents}) == len(documents)
