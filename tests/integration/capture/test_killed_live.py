"""Live capture that is killed: nothing is published twice, what is lost shows, and the next run goes on."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from capture.settings import CaptureSettings
from tapline.services.ports import free_port
from tests.integration.capture.test_killed import counted_by_workers, records_of, stop
from tests.integration.capture.test_live_engines import (
    DEMO,
    HERE,
    PROBES,
    SECONDS,
    THERE,
    carried,
    named,
    needs_suricata,
    needs_tcpreplay,
    needs_tshark,
    read,
    replay,
)
from tests.integration.capture.test_publishing import received
from tests.integration.commands.conftest import CommandLine
from tests.namespaces import cable, captures, needs_networks, own_network, sending
from tests.unit.capture.wire import udp
from tests.unit.capture_tshark.conversations import dns_query
from tests.waiting import wait_for
from topics import admin
from topics.catalog import DOCUMENT, FLOW, METRIC, RESOURCE, Topic
from topics.records import Metric, Record
from topics.settings import KafkaSettings

pytestmark = pytest.mark.kill
PARTITIONS = 2
NEW_NETWORK = 0x40000000
_NODE = """
import ctypes, json, os, sys, threading, msgspec
from capture.node import CaptureNode
from capture.open import open_capture
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings
from capture.suricata import configuration
from topics.settings import KafkaSettings

# What Suricata has counted is told every second.
configuration._STATISTICS_SECONDS = 1
network = os.open(sys.argv[2], os.O_RDONLY)
with KafkaPublisher(msgspec.json.decode(sys.argv[1], type=KafkaSettings), live=True) as publisher:
    if ctypes.CDLL(None).setns(network, 0x40000000):
        raise SystemExit("the network cannot be entered")
    settings = msgspec.json.decode(sys.argv[4], type=CaptureSettings)
    observation, sources = open_capture(sys.argv[3], settings)
    node = CaptureNode(observation, sources, publisher)
    # Only what the publisher has connected before reaches Kafka from here.
    node._find_place = lambda: None
    threading.Thread(target=lambda: (sys.stdin.read(), node.stop()), daemon=True).start()
    node.run()
    print(json.dumps({f"{source}.{counter}": many for (source, counter), many in node.counts.items()}))
