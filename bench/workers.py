"""What a worker costs per flow, in CPU seconds: decode, count in all groups, publish; scripts as asked for.

Two sides. ``process`` is a whole worker process on a real Kafka, less what the same process costs to
start and to find nothing to do. ``stage`` is the same work without Kafka and Faust: messages into the
stages, messages out. The bar for the process is 120,000 flows per CPU second, the aim 250,000.

A flow costs when it is read, a key when its window closes. By default a window has 250,000 flows, as at 4,200 a
second, of 7,000 hosts; with few flows to a key (``--flows 50000 --windows 20``) the sums weigh more.

    python -m bench.workers                           # starts a Kafka of its own
    python -m bench.workers --kafka 127.0.0.1:9092
    python -m bench.workers --scripts scripts/samples # with all samples
    python -m bench.workers --checks                  # with all checks that ship
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.checks import CHECKS, flows_with_findings, write_policy
from bench.flows import FIRST_WINDOW, made_flows, messages
from bench.stages import Message, cost
from tapline.services.kafka import Kafka
from tapline.services.settings import ServicesSettings
from topics.admin import create
from topics.catalog import CATALOG, COUNTER
from topics.codec import open_message
from topics.records import WINDOW_SECONDS
from topics.settings import KafkaSettings
from workers.environment import Environment
from workers.scripting.scripts import load_files, script_paths
from workers.settings import WorkersSettings

BAR = 120_000
BAR_WITH_SCRIPTS = 80_000
BAR_WITH_CHECKS = 60_000
PARTITIONS = 4
POLICY = "policy.yaml"
PROGRAM = """
import sys, msgspec
from topics.settings import KafkaSettings
from workers.main import run
from workers.settings import WorkersSettings
run(msgspec.json.decode(sys.argv[1], type=KafkaSettings), msgspec.json.decode(sys.argv[2], type=WorkersSettings))
"""


def stage(bodies: list[Message]) -> float:
    """CPU seconds of the flow and counter stages alone over these messages."""
    partitions = {topic.kind: PARTITIONS for topic in CATALOG}
    return cost(bodies, Environment(WorkersSettings(scripts=[]), load_files([], {}), partitions))


def process(kafka: KafkaSettings, flows: int, scripts: list[str], folder: str) -> float:
    """CPU seconds of one worker process from its start until it has counted this many flows."""
    settings = WorkersSettings(scripts=scripts, agents=[], policy=[POLICY], group=f"{kafka.prefix}-{time.time_ns()}")
    arguments = [msgspec.json.encode(part).decode() for part in (kafka, settings)]
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        wait_until_counted(kafka, flows) if flows else time.sleep(8)
    finally:
        child.send_signal(signal.SIGTERM)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
    return usage.ru_utime + usage.ru_stime


def wait_until_counted(kafka: KafkaSettings, flows: int) -> None:
    """Until the counters published say so."""
    consumer = Consumer(kafka.client() | {"group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(COUNTER.name(kafka.prefix), number, 0) for number in range(PARTITIONS)])
    counted: dict[str, int] = {}
    try:
        while sum(counted.values()) < flows:
            for message in consumer.consume(1000, 0.5):
                _, records = open_message(message.headers(), message.value(), COUNTER)  # type: ignore[arg-type]
                for record in records:
                    if getattr(record, "group", "") == "Aggregates":
                        counted[record.id] = record.meters["flows"]
    finally:
        consumer.close()


@contextmanager
def broker(address: str) -> Iterator[str]:
    """The Kafka to use: the one named, or one for this run."""
    if address:
        yield address
        return
    with tempfile.TemporaryDirectory() as folder:
        engine = Kafka(ServicesSettings(folder=folder, kafka_port=0, kafka_controller_port=0))
        engine.start()
        try:
            engine.wait_ready()
            yield engine.address
        finally:
            engine.stop()


def _filled(address: str, bodies: list[Message]) -> KafkaSettings:
    """Topics of their own for one run, filled."""
    kafka = KafkaSettings(bootstrap=address, prefix=f"bench-{time.time_ns()}", partitions=PARTITIONS)
    create(kafka)
    producer = Producer(kafka.client() | {"enable.idempotence": True, "compression.type": "zstd"})
    for topic, partition, envelope, body in bodies:
        producer.produce(topic.name(kafka.prefix), body, partition=partition, headers=[*envelope.headers()])
        producer.poll(0)
    producer.flush()
    return kafka


def main() -> None:
    """Run both sides and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kafka", default="", help="bootstrap server; without it a Kafka is started")
    parser.add_argument("--flows", type=int, default=250_000, help="flows a window")
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--scripts", metavar="FOLDER", help="run the scripts of this folder; the bar is then 80,000")
    what.add_argument("--checks", action="store_true", help="run all shipped checks; the bar is then 60,000")
    arguments = parser.parse_args()
    scripts = [str(Path(arguments.scripts).resolve())] if arguments.scripts else []
    bar = BAR_WITH_CHECKS if arguments.checks else BAR_WITH_SCRIPTS if scripts else BAR
    total = arguments.flows * arguments.windows
    flows = flows_with_findings(arguments.flows) if arguments.checks else made_flows(arguments.flows)
    bodies = list(messages(flows, arguments.windows, PARTITIONS))
    assert bodies[-1][2].window == FIRST_WINDOW + (arguments.windows - 1) * WINDOW_SECONDS
    with broker(arguments.kafka) as address, tempfile.TemporaryDirectory() as folder:
        if arguments.checks:
            scripts = [str(CHECKS)]
            write_policy(load_files(script_paths([CHECKS]), {}), Path(folder) / POLICY)
        empty = KafkaSettings(bootstrap=address, prefix=f"bench-empty-{time.time_ns()}", partitions=PARTITIONS)
        create(empty)
        idle, busy, alone = [], [], []
        for _ in range(arguments.runs):
            idle.append(process(empty, 0, scripts, folder))
            busy.append(process(_filled(address, bodies), total, scripts, folder))
            alone.append(stage(bodies))
    rate, stage_rate = total / (statistics.median(busy) - statistics.median(idle)), total / statistics.median(alone)
    print(f"flows                      {total:>12,}")
    print(f"process, whole (median)    {statistics.median(busy):>12.2f} CPU-s of {[round(spent, 2) for spent in busy]}")
    print(f"process, idle (median)     {statistics.median(idle):>12.2f} CPU-s")
    print(f"process                    {rate:>12,.0f} flows per CPU-second (bar {bar:,})")
    print(f"stage alone                {stage_rate:>12,.0f} flows per CPU-second")
    print(f"ratio process / stage      {stage_rate / rate:>12.2f} times the CPU")
    sys.exit(0 if rate >= bar else 1)


if __name__ == "__main__":
    main()
