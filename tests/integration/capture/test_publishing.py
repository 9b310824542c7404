"""What a node sends to a real Kafka is there, once, in order, and as its markers say."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import defaultdict
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import REGISTRY

from capture.node import CaptureNode
from capture.open import open_capture
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings
from capture.source import observe_file, observe_live
from tests.unit.capture.sinks import ScriptedSource
from tests.unit.capture.wire import Frame, pcap, udp
from topics import admin
from topics.catalog import CAPTURED, DOCUMENT, FLOW
from topics.codec import open_message
from topics.errors import TaplineError
from topics.records import Document, Flow
from topics.settings import KafkaSettings


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid4().hex[:8]}", partitions=3)
    admin.create(settings)
    return settings


def received(settings: KafkaSettings, topic) -> list[tuple[int, object, list]]:
    """Everything in a topic now: partition, envelope and records of each message."""
    consumer = Consumer(settings.client() | {"group.id": uuid4().hex, "enable.auto.commit": False})
    messages = []
    try:
        name = topic.name(settings.prefix)
        partitions = [TopicPartition(name, number, 0) for number in range(topic.partitions or settings.partitions)]
        wanted = sum(consumer.get_watermark_offsets(partition, timeout=10)[1] for partition in partitions)
        consumer.assign(partitions)
        deadline = time.monotonic() + 30
        while len(messages) < wanted:
            assert time.monotonic() < deadline, f"{len(messages)} of {wanted} messages of {name}"
            for message in consumer.consume(100, 0.5):
                assert message.error() is None
                messages.append((message.partition(), *open_message(message.headers(), message.value(), topic)))
    finally:
        consumer.close()
    return messages


def assert_received_is_announced(settings: KafkaSettings) -> dict[str, list]:
    """Every window of every partition: contiguous sequences, and a marker that tells their number."""
    records = {}
    for topic in CAPTURED:
        counted, marked = defaultdict(int), {}
        records[topic.kind] = []
        for partition, envelope, batch in received(settings, topic):
            place = (envelope.node, envelope.window, partition)
            if envelope.is_snapshot:
                marked[place] = batch[0].announced
            else:
                assert envelope.sequence == counted[place]
                counted[place] += len(batch)
                records[topic.kind] += batch
        assert {place: count for place, count in marked.items() if count} == dict(counted)
        assert {partition for *_, partition in marked} == set(range(settings.partitions))
    return records


def test_a_capture_file_arrives_whole(settings, tmp_path):
    path = tmp_path / "in.pcap"
    frames = [
        Frame(1_700_000_000_000_000 + number * 20_000, udp(f"192.0.2.{number % 200 + 1}", "192.0.2.254", number, 53))
        for number in range(1, 9000)
    ]
    path.write_bytes(pcap(frames))
    observation, sources = open_capture(str(path), CaptureSettings(depth="light"))
    with KafkaPublisher(settings, live=False) as publisher:
        node = CaptureNode(observation, sources, publisher)
        node.run()
    records = assert_received_is_announced(settings)
    assert {kind: len(found) for kind, found in records.items() if found} == +node.announced == node.records
    assert sum(flow.delta_packets for flow in records["flow"]) == len(frames)
    assert len({flow.id for flow in records["flow"]}) == len(records["flow"])


def test_a_full_queue_holds_the_reader_of_a_file_up(settings):
    """Many times as much as the queue takes."""
    text = "".join(uuid4().hex for _ in range(3000))

    def script(sink):
        for number in range(700):
            sink.put(DOCUMENT, str(number), Document(id=str(number), time=1, group="dns", text=text), 60)

    waits = REGISTRY.get_sample_value("tapline_capture_waits_total")
    with KafkaPublisher(settings, live=False, queue_megabytes=4) as publisher:
        CaptureNode(observe_file("node", "in.pcap", "ab" * 32), [ScriptedSource("source", script)], publisher).run()
    assert REGISTRY.get_sample_value("tapline_capture_waits_total") > waits
    documents = assert_received_is_announced(settings)["document"]
    assert sorted(int(document.id) for document in documents) == list(range(700))


def test_interrupted_and_read_again_comes_to_the_same(settings, tmp_path):
    path = tmp_path / "in.pcap"
    frames = [
        Frame(1_700_000_000_000_000 + n * 1_000_000, udp("192.0.2.1", "192.0.2.2", n % 50 + 1, 53)) for n in range(4000)
    ]
    path.write_bytes(pcap(frames))

    def run(stop_after: int) -> None:
        observation, (source,) = open_capture(str(path), CaptureSettings(depth="light"))
        with KafkaPublisher(settings, live=False) as publisher:
            node = CaptureNode(observation, [source], publisher)
            advance, windows = node.advance, []

            def advancing(name: str, window: int) -> None:
                advance(name, window)
                windows.append(window)
                if len(windows) == stop_after:
                    raise KeyboardInterrupt

            node.advance = advancing
            node.run()

    with pytest.raises(KeyboardInterrupt):
        run(stop_after=10)
    run(stop_after=-1)
    seen = {}
    for partition, envelope, batch in received(settings, FLOW):
        if envelope.is_snapshot:
            seen.setdefault(("marker", envelope.window, partition), set()).add(batch[0].announced)
        for index, flow in enumerate(batch, envelope.sequence):
            if not envelope.is_snapshot:
                seen.setdefault((envelope.window, partition, index), set()).add(flow.id)
    assert all(len(found) == 1 for found in seen.values()), "a place holds two different records"
    flows = {next(iter(found)) for place, found in seen.items() if place[0] != "marker"}
    assert len(flows) == len(seen) - sum(place[0] == "marker" for place in seen)


def test_a_record_that_is_too_long_is_dropped_and_not_announced(settings):
    def script(sink):
        for number, size in enumerate((10, 9_000_000, 10)):
            sink.put(DOCUMENT, "key", Document(id=str(number), time=1, group="dns", text="x" * size), 60)

    with KafkaPublisher(settings, live=False) as publisher:
        CaptureNode(observe_file("node", "in.pcap", "cd" * 32), [ScriptedSource("source", script)], publisher).run()
    assert [document.id for document in assert_received_is_announced(settings)["document"]] == ["0", "2"]


def test_kafka_that_is_not_there_is_told_soon():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{sock.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(TaplineError, match=f"cannot reach Kafka at {nobody}.*tapline up"):
        KafkaPublisher(KafkaSettings(bootstrap=nobody), live=True).__enter__()
    assert time.monotonic() - began < 15


def test_what_was_sent_is_confirmed_while_another_node_goes_on(settings):
    """Two nodes share a publisher: the busy one must not keep the other waiting."""
    over = threading.Event()

    def busy(sink):
        for number in itertools.count():
            if over.is_set():
                return
            sink.put(DOCUMENT, str(number), Document(id=str(number), time=1, group="dns", text="x" * 1000), 60)

    def confirming(sink):
        try:
            sink.put(FLOW, "key", Flow(id="flow", time=1), 60)
            places.append(sink.confirm())
        finally:
            over.set()

    places = []
    with KafkaPublisher(settings, live=True) as publisher:
        nodes = [
            CaptureNode(observe_live("node", name, 1), [ScriptedSource("source", script)], publisher)
            for name, script in (("eth0", busy), ("eth1", confirming))
        ]
        threads = [threading.Thread(target=node.run) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (confirmed,) = places
    flows = [batch for _, envelope, batch in received(settings, FLOW) if not envelope.is_snapshot]
    assert [[flow.id for flow in batch] for batch in flows] == [["flow"]]
    assert sum(confirmed["flow"]) > 0
    with KafkaPublisher(settings, live=True) as publisher:
        everything = {"flow": [0] * settings.partitions}
        assert list(publisher.published(everything, lambda producer: producer.startswith("node/eth1#"))) == ["flow"]
        assert list(publisher.published(everything, lambda producer: producer.startswith("node/eth0#"))) == []
        assert list(publisher.published({"flow": confirmed["flow"]}, lambda _producer: True)) == []


def test_missing_topics_are_named(kafka):
    prefix = f"t{uuid4().hex[:8]}"
    with pytest.raises(TaplineError, match=rf"Kafka has no topic {prefix}\.flow\.v1.*`tapline topics create`"):
        KafkaPublisher(KafkaSettings(bootstrap=kafka, prefix=prefix), live=False).__enter__()


def test_a_live_node_that_sees_nothing_says_so(settings):
    def script(sink):
        sink.advance("source", 60)
        sink.advance("source", 120)

    with KafkaPublisher(settings, live=True) as publisher:
        CaptureNode(observe_live("node", "eth0", 1), [ScriptedSource("source", script)], publisher).run()
    markers = [batch[0] for _, envelope, batch in received(settings, FLOW) if envelope.is_snapshot]
    known = (-1, False)
    assert {(marker.window, marker.final) for marker in markers} == {known, (60, False), (120, False), (180, True)}