"""


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:8]}", partitions=PARTITIONS)
    admin.create(settings)
    return settings


def by_run(settings: KafkaSettings, topic: Topic) -> dict[str, Counter[str]]:
    """Of each run of a node: the records it sent, those it announced, and its last markers."""
    runs: dict[str, Counter[str]] = {}
    for _, envelope, records in received(settings, topic):
        counted = runs.setdefault(envelope.node, Counter())
        if envelope.is_snapshot:
            counted["announced"] += records[0].announced
            counted["final"] += records[0].final
        else:
            counted["sent"] += envelope.count
    return runs


def test_syslog(settings: KafkaSettings, tmp_path: Path) -> None:
    tapline = CommandLine(
        tmp_path,
        {
            "TAPLINE_KAFKA__BOOTSTRAP": settings.bootstrap,
            "TAPLINE_KAFKA__PREFIX": settings.prefix,
            "TAPLINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "TAPLINE_CAPTURE__NODE": "node",
        },
    )
    port, sent = free_port([]), 0

    def listens() -> bool:
        return f":{port:04X}" in Path("/proc/net/udp").read_text(encoding="ascii")

    def send(count: int) -> None:
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(sent, sent + count):
                sender.sendto(b"<14>1 2026-01-01T00:00:00Z box app - - - number %d" % number, ("127.0.0.1", port))
        sent += count

    with tapline.running("capture", f"syslog:udp://127.0.0.1:{port}", "--json") as process:
        wait_for(listens, "it listens", seconds=SECONDS)
        send(1000)
        wait_for(lambda: len(records_of(settings, DOCUMENT)) == 1000, "the first lines", seconds=SECONDS, every=0.2)
        send(1000)
        process.kill()
        process.wait()
    send(500)
    with tapline.running("capture", f"syslog:udp://127.0.0.1:{port}", "--json") as process:
        wait_for(listens, "it listens again", seconds=SECONDS)
        before = len(records_of(settings, DOCUMENT))
        send(1000)
        wait_for(
            lambda: len(records_of(settings, DOCUMENT)) == before + 1000, "the last lines", seconds=SECONDS, every=0.2
        )
        summary = stop(process)
    documents = records_of(settings, DOCUMENT)
    numbers = [int(document.text.rpartition(" ")[2]) for document in documents]
    assert len(set(numbers)) == len(numbers) == len({document.id for document in documents})
    assert set(range(1000)) | set(range(2500, 3500)) <= set(numbers) <= set(range(2000)) | set(range(2500, 3500))
    assert summary["lines"] == summary["records"]["document"] == 1000
    killed, after = sorted(by_run(settings, DOCUMENT).items(), key=lambda run: run[0])
    # What the killed run has sent of its last window counts, and is told as not announced.
    assert (killed[1]["sent"], killed[1]["final"]) == (len(numbers) - 1000, 0)
    assert after[1] == Counter(sent=1000, announced=1000, final=PARTITIONS)
    assert counted_by_workers(settings, DOCUMENT) == Counter(received=len(numbers))


@contextmanager
def network() -> Iterator[int]:
    """A network with a cable, as an open file, for as long as the block lasts."""
    with own_network():
        cable(HERE, THERE)
        opened = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield opened
    finally:
        os.close(opened)


T = TypeVar("T")


def within(opened: int, what: Callable[[], T]) -> T:
    """What is returned in a thread that is in that network."""

    def run() -> T:
        assert ctypes.CDLL(None).setns(opened, NEW_NETWORK) == 0
        return what()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


class Cable:
    """A node that captures at one end of a cable, in a network of its own, and is killed and started again."""

    def __init__(self, network: int, settings: KafkaSettings, capture: CaptureSettings, sockets: int) -> None:
        self._network = network
        self._settings = settings
        self._sockets = sockets
        self._command = [
            sys.executable, "-c", _NODE, msgspec.json.encode(settings).decode(), f"/proc/{os.getpid()}/fd/{network}",
            HERE, msgspec.json.encode(capture).decode(),
        ]  # fmt: skip

    @contextmanager
    def captured(self) -> Iterator[subprocess.Popen[str]]:
        """A node that captures; it is killed at the end if it still runs."""
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                self.within(
                    lambda: wait_for(lambda: captures() >= self._sockets, "the interface is captured", seconds=SECONDS)
                )
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def within(self, what: Callable[[], T]) -> T:
        """What is returned in the network of the cable."""
        return within(self._network, what)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill the node alone; what it has started ends with it."""
        process.kill()
        process.wait()
        self.within(lambda: wait_for(lambda: captures() == 0, "nobody captures any more", seconds=SECONDS))

    def published(self, topic: Topic) -> dict[str, list[Record]]:
        """What each run has published, the earlier one first."""
        runs: dict[str, list[Record]] = {}
        for _, envelope, records in received(self._settings, topic):
            if not envelope.is_snapshot:
                runs.setdefault(envelope.node, []).extend(records)
        return dict(sorted(runs.items()))

    def until_suricata_listens(self, runs: int) -> int:
        """Send queries of DNS until the last of so many runs tells of one; how many. It discards what comes before."""
        probes = 0

        def probe() -> None:
            with sending(THERE) as sender:
                query = dns_query(f"{probes}.{PROBES}")
                sender.send(udp("192.0.2.1", "192.0.2.53", 1024 + probes, 53, payload=query))

        def hears() -> bool:
            nonlocal probes
            self.within(probe)
            probes += 1
            return len(self.published(RESOURCE)) == runs

        wait_for(hears, "Suricata listens", seconds=SECONDS, every=0.3)
        return probes


def stopped(process: subprocess.Popen[str]) -> Counter[str]:
    """Stop a node in good order; what its sources have counted."""
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return Counter(json.loads(told))


def lost(counts: Counter[str]) -> int:
    return sum(many for counter, many in counts.items() if counter.endswith("dropped.kernel"))


def assert_once(settings: KafkaSettings, topic: Topic) -> None:
    """Nothing stands there twice; what the killed run sent counts, and is told as not announced."""
    records = records_of(settings, topic)
    assert len({record.id for record in records}) == len(records)
    killed, after = sorted(by_run(settings, topic).items())
    assert killed[1]["final"] == 0
    assert after[1]["final"] == PARTITIONS
    assert after[1]["sent"] == after[1]["announced"]
    assert counted_by_workers(settings, topic) == Counter(received=len(records))


@needs_networks
@needs_tcpreplay
def test_flows(settings: KafkaSettings) -> None:
    with network() as opened:
        wire = Cable(opened, settings, CaptureSettings(node="node", depth="light"), sockets=1)
        with wire.captured() as process:
            wire.within(lambda: replay(DEMO))
            # What has ended is published five seconds later.
            wait_for(lambda: records_of(settings, FLOW), "the first flows", seconds=SECONDS, every=0.2)
            wire.kill(process)
        with wire.captured() as process:
            sent = wire.within(lambda: replay(DEMO))
            wait_for(lambda: len(wire.published(FLOW)) == 2, "flows of the next", seconds=SECONDS, every=0.2)
            counts = stopped(process)
    assert counts["nfstream.packets"] + lost(counts) == sent
    _, of_last = wire.published(FLOW).values()
    ignored = sum(many for counter, many in counts.items() if ".ignored." in counter)
    assert carried(of_last) == counts["nfstream.packets"] - ignored
    assert_once(settings, FLOW)


