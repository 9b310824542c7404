"""Capture nodes that are killed and started again: nothing is published twice, and nothing counts twice."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from capture.collectors.source import CollectorTopic
from capture.enrichment.settings import EnrichmentSettings
from capture.node import CaptureNode
from capture.open import open_capture
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings
from capture.source import Confirming, Sink, observe_live
from tests.integration.capture.test_collector_topic import create, produce
from tests.integration.capture.test_publishing import received
from tests.integration.commands.conftest import CommandLine
from tests.unit.capture.sinks import ScriptedSource
from tests.unit.capture_collectors.test_collectors import GOFLOW2
from tests.unit.capture_eve.made import anomaly
from tests.unit.capture_zeek.made import CONN
from tests.waiting import wait_for
from topics import admin
from topics.catalog import DEAD, DOCUMENT, FLOW, Topic
from topics.records import Document, Flow, Record
from topics.settings import KafkaSettings
from workers.windows.ledger import Ledger

PARTITIONS = 2


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:8]}", partitions=PARTITIONS)
    admin.create(settings)
    return settings


@pytest.fixture
def tapline(settings: KafkaSettings, tmp_path: Path) -> CommandLine:
    """Commands that capture into these topics."""
    return CommandLine(
        tmp_path,
        {
            "TAPLINE_KAFKA__BOOTSTRAP": settings.bootstrap,
            "TAPLINE_KAFKA__PREFIX": settings.prefix,
            "TAPLINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "TAPLINE_CAPTURE__NODE": "node",
            "TAPLINE_CAPTURE__EVE__POSITIONS": str(tmp_path / "positions"),
            "TAPLINE_CAPTURE__ZEEK__POSITIONS": str(tmp_path / "positions"),
        },
    )


def records_of(settings: KafkaSettings, topic: Topic) -> list:
    return [
        record for _, envelope, records in received(settings, topic) if not envelope.is_snapshot for record in records
    ]


def counted_by_workers(settings: KafkaSettings, topic: Topic) -> Counter[str]:
    """What the ledgers of workers say of a topic's records: received, twice, late; and windows left open."""
    counted: Counter[str] = Counter()
    by_partition = defaultdict(list)
    for partition, envelope, records in received(settings, topic):
        by_partition[partition].append((envelope, records))
    for messages in by_partition.values():
        ledger = Ledger(lambda _source: frozenset())
        for offset, (envelope, records) in enumerate(messages):
            if not envelope.is_snapshot:
                admitted = ledger.admit(offset, envelope, "")
                counted["received"] += envelope.count - admitted.skip if admitted else 0
                continue
            lane = ledger.mark(offset, envelope, records[0], "")
            for window in lane.ready():
                ledger.close(window)
            ledger.settle(lane)
        counted["twice"] += ledger.duplicate_records
        counted["late"] += ledger.late_records
        counted["open"] += len(list(ledger.open_windows()))
    return counted


def stop(process: subprocess.Popen[str]) -> dict:
    """Stop a capture in good order; its summary."""
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return json.loads(out)


@pytest.mark.kill
def test_a_followed_file_is_published_once_over_kills(
    settings: KafkaSettings, tapline: CommandLine, tmp_path: Path
) -> None:
    path, positions, copy = tmp_path / "eve.json", tmp_path / "positions", tmp_path / "copy"
    source, lines = f"eve:follow:{path}", 0

    def write(count: int) -> None:
        nonlocal lines
        with path.open("ab") as file:
            for number in range(lines, lines + count):
                file.write(anomaly(number))
        lines += count

    def published() -> bool:
        return len(records_of(settings, DOCUMENT)) >= lines

    def is_kept(offset: int) -> bool:
        return any(json.loads(file.read_text())["files"][0]["offset"] == offset for file in positions.glob("*.json"))

    for _ in range(3):
        with tapline.running("capture", source, "--json") as process:
            write(500)
            wait_for(lambda: is_kept(path.stat().st_size), "the position is kept", seconds=60)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(positions, copy)
            write(1500)
            wait_for(published, "the lines are published", seconds=60, every=0.2)
            process.kill()
            process.wait()
        # However soon it came to keep another position: the kill may have come before that.
        shutil.rmtree(positions)
        shutil.copytree(copy, positions)
    with tapline.running("capture", source, "--json") as process:
        write(100)
        wait_for(published, "the last lines are published", seconds=60, every=0.2)
        summary = stop(process)
    records = records_of(settings, DOCUMENT)
    assert sorted(json.loads(record.text)["anomaly"]["number"] for record in records) == list(range(lines))
    assert len({record.id for record in records}) == lines
    assert summary["events"]["eve.already-published"] == 1500
    assert counted_by_workers(settings, DOCUMENT) == Counter(received=lines)


def connection(number: int) -> bytes:
    """The ``number``-th line of a log of Zeek, which becomes a flow."""
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    row = CONN | {"ts": time.time() - 3600 + number / 1000, "uid": f"C{number}", "id.orig_h": address}
    return json.dumps(row).encode() + b"\n"


def number_of_event(record: Document) -> int:
    return int(json.loads(record.text)["anomaly"]["number"])


def number_of_connection(record: Flow) -> int:
    return int.from_bytes(ip_address(record.source_ip).packed[1:])


