"""How long it takes from a flow to its alert, while a worker is half busy.

One worker process on a real Kafka, all shipped checks on, is given flows at a steady rate (``--rate``, by default half
of what such a process does in a second), in messages ten times a second, with markers at the ends of windows. Some
flows (``--alerts`` a second) are reported by a script. The time of each is from handing the flow to Kafka to reading
its alert from the alert topic, so it contains all queues and, at a window's end, all that is done to close it. The
median, p99 and the longest are printed. The bar is a p99 of 1 s.

    python -m bench.alert_latency
    python -m bench.alert_latency --rate 50000 --seconds 200 --no-checks
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec.structs import replace

from bench.checks import CHECKS, flows_with_findings, write_policy
from bench.flows import FIRST_WINDOW
from bench.workers import PARTITIONS, PROGRAM, broker
from topics.admin import create
from topics.catalog import ALERT, CAPTURED, FLOW
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode, open_message
from topics.partitions import digest, partition_of
from topics.records import WINDOW_SECONDS, Flow, Snapshot
from topics.settings import KafkaSettings
from workers.scripting.scripts import load_files, script_paths
from workers.settings import WorkersSettings

BAR = 1.0
NODE = "bench/eth0#1"
TICK = 0.1
MARK = "alert.example"
SCRIPT = f'''
from tapline.checks import FlowCheck


class Marked(FlowCheck):
    """Reports the flows of the benchmark that are to be reported."""

    def of_interest(self, flows):
        return [flow for flow in flows if flow.server_name == "{MARK}"]

    def protocol_detected(self, flow):
        self.trigger_status(flow, info="marked")
'''


class Sender:
    """Sends flows at a rate, and remembers when each marked one was handed over."""

    def __init__(self, kafka: KafkaSettings, rate: int, alerts: int) -> None:
        self.sent: dict[str, float] = {}
        self._prefix = kafka.prefix
        self._producer = Producer(
            kafka.client() | {"enable.idempotence": True, "compression.type": "zstd", "linger.ms": 5}
        )
        self._alerts = max(1, round(alerts * TICK))
        self._flows = flows_with_findings(round(rate * TICK))
        self._bodies = [
            (partition, len(part), encode(part))
            for partition, mine in enumerate(self._parted(self._flows))
            for part in (mine[start : start + MAX_RECORDS] for start in range(0, len(mine), MAX_RECORDS))
        ]
        self._positions: dict[tuple[int, int], int] = {}

    def warm_up(self, came: Mapping[str, float]) -> None:
        """Send a few flows until the alert of one has come: the worker has started."""
        while not came:
            self._tick(0, -1)
            self._producer.flush()
            time.sleep(1)
        self.sent.clear()

    def run(self, seconds: float) -> None:
        """Send for so long."""
        began = time.monotonic()
        window, number = 0, 0
        while (elapsed := time.monotonic() - began) < seconds:
            current = int(elapsed // WINDOW_SECONDS)
            if current != window:
                self._mark(window)
                window = current
            self._tick(window, number)
            number += 1
            time.sleep(max(0.0, began + number * TICK - time.monotonic()))
        self._mark(window)
        self._producer.flush()

    def _tick(self, window: int, number: int) -> None:
        for partition, count, body in self._bodies:
            self._send(window, partition, count, body)
        marked = [self._marked(window, number, each) for each in range(self._alerts)]
        for partition, part in enumerate(self._parted(marked)):
            if part:
                now = time.time()
                self.sent |= {flow.flow_id: now for flow in part}
                self._send(window, partition, len(part), encode(part))
        self._producer.poll(0)

    def _marked(self, window: int, number: int, each: int) -> Flow:
        identity = digest("marked", number, each)
        moment = (FIRST_WINDOW + window * WINDOW_SECONDS) * 1_000_000 + number
        base = self._flows[each]
        return replace(
            base, id=identity, flow_id=identity, server_name=MARK, time=moment, start=moment, end=moment,
            community_id=f"1:{identity[:27]}=",
        )  # fmt: skip

    def _send(self, window: int, partition: int, count: int, body: bytes) -> None:
        start = FIRST_WINDOW + window * WINDOW_SECONDS
        position = self._positions.get((window, partition), 0)
        self._positions[window, partition] = position + count
        envelope = Envelope(FLOW.schema, NODE, "live", start, position, count)
        self._producer.produce(FLOW.name(self._prefix), body, partition=partition, headers=[*envelope.headers()])

    def _mark(self, window: int) -> None:
        start = FIRST_WINDOW + window * WINDOW_SECONDS
        for topic in CAPTURED:
            for partition in range(PARTITIONS):
                sent = self._positions.get((window, partition), 0) if topic is FLOW else 0
                marker = Snapshot(node=NODE, stream="live", window=start, announced=sent)
                envelope = Envelope(SNAPSHOT_SCHEMA, NODE, "live", start, 0, 1)
                self._producer.produce(
                    topic.name(self._prefix), encode([marker]), partition=partition, headers=[*envelope.headers()]
                )

    @staticmethod
    def _parted(flows: list[Flow]) -> list[list[Flow]]:
        parts: list[list[Flow]] = [[] for _ in range(PARTITIONS)]
        for flow in flows:
            parts[partition_of(flow.community_id, PARTITIONS)].append(flow)
        return parts


def read_alerts(kafka: KafkaSettings, came: dict[str, float], stop: threading.Event) -> None:
    """Note when the alert of each marked flow came, until told to stop."""
    consumer = Consumer(kafka.client() | {"group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 10})
    partitions = consumer.list_topics(ALERT.name(kafka.prefix)).topics[ALERT.name(kafka.prefix)].partitions
    consumer.assign([TopicPartition(ALERT.name(kafka.prefix), number, 0) for number in partitions])
    try:
        while not stop.is_set():
            for message in consumer.consume(1000, 0.02):
                now = time.time()
                envelope, records = open_message(message.headers(), message.value(), ALERT)  # type: ignore[arg-type]
                if not envelope.is_snapshot:
                    for alert in records:
                        came.setdefault(alert.flow_id, now)
    finally:
        consumer.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kafka", default="", help="bootstrap server; without it a Kafka is started")
    parser.add_argument("--rate", type=int, default=30_000, help="flows a second")
    parser.add_argument("--alerts", type=int, default=50, help="reported flows a second")
    parser.add_argument("--seconds", type=int, default=200, help="for how long; windows end every 60 s")
    parser.add_argument("--no-checks", action="store_true", help="only the script that reports")
    arguments = parser.parse_args()
    with broker(arguments.kafka) as address, tempfile.TemporaryDirectory() as folder:
        kafka = KafkaSettings(bootstrap=address, prefix=f"latency-{time.time_ns()}", partitions=PARTITIONS)
        create(kafka)
        (Path(folder) / "marked.py").write_text(SCRIPT, encoding="utf-8")
        policy = Path(folder) / "policy.yaml"
        every = load_files([] if arguments.no_checks else script_paths([CHECKS]), {})
        write_policy(every, policy)
        scripts = [folder] if arguments.no_checks else [folder, str(CHECKS)]
        settings = WorkersSettings(scripts=scripts, agents=[], policy=[str(policy)], group=kafka.prefix)
        texts = [msgspec.json.encode(part).decode() for part in (kafka, settings)]
        worker = subprocess.Popen([sys.executable, "-c", PROGRAM, *texts], stdout=subprocess.DEVNULL, cwd=folder)
        came: dict[str, float] = {}
        stop = threading.Event()
        reader = threading.Thread(target=read_alerts, args=(kafka, came, stop))
        sender = Sender(kafka, arguments.rate, arguments.alerts)
        try:
            reader.start()
            sender.warm_up(came)
            before = psutil.Process(worker.pid).cpu_times()
            sender.run(arguments.seconds)
            after = psutil.Process(worker.pid).cpu_times()
            deadline = time.monotonic() + 60
            while sender.sent.keys() - came.keys() and time.monotonic() < deadline:
                time.sleep(0.5)
        finally:
            stop.set()
            reader.join()
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
    taken = sorted(came[flow] - at for flow, at in sender.sent.items() if flow in came)
    busy = (after.user + after.system - before.user - before.system) / arguments.seconds
    p99 = statistics.quantiles(taken, n=100)[98]
    print(f"{arguments.rate:,} flows a second for {arguments.seconds} s, the worker {busy:.0%} busy")
    print(f"reported flows  {len(sender.sent):>8,}, alerts read {len(taken):,}")
    print(f"median          {statistics.median(taken):>8.3f} s")
    print(f"p99             {p99:>8.3f} s (bar {BAR:.0f})")
    print(f"longest         {taken[-1]:>8.3f} s")
    sys.exit(0 if p99 < BAR and len(taken) == len(sender.sent) else 1)


if __name__ == "__main__":
    main()