@needs_networks
@needs_tcpreplay
@needs_tshark
def test_tshark(settings: KafkaSettings) -> None:
    capture = CaptureSettings(node="node", engine="tshark")
    wanted = named(read(DEMO, capture))
    with network() as opened:
        wire = Cable(opened, settings, capture, sockets=2)
        with wire.captured() as process:
            wire.within(lambda: replay(DEMO, speed="--pps=3000"))
            # The rest is still under way.
            wait_for(lambda: records_of(settings, RESOURCE), "the first resources", seconds=SECONDS, every=0.2)
            wire.kill(process)
        with wire.captured() as process:
            sent = wire.within(lambda: replay(DEMO, speed="--pps=3000"))

            def is_told() -> bool:
                runs = list(wire.published(RESOURCE).values())
                return len(runs) == 2 and len(runs[1]) >= wanted.total()

            wait_for(is_told, "the resources of the next", seconds=SECONDS, every=0.5)
            counts = stopped(process)
    assert counts["nfstream.packets"] + lost(counts) == sent
    assert counts["tshark.missed.kernel"] == 0
    killed, of_last = wire.published(RESOURCE).values()
    assert named(of_last) == wanted
    # A sum of what both runs have told would hold nothing more than was sent twice.
    assert named(killed) <= wanted
    assert_once(settings, RESOURCE)


@needs_networks
@needs_tcpreplay
@needs_suricata
def test_suricata(settings: KafkaSettings) -> None:
    with network() as opened:
        wire = Cable(opened, settings, CaptureSettings(node="node", flows="suricata"), sockets=1)

        def counted() -> int:
            """The packets that the last run says it has read, or that the kernel dropped."""
            last = list(wire.published(METRIC).values())[-1]
            samples = [each.meters for each in last if isinstance(each, Metric) and each.group == "Capture"]
            return round(sum(meters["packets"] + meters["dropped"] for meters in samples))

        with wire.captured() as process:
            wire.until_suricata_listens(1)
            wire.within(lambda: replay(DEMO))
            wait_for(
                lambda: len(records_of(settings, RESOURCE)) > 20, "the first resources", seconds=SECONDS, every=0.2
            )
            wire.kill(process)
        with wire.captured() as process:
            probes = wire.until_suricata_listens(2)
            sent = wire.within(lambda: replay(DEMO))
            wait_for(lambda: counted() >= sent, "the packets are counted", seconds=SECONDS, every=0.5)
            counts = stopped(process)
    assert sent < counts["suricata.packets"] + lost(counts) <= sent + probes
    assert counted() == counts["suricata.packets"] + lost(counts)
    of_last = list(wire.published(FLOW).values())[-1]
    assert 0 < carried(of_last) <= counts["suricata.packets"]
    assert_once(settings, RESOURCE)


@needs_networks
@needs_tcpreplay
@needs_suricata
def test_suricata_beside_the_flow_engine(settings: KafkaSettings) -> None:
    capture = CaptureSettings(node="node", engine="suricata")
    wanted = named(read(DEMO, capture))

    def of_demo(run: int) -> Counter[tuple[str, str]]:
        """The resources that a run has published, without those of the probes."""
        found = named(list(wire.published(RESOURCE).values())[run])
        return Counter({name: many for name, many in found.items() if not name[1].endswith(PROBES)})

    def decoded() -> int:
        """The packets that Suricata says it has decoded in the last run."""
        last = list(wire.published(METRIC).values())[-1]
        told = [each.meters for each in last if isinstance(each, Metric) and each.group == "Suricata"]
        return int(told[-1]["decoder_pkts"]) if told else 0

    with network() as opened, ThreadPoolExecutor(1) as pool:
        wire = Cable(opened, settings, capture, sockets=2)
        with wire.captured() as process:
            wire.until_suricata_listens(1)
            replaying = pool.submit(wire.within, lambda: replay(DEMO, speed="--pps=200"))
            # Both have told something, of packets of which more come.
            wait_for(lambda: of_demo(0) and wire.published(FLOW), "what both tell", seconds=SECONDS, every=0.2)
            assert not replaying.done()
            wire.kill(process)
        replaying.result()
        with wire.captured() as process:
            probes = wire.until_suricata_listens(2)
            sent = wire.within(lambda: replay(DEMO, speed="--pps=3000")) + probes
            wait_for(lambda: decoded() >= sent - probes, "Suricata has all", seconds=SECONDS, every=0.5)
            counts = stopped(process)
    assert counts["nfstream.packets"] + lost(counts) == sent
    assert counts["suricata.missed.kernel"] == 0
    killed, of_last = wire.published(FLOW).values()
    ignored = sum(many for counter, many in counts.items() if counter.startswith("nfstream.ignored."))
    assert carried(of_last) == counts["nfstream.packets"] - ignored
    assert 0 < carried(killed) < carried(of_last)
    assert of_demo(1) == wanted
    # A sum of what both runs have told would hold nothing more than was sent twice.
    assert of_demo(0) <= wanted
    for topic in (FLOW, RESOURCE):
        assert_once(settings, topic)
