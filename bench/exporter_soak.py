"""The whole exporter at full rate for minutes: what a document costs it, and whether its memory stays as it is.

A process of its own exports what is published to topics of the benchmark's own; flows are published as fast as it
takes them. Its CPU time is that of the whole process: Kafka's client, decoding, documents, requests, answers. The
documents go to the Elasticsearch at URL or to a stand-in in another process that answers success.

    python -m bench.exporter_soak --kafka 127.0.0.1:9092 --minutes 10
    python -m bench.exporter_soak --kafka 127.0.0.1:9092 --minutes 1 http://127.0.0.1:9200
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
import uuid

import msgspec
import psutil
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.exporter import PER_MESSAGE, messages
from bench.flows import made_flows
from bench.soak import EVERY, told
from bench.stand_in import server_at
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.metrics import DOCUMENTS
from exporters.elasticsearch.settings import ElasticsearchSettings
from topics import admin
from topics.catalog import FLOW
from topics.settings import KafkaSettings

MADE = 50
"""How many different messages are sent, over and over."""

AHEAD = 300
"""How many messages may be under way."""

KEPT = 2000
"""After how many messages Kafka is told to forget those that are exported."""


def export(kafka: str, settings: str) -> None:
    """Run an exporter until standard input ends; how many documents are written is told on standard output."""
    exporter = Exporter(
        msgspec.json.decode(kafka, type=KafkaSettings), msgspec.json.decode(settings, type=ElasticsearchSettings)
    )
    threading.Thread(target=lambda: (sys.stdin.read(), exporter.leave()), daemon=True).start()

    def tell() -> None:
        while True:
            time.sleep(0.05)
            print(int(sum(each.value for each in _documents())), flush=True)

    threading.Thread(target=tell, daemon=True).start()
    with exporter:
        exporter.run()


def _documents() -> list[object]:
    (metric,) = DOCUMENTS.collect()
    return [sample for sample in metric.samples if sample.name.endswith("_total")]


class Exporting:
    """An exporter in a process of its own: how much it has written, and what it holds."""

    def __init__(self, kafka: KafkaSettings, settings: ElasticsearchSettings) -> None:
        self.written = 0
        encoded = [msgspec.json.encode(each).decode() for each in (kafka, settings)]
        command = [sys.executable, "-m", "bench.exporter_soak", "--export", *encoded]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._seen = psutil.Process(self._process.pid)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.written = int(line)

    def memory(self) -> int:
        """Resident bytes."""
        return int(self._seen.memory_info().rss)

    def cpu(self) -> float:
        """CPU seconds so far, user and system."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def end(self) -> None:
        """Stop it in good order."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(120)


def publish(kafka: KafkaSettings, exporting: Exporting, over: threading.Event) -> None:
    """Publish flows as fast as they are exported."""
    producer = Producer(kafka.client() | {"compression.type": "zstd", "linger.ms": 5})
    client = AdminClient(kafka.client())
    name, sent = FLOW.name(kafka.prefix), 0
    made = messages(made_flows(MADE * PER_MESSAGE))
    while not over.is_set():
        if sent - exporting.written // PER_MESSAGE >= AHEAD:
            producer.poll(0.01)
            continue
        headers, body = made[sent % MADE]
        producer.produce(name, body, headers=headers, partition=sent % kafka.partitions)
        sent += 1
        producer.poll(0)
        if sent % KEPT == 0:
            offset = (sent - 2 * AHEAD) // kafka.partitions
            client.delete_records([TopicPartition(name, each, offset) for each in range(kafka.partitions)])
    producer.purge()
    producer.flush(10)


def soak(kafka: KafkaSettings, settings: ElasticsearchSettings, minutes: float) -> None:
    """Export for so long and print what it took."""
    over, readings = threading.Event(), list[tuple[float, int]]()
    exporting = Exporting(kafka, settings)
    feed = threading.Thread(target=publish, args=(kafka, exporting, over))
    feed.start()
    try:
        while not exporting.written:
            time.sleep(EVERY)
        began, cpu, written = time.monotonic(), exporting.cpu(), exporting.written
        while (at := time.monotonic() - began) < minutes * 60:
            readings.append((at, exporting.memory()))
            time.sleep(EVERY)
        cpu, written, seconds = exporting.cpu() - cpu, exporting.written - written, time.monotonic() - began
    finally:
        over.set()
        feed.join()
        exporting.end()
    print(f"memory   {told(readings, minutes * 60)}")
    print(
        f"exported {written:,} documents, {written / seconds:,.0f} a second, {written / cpu:,.0f} a CPU second of the"
        f" whole process ({cpu / seconds:.0%} of a core)"
    )


def main() -> None:
    """Soak an exporter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="", help="of an Elasticsearch to write to (default: a stand-in)")
    parser.add_argument("--kafka", metavar="HOST:PORT")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--export", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        export(*options.export)
        return
    if not options.kafka:
        parser.error("--kafka is needed")
    name = f"soak-{uuid.uuid4().hex[:8]}"
    kafka = KafkaSettings(bootstrap=options.kafka, prefix=name, partitions=2)
    created = admin.create(kafka)
    try:
        with server_at(options.url) as url:
            soak(kafka, ElasticsearchSettings(hosts=[url], namespace=name), options.minutes)
    finally:
        client, _ = admin.connect(kafka)
        for future in client.delete_topics(created).values():
            future.result()


if __name__ == "__main__":
    main()