@pytest.mark.kill
@pytest.mark.parametrize(
    ("followed", "named", "line", "topic", "number_of"),
    [
        ("eve:follow:eve.json", "eve.json", anomaly, DOCUMENT, number_of_event),
        ("zeek:follow:.", "conn.log", connection, FLOW, number_of_connection),
    ],
    ids=["eve", "zeek"],
)
def test_a_followed_file_is_published_once_over_kills_at_any_moment(
    settings: KafkaSettings,
    tapline: CommandLine,
    tmp_path: Path,
    followed: str,
    named: str,
    line: Callable[[int], bytes],
    topic: Topic,
    number_of: Callable[[Record], int],
) -> None:
    path, over, lines = tmp_path / named, threading.Event(), 0

    def write() -> None:
        nonlocal lines
        while not over.wait(0.05):
            with path.open("ab") as file:
                for number in range(lines, lines + 200):
                    file.write(line(number))
            lines += 200
            # What was rotated before anybody began to follow the file is not read.
            if lines % 10_000 == 0 and any((tmp_path / "positions").glob("*.json")):
                path.rename(path.with_name(f"{named}.{lines}"))

    path.touch()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        draw = random.Random()
        for _ in range(6):
            with tapline.running("capture", followed, "--json") as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(draw.uniform(1.5, 5))
                process.kill()
                process.wait()
    finally:
        over.set()
        writer.join()
    with tapline.running("capture", followed, "--json") as process:
        wait_for(lambda: len(records_of(settings, topic)) >= lines, "all lines", seconds=60, every=0.5)
        stop(process)
    records = records_of(settings, topic)
    assert sorted(map(number_of, records)) == list(range(lines))
    assert counted_by_workers(settings, topic) == Counter(received=lines)


def test_a_node_that_is_started_again_within_its_window_counts(settings: KafkaSettings) -> None:
    window = 1_700_000_040
    for run in range(3):

        def script(sink: Sink, run: int = run) -> None:
            for number in range(10):
                sink.put(
                    DOCUMENT, str(number), Document(id=f"{run}/{number}", time=window * 1_000_000, group="g"), window
                )

        with KafkaPublisher(settings, live=True) as publisher:
            CaptureNode(observe_live("node", "eth0", run), [ScriptedSource("source", script)], publisher).run()
    assert counted_by_workers(settings, DOCUMENT) == Counter(received=30)


class Died(BaseException):
    """Stands for the end of a process: nothing is finished."""


class Killed(CollectorTopic):
    """What a process that is killed leaves: all that it has published, and what it committed at its beginning."""

    def run(self, sink: Sink) -> None:
        super().run(sink)
        raise Died

    def _commit(self, consumer: Consumer, confirms: Confirming | None) -> None:
        """It is killed before."""


@contextmanager
def collecting(settings: KafkaSettings, source: str, *, killed: bool = False) -> Iterator[CaptureNode]:
    """A node that reads a topic of others, for as long as the block lasts."""
    sites = {} if killed else {"10.0.0.0/8": "here"}
    capture = CaptureSettings(node="node", enrichment=EnrichmentSettings(sites=sites))
    observation, sources = open_capture(source, capture, kafka=settings)
    if killed:
        (own,) = sources
        assert isinstance(own, CollectorTopic)
        sources = [Killed(observation, own.topic, own.contents, settings)]
    with KafkaPublisher(settings, live=False) as publisher:
        node = CaptureNode(observation, sources, publisher)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                node.run()
            except BaseException as error:  # noqa: BLE001 - raised below
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield node
        finally:
            node.stop()
            thread.join()
        for error in errors:
            if not isinstance(error, Died):
                raise error


def test_a_topic_of_flows_is_published_once_over_kills(kafka: str, settings: KafkaSettings) -> None:
    topic = create(kafka)
    flows = 0

    def give(count: int) -> None:
        nonlocal flows
        produce(
            kafka, topic, *(GOFLOW2 | {"src_port": number} for number in range(flows, flows + count)), {"neither": 1}
        )
        flows += count

    for killed in (True, True, True, False):
        with collecting(settings, f"netflow:kafka:{topic}", killed=killed) as node:
            give(300)
            wait_for(lambda: len(records_of(settings, FLOW)) >= flows, "the flows are published", every=0.2)
            wait_for(lambda: len(records_of(settings, DEAD)) >= flows // 300, "what was rejected, too", every=0.2)
    assert node.counts["netflow", "already-published"] == 903
    records = records_of(settings, FLOW)
    assert sorted(record.source_port for record in records) == list(range(flows))
    assert len({record.id for record in records}) == flows
    assert len({letter.id for letter in records_of(settings, DEAD)}) == len(records_of(settings, DEAD)) == 4
    assert counted_by_workers(settings, FLOW) == Counter(received=flows)


def test_a_topic_of_events_is_published_once_over_kills(kafka: str, settings: KafkaSettings) -> None:
    topic = create(kafka)
    events = 0

    def give(count: int) -> None:
        nonlocal events
        shipped = [{"message": anomaly(number).decode()} for number in range(events, events + count)]
        produce(kafka, topic, *shipped, {"neither": 1})
        events += count

    for killed in (True, True, False):
        with collecting(settings, f"eve:kafka:{topic}", killed=killed) as node:
            give(300)
            wait_for(lambda: len(records_of(settings, DOCUMENT)) >= events, "the events are published", every=0.2)
            wait_for(lambda: len(records_of(settings, DEAD)) >= events // 300, "what was rejected, too", every=0.2)
    assert node.counts["eve", "already-published"] == 602
    records = records_of(settings, DOCUMENT)
    assert sorted(json.loads(record.text)["anomaly"]["number"] for record in records) == list(range(events))
    assert len({record.id for record in records}) == events
    assert len({letter.id for letter in records_of(settings, DEAD)}) == len(records_of(settings, DEAD)) == 3
    assert counted_by_workers(settings, DOCUMENT) == Counter(received=events)
