"""Workers as processes, and what they have published, for tests against a real Kafka."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.integration.workers.stream import Message, Totals
from topics.admin import create
from topics.catalog import COUNTER, Topic
from topics.codec import Envelope, open_message
from topics.records import Metric
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

_PROGRAM = """
import logging, sys, msgspec
from topics.settings import KafkaSettings
from workers.main import run
from workers.settings import WorkersSettings
logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
for noisy in ("aiokafka", "faust", "mode"):
    logging.getLogger(noisy).setLevel("ERROR")
run(msgspec.json.decode(sys.argv[1], type=KafkaSettings), msgspec.json.decode(sys.argv[2], type=WorkersSettings))
"""


class Workers:
    """Worker processes that are started again when they leave, like their supervisor does."""

    def __init__(self, kafka: KafkaSettings, settings: WorkersSettings, folder: Path) -> None:
        self.kafka = kafka
        self.settings = settings
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.left: list[int] = []

    def start(self) -> subprocess.Popen[bytes]:
        """One more worker process; its log is ``worker-<n>.log`` in the folder."""
        number = len(list(self.folder.glob("worker-*.log")))
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM,
                    msgspec.json.encode(self.kafka).decode(),
                    msgspec.json.encode(self.settings).decode(),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def revive(self) -> None:
        """Start a new process for each that has left by itself."""
        for process in [p for p in self.processes if p.poll() is not None]:
            self.processes.remove(process)
            self.left.append(process.returncode)
            self.start()

    def end(self, process: subprocess.Popen[bytes], how: signal.Signals, deadline: float = 15.0) -> None:
        """Signal a process and wait until it is gone."""
        self.processes.remove(process)
        process.send_signal(how)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def stop(self) -> None:
        """End all."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes = []


def publish(kafka: KafkaSettings, messages: Iterable[Message]) -> None:
    """Send messages and wait until Kafka has them."""
    producer = Producer(kafka.client() | {"enable.idempotence": True, "compression.type": "zstd", "log_level": 0})
    for topic, partition, envelope, body in messages:
        while True:
            try:
                producer.produce(topic.name(kafka.prefix), body, partition=partition, headers=envelope.headers())
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(150) == 0


def read_topic(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[Envelope, list[Any]]]:
    """Every message a topic holds now."""
    for _, envelope, records in _read(kafka, topic):
        yield envelope, records


def read_once(kafka: KafkaSettings, topic: Topic) -> list[Any]:
    """Every record a topic holds now, but for those that a reader drops because it has their index."""
    ends: dict[tuple[int, str, str, int], int] = {}
    found: list[Any] = []
    for partition, envelope, records in _read(kafka, topic):
        if envelope.is_snapshot:
            continue
        place = (partition, envelope.node, envelope.stream, envelope.window)
        known = ends.get(place, 0)
        assert envelope.sequence <= known, f"{topic.kind}: records before {envelope} are missing"
        found += records[known - envelope.sequence :]
        ends[place] = max(known, envelope.sequence + envelope.count)
    return found


def _read(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[int, Envelope, list[Any]]]:
    consumer = Consumer(kafka.client() | {"group.id": "test-reader", "enable.auto.commit": False, "log_level": 0})
    name = topic.name(kafka.prefix)
    try:
        metadata = consumer.list_topics(name, timeout=10)
        ends = {}
        for number in metadata.topics[name].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10)
            if high > low:
                ends[number] = high
        consumer.assign([TopicPartition(name, number, 0) for number in ends])
        while ends:
            message = consumer.poll(5.0)
            assert message is not None
            assert message.error() is None
            partition = message.partition() or 0
            if partition not in ends:
                continue
            if (message.offset() or 0) >= ends[partition] - 1:
                del ends[partition]
            yield partition, *open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
    finally:
        consumer.close()


def counters(kafka: KafkaSettings, group: str | None = None) -> dict[str, Metric]:
    """The counters published so far by id; a counter published twice must not have changed."""
    found: dict[str, Metric] = {}
    for envelope, records in read_topic(kafka, COUNTER):
        if envelope.is_snapshot:
            continue
        for record in records:
            assert isinstance(record, Metric)
            if group is not None and record.group != group:
                continue
            before = found.setdefault(record.id, record)
            assert before.meters == record.meters, f"{record.group} {record.key} was published with two values"
    return found


def totals(found: Iterable[Metric], like: Totals) -> Totals:
    """Counters in the shape of a made stream's truth, for the groups that truth has."""
    groups = {group for _, group, _ in like}
    result: Totals = {}
    for record in found:
        if record.group in groups:
            meters = {name: int(record.meters[name]) for name in ("bytes", "packets", "flows")}
            result[(record.window, record.group, record.key)] = meters
    return result


def make_topics(kafka: KafkaSettings) -> None:
    """Create all topics of this prefix."""
    assert create(kafka)
