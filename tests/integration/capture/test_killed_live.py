"""Live capture that is killed: nothing is published twice, what is lost shows, and the next run goes on."""

from __future__ import annotations

import ctypes
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

from tapline.services.ports import free_port
from tests.integration.capture.test_killed import counted_by_workers, records_of, stop
from tests.integration.capture.test_live_engines import DEMO, HERE, SECONDS, carried, needs_tcpreplay, replay
from tests.integration.capture.test_publishing import received
from tests.integration.commands.conftest import CommandLine
from tests.namespaces import cable, captures, needs_networks, own_network
from tests.waiting import wait_for
from topics import admin
from topics.catalog import DOCUMENT, FLOW, Topic
from topics.settings import KafkaSettings

pytestmark = pytest.mark.kill
PARTITIONS = 2
NEW_NETWORK = 0x40000000
_NODE = """
import ctypes, os, sys, threading, msgspec
from capture.node import CaptureNode
from capture.open import open_capture
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings
from topics.settings import KafkaSettings

network = os.open(sys.argv[2], os.O_RDONLY)
with KafkaPublisher(msgspec.json.decode(sys.argv[1], type=KafkaSettings), live=True) as publisher:
    if ctypes.CDLL(None).setns(network, 0x40000000):
        raise SystemExit("the network cannot be entered")
    observation, sources = open_capture(sys.argv[3], CaptureSettings(node="node", depth="light"))
    node = CaptureNode(observation, sources, publisher)
    # Only what the publisher has connected before reaches Kafka from here.
    node._find_place = lambda: None
    threading.Thread(target=lambda: (sys.stdin.read(), node.stop()), daemon=True).start()
    node.run()
    ignored = sum(many for (_, name), many in node.counts.items() if "ignored." in name)
    print(node.counts["nfstream", "packets"], ignored)
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
        cable(HERE, "cable1")
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


@needs_networks
@needs_tcpreplay
def test_flows(settings: KafkaSettings) -> None:
    with network() as opened:
        command = [sys.executable, "-c", _NODE, msgspec.json.encode(settings).decode()]
        command += [f"/proc/{os.getpid()}/fd/{opened}", HERE]

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        with start() as killed:
            within(opened, lambda: wait_for(captures, "the interface is captured", seconds=SECONDS))
            within(opened, lambda: replay(DEMO))
            # What has ended is published five seconds later.
            wait_for(lambda: records_of(settings, FLOW), "the first flows", seconds=SECONDS, every=0.2)
            killed.kill()
        with start() as process:
            within(opened, lambda: wait_for(captures, "it is captured again", seconds=SECONDS))
            published = len(records_of(settings, FLOW))
            sent = within(opened, lambda: replay(DEMO))
            wait_for(
                lambda: len(records_of(settings, FLOW)) > published, "flows of the next", seconds=SECONDS, every=0.2
            )
            told, _ = process.communicate(timeout=60)
            assert process.returncode == 0
    packets, ignored = map(int, told.split())
    assert packets == sent
    flows = records_of(settings, FLOW)
    assert len({flow.id for flow in flows}) == len(flows)
    killed_run, last_run = sorted(by_run(settings, FLOW).items())
    assert killed_run[1]["final"] == 0
    assert last_run[1]["final"] == PARTITIONS
    assert last_run[1]["sent"] == last_run[1]["announced"]
    of_last = [batch for _, envelope, batch in received(settings, FLOW) if envelope.node == last_run[0]]
    assert carried([flow for batch in of_last for flow in batch]) == packets - ignored
    assert counted_by_workers(settings, FLOW) == Counter(received=len(flows))
