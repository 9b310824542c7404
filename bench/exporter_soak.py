"""The whole exporter at full rate for minutes: what a document costs it, and whether its memory stays as it is.

A process of its own exports what is published to topics of the benchmark's own; flows are published as fast as it
takes them, each with an id of its own. Its CPU time is that of the whole process: Kafka's client, decoding, documents,
requests, answers. The documents go to the Elasticsearch at URL or to a stand-in in another process that answers
success. Of a real server its own CPU time is told beside that, and how many of the bulks that may be in flight were:
where it is nearly all of them, the exporter has waited for the server.

    python -m bench.exporter_soak --kafka 127.0.0.1:9092 --minutes 10
    python -m bench.exporter_soak --kafka 127.0.0.1:9092 --minutes 1 http://127.0.0.1:9200
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
import uuid

import msgspec
import psutil
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace
from prometheus_client import Counter, Gauge
from prometheus_client.samples import Sample

from bench.exporter import PER_MESSAGE, messages
from bench.flows import made_flows
from bench.soak import EVERY, told
from bench.stand_in import server_at
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.metrics import DOCUMENTS, IN_FLIGHT
from exporters.elasticsearch.settings import ElasticsearchSettings
from topics import admin
from topics.catalog import FLOW
from topics.settings import KafkaSettings

MADE = 50
"""How many different messages are sent, over and over."""

AHEAD = 300
"""How many messages may be under way."""

MARK = b"0123456789abcdef"
"""What the ids of flows begin with as they are made; of each message that is sent it becomes another."""

KEPT = 2000
"""After how many messages Kafka is told to forget those that are exported."""


def export(kafka: str, settings: str) -> None:
    """Run an exporter until standard input ends; how many documents are written is told on standard output."""
    exporter = Exporter(
        msgspec.json.decode(kafka, type=KafkaSettings), msgspec.json.decode(settings, type=ElasticsearchSettings)
    )

    def leave_with_input() -> None:
        sys.stdin.read()
        exporter.leave()

    threading.Thread(target=leave_with_input, daemon=True).start()

    def tell() -> None:
        while True:
            time.sleep(0.05)
            print(int(sum(each.value for each in _samples(DOCUMENTS))), int(_samples(IN_FLIGHT)[0].value), flush=True)

    threading.Thread(target=tell, daemon=True).start()
    with exporter:
        exporter.run()


def _samples(of: Counter | Gauge) -> list[Sample]:
    (metric,) = of.collect()
    return [sample for sample in metric.samples if not sample.name.endswith("_created")]


class Exporting:
    """An exporter in a process of its own: how much it has written, and what it holds."""

    def __init__(self, kafka: KafkaSettings, settings: ElasticsearchSettings) -> None:
        self.written = 0
        self.in_flight: list[int] = []
        encoded = [msgspec.json.encode(each).decode() for each in (kafka, settings)]
        command = [sys.executable, "-m", "bench.exporter_soak", "--export", *encoded]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._seen = psutil.Process(self._process.pid)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.written, in_flight = map(int, line.split())
            self.in_flight.append(in_flight)

    @property
    def has_ended(self) -> bool:
        """True when the process is no more."""
        return self._process.poll() is not None

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
    flows = made_flows(MADE * PER_MESSAGE)
    made = messages([replace(flow, id=f"{MARK.decode()}{number:016x}") for number, flow in enumerate(flows)])
    while not over.is_set():
        if sent - exporting.written // PER_MESSAGE >= AHEAD:
            producer.poll(0.01)
            continue
        headers, body = made[sent % MADE]
        again = body.replace(MARK, b"%016x" % sent)
        producer.produce(name, again, headers=[*headers], partition=sent % kafka.partitions)
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
            if exporting.has_ended:
                sys.exit("the exporter has ended: what it said stands above")
            time.sleep(EVERY)
        began, cpu, written, of_server = time.monotonic(), exporting.cpu(), exporting.written, server_cpu(settings)
        exporting.in_flight.clear()
        while (at := time.monotonic() - began) < minutes * 60:
            readings.append((at, exporting.memory()))
            time.sleep(EVERY)
        cpu, written, seconds = exporting.cpu() - cpu, exporting.written - written, time.monotonic() - began
        of_server, in_flight = server_cpu(settings) - of_server, statistics.mean(exporting.in_flight)
    finally:
        over.set()
        feed.join()
        exporting.end()
    print(f"memory   {told(readings, minutes * 60)}")
    print(
        f"exported {written:,} documents, {written / seconds:,.0f} a second, {written / cpu:,.0f} a CPU second of the"
        f" whole process ({cpu / seconds:.0%} of a core)"
    )
    if of_server:
        print(
            f"server   {of_server:,.0f} CPU seconds, the exporter {cpu:,.0f}: {of_server / cpu:.1f} times as much;"
            f" {in_flight:.1f} of {settings.bulks_in_flight} bulks in flight"
        )


def server_cpu(settings: ElasticsearchSettings) -> float:
    """CPU seconds that the nodes of the cluster have taken so far; 0 of a stand-in."""
    with client(settings) as asking:
        nodes = asking.nodes.stats(metric="process").body["nodes"].values()
    return sum(float(node["process"]["cpu"]["total_in_millis"]) for node in nodes) / 1000


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
    name = f"soak.{uuid.uuid4().hex[:8]}"
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
