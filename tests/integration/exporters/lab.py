"""Topics of a test's own, exporters that work on them, and what Elasticsearch then holds."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import scan
from prometheus_client import REGISTRY

from exporters.elasticsearch.connection import client
from exporters.elasticsearch.documents import EXPORTED, index_name
from exporters.elasticsearch.exporter import GROUP, Exporter
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands.backlog import backlog
from tapline.process.health import Health
from tests.unit.exporters.samples import STREAM, WINDOW
from tests.waiting import wait_for
from topics.admin import create
from topics.catalog import DEAD, Topic
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode
from topics.records import DeadLetter, Record, Snapshot
from topics.settings import KafkaSettings
from topics.tail import tail

_PROGRAM = """
import sys, msgspec
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.process.signals import on_stop_signal
from topics.settings import KafkaSettings
kafka, settings = (
    msgspec.json.decode(text, type=t) for text, t in zip(sys.argv[1:3], (KafkaSettings, ElasticsearchSettings))
)
exporter = Exporter(kafka, settings)
with on_stop_signal(exporter.leave), exporter:
    exporter.run()
"""


class Lab:
    """Everything one test of the exporter works with; nothing in it is shared with another test."""

    def __init__(self, bootstrap: str, url: str, **settings: object) -> None:
        name = f"t{uuid.uuid4().hex[:12]}"
        self.kafka = KafkaSettings(
            bootstrap=bootstrap,
            prefix=name,
            partitions=2,
            # A process that was killed is to be missed soon.
            options={"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"},
        )
        usual = ElasticsearchSettings(hosts=[url], namespace=name, flush_seconds=0.1, timeout=60.0)
        self.settings = msgspec.structs.replace(usual, **settings)
        self.client: Elasticsearch = client(self.settings)
        self.health = Health()
        self._sequences: dict[tuple[str, int, int], int] = {}
        create(self.kafka)
        self._producer = Producer(
            self.kafka.client() | {"enable.idempotence": True, "linger.ms": 0, "message.max.bytes": 8 * 1024 * 1024}
        )

    def with_settings(self, **changes: object) -> ElasticsearchSettings:
        """The exporter's settings with some other values."""
        return msgspec.structs.replace(self.settings, **changes)

    def publish(self, topic: Topic, records: Sequence[Record], partition: int = 0, window: int = WINDOW) -> None:
        """Send records as one message, with the headers a capture node would give it."""
        first = self._sequences.get((topic.kind, partition, window), 0)
        self._sequences[topic.kind, partition, window] = first + len(records)
        envelope = Envelope(topic.schema, "node-1", STREAM, window, first, len(records))
        self.send(topic, encode(records), envelope.headers(), partition, key=records[0].id)

    def mark(self, topic: Topic, partition: int = 0, window: int = WINDOW) -> None:
        """Send the marker that ends the window."""
        announced = self._sequences.get((topic.kind, partition, window), 0)
        marker = Snapshot(node="node-1", stream=STREAM, window=window, announced=announced, final=True)
        envelope = Envelope(SNAPSHOT_SCHEMA, "node-1", STREAM, window, announced, 1)
        self.send(topic, encode([marker]), envelope.headers(), partition)

    def send(
        self,
        topic: Topic,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None,
        partition: int = 0,
        key: str = "key",
    ) -> None:
        """Send a message as it is."""
        name = topic.name(self.kafka.prefix)
        self._producer.produce(name, value, key if topic.compacted else None, headers=headers, partition=partition)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until Kafka has everything that was sent."""
        assert self._producer.flush(30) == 0

    @contextlib.contextmanager
    def exporting(self, settings: ElasticsearchSettings | None = None) -> Iterator[Exporter]:
        """An exporter at work in a thread; it leaves in order at the end."""
        failures: list[BaseException] = []

        def work(exporter: Exporter) -> None:
            try:
                exporter.run()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)

        with Exporter(self.kafka, settings or self.settings, self.health) as exporter:
            thread = threading.Thread(target=work, args=(exporter,))
            thread.start()
            try:
                yield exporter
            finally:
                exporter.leave()
                thread.join(60)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    def export(self, settings: ElasticsearchSettings | None = None) -> None:
        """Run an exporter until everything that was sent is committed."""
        self.flush()
        with self.exporting(settings):
            self.wait_until_exported()

    def wait_until_exported(self, seconds: float = 60.0) -> None:
        """Wait until the exporters have committed everything, dead letters included."""
        wait_for(lambda: self.waiting() == 0, "the exporter to commit everything", seconds=seconds, every=0.1)

    def waiting(self) -> int:
        """How many messages no exporter has committed yet."""
        found = backlog(self.kafka, f"{self.kafka.prefix}-{GROUP}", EXPORTED)
        assert len(found) == len(EXPORTED)
        return sum(each.waiting for each in found)

    def start_process(self, folder: Path, settings: ElasticsearchSettings | None = None) -> subprocess.Popen[bytes]:
        """An exporter in a process of its own; its output goes to ``exporter.log``."""
        with (folder / "exporter.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM,
                    msgspec.json.encode(self.kafka).decode(),
                    msgspec.json.encode(settings or self.settings).decode(),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end_process(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
        """End a process and return its exit code."""
        process.send_signal(how)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def stream_name(self, topic: Topic) -> str:
        """The data stream of a topic's documents."""
        return index_name(topic.kind, self.settings.namespace)

    def count(self, topic: Topic) -> int:
        """How many documents Elasticsearch holds of a topic's records."""
        try:
            self.client.indices.refresh(index=self.stream_name(topic))
            return int(self.client.count(index=self.stream_name(topic))["count"])
        except NotFoundError:
            return 0

    def identities(self, topic: Topic) -> list[str]:
        """The ids of the records of which Elasticsearch holds documents, one for each document, sorted."""
        self.client.indices.refresh(index=self.stream_name(topic))
        found = scan(self.client, index=self.stream_name(topic), size=10_000, _source=["event.id"])
        return sorted(hit["_source"]["event"]["id"] for hit in found)

    def documents(self, topic: Topic) -> list[dict[str, Any]]:
        """The first 10,000 documents of a topic's records."""
        self.client.indices.refresh(index=self.stream_name(topic))
        found = self.client.search(index=self.stream_name(topic), size=10_000)
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def total(self, topic: Topic, field: str) -> int:
        """The sum of a field over a topic's documents."""
        self.client.indices.refresh(index=self.stream_name(topic))
        found = self.client.search(
            index=self.stream_name(topic), size=0, aggregations={"total": {"sum": {"field": field}}}
        )
        return int(found["aggregations"]["total"]["value"])

    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters in Kafka."""
        found: list[DeadLetter] = []
        for message in tail(self.kafka, DEAD, beginning=True, follow=False):
            found.extend(record for record in message.records if isinstance(record, DeadLetter))
        return found

    def stop(self) -> None:
        """Close the connections."""
        self._producer.flush(5)
        self.client.close()


class Outcomes:
    """How the exporter's counters have changed since this was made."""

    def __init__(self) -> None:
        self._before = self._values()

    def of(self, topic: Topic) -> dict[str, int]:
        """Records read, and documents written, duplicate and rejected."""
        now = self._values()
        return {
            name: int(now.get((topic.kind, name), 0) - self._before.get((topic.kind, name), 0))
            for name in ("read", "written", "duplicate", "rejected")
        }

    @staticmethod
    def _values() -> dict[tuple[str, str], float]:
        found = {}
        for metric in REGISTRY.collect():
            for sample in metric.samples:
                if sample.name == "tapline_exporter_documents_total":
                    found[sample.labels["topic"], sample.labels["outcome"]] = sample.value
                elif sample.name == "tapline_exporter_records_read_total":
                    found[sample.labels["topic"], "read"] = sample.value
        return found
