"""Brokers that are killed and everything that is restarted, in the middle of a stream: nothing is lost or doubled."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from msgspec.structs import replace

from capture.publisher import KafkaPublisher
from capture.settings import EveSettings
from tests.integration.pipeline.stack import end
from tests.integration.security.cluster import ADMIN, Node, SecuredCluster
from tests.integration.security.deployment import Deployment
from tests.integration.workers.cluster import counters, totals
from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from topics.catalog import FLOW, NOTIFICATION
from topics.codec import open_message
from topics.dead_letters import FILES
from topics.settings import KafkaSettings
from workers.counting.groups import CONSERVATION

pytestmark = pytest.mark.kill

LONGEST_GAP = 30.0
"""Seconds that may pass between two alerts while something is restarted."""

BETWEEN_ALERTS = 0.1


def whole(cluster: SecuredCluster) -> bool:
    """True when every partition has all its replicas in step: only then may the next broker go."""
    topics = cluster.admin().list_topics(timeout=30).topics
    return all(
        len(partition.isrs) == len(partition.replicas)
        for topic in topics.values()
        for partition in topic.partitions.values()
    )


def restart(node: Node) -> None:
    """Start a broker again and wait until it serves."""
    node.start()
    node.wait_ready(180)


def test_a_broker_killed_mid_stream_loses_nothing(cluster: SecuredCluster, into_files: Deployment) -> None:
    deployment = into_files
    stream = MadeStream(windows=20, flows=300)
    messages = list(stream.messages())
    flows = FLOW.name(deployment.namespace)
    leader = cluster.admin().list_topics(flows, timeout=30).topics[flows].partitions[0].leader
    victim = cluster.nodes[leader - 1]
    try:
        with (
            deployment.process("worker", "worker", "--processes", "2"),
            deployment.process("files", "export", "files"),
            KafkaPublisher(deployment.kafka("capture"), live=False) as publisher,
        ):
            for number, (topic, partition, envelope, body) in enumerate(messages):
                if number == len(messages) // 3:
                    publisher.flush()
                    total = deployment.waiting(FILES)
                    wait_for(lambda: deployment.waiting(FILES) < total, "somebody to work", seconds=120, every=0.5)  # noqa: B023
                    assert victim.kill()
                publisher.send(
                    topic, partition, body, envelope.headers(), 0 if envelope.is_snapshot else envelope.count
                )
            publisher.flush()
            assert victim.pid is None
            deployment.wait_until_done(FILES, 400)
    finally:
        restart(victim)
    flows_written = deployment.exported("flow")
    assert len(flows_written) == len(set(flows_written)) == sum(stream.announced.values())
    assert totals(counters(cluster.settings(ADMIN, deployment.namespace)).values(), stream.truth) == stream.truth
    wait_for(lambda: whole(cluster), "the broker to be in step again", seconds=180, every=0.5)


class Suricata:
    """Something that writes an alert into a file of events ten times a second, as Suricata does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self.path.touch()
        self._thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            while not self._stop.wait(BETWEEN_ALERTS):
                file.write(self._alert(self.written))
                self.written += 1

    @staticmethod
    def _alert(number: int) -> bytes:
        now = time.time()
        event = {
            "timestamp": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}+0000",
            "flow_id": 1_000 + number,
            "event_type": "alert",
            "src_ip": "192.0.2.1",
            "src_port": 1024 + number % 60_000,
            "dest_ip": "198.51.100.2",
            "dest_port": 443,
            "proto": "TCP",
            "alert": {"signature_id": 1, "gid": 1, "rev": 1, "signature": "test", "category": "test", "severity": 2},
        }
        return json.dumps(event).encode() + b"\n"


def told(kafka: KafkaSettings) -> list[tuple[float, str]]:
    """Every alert that people are told of: when Kafka took it, in epoch seconds, and its entity; by time."""
    name = NOTIFICATION.name(kafka.prefix)
    consumer = Consumer(
        kafka.client() | {"group.id": f"{kafka.prefix}-tail", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    found = []
    try:
        unread = set(consumer.list_topics(name, timeout=30).topics[name].partitions)
        consumer.assign([TopicPartition(name, number, 0) for number in unread])
        while unread:
            for message in consumer.consume(500, 1.0):
                if message.error() is not None:
                    unread.discard(message.partition() or 0)
                    continue
                _, records = open_message(message.headers(), message.value(), NOTIFICATION)  # type: ignore[arg-type]
                found += [(message.timestamp()[1] / 1000, record.entity) for record in records]
    finally:
        consumer.close()
    return sorted(found)


class Rolling:
    """The components, each restarted in its turn while alerts go through them."""

    def __init__(self, deployment: Deployment, suricata: Suricata) -> None:
        self._suricata = suricata
        self._deployment = deployment
        self._reader = deployment.kafka("reader")
        self._commands = {
            "capture": ("capture-reading-back", "capture", f"eve:follow:{suricata.path}"),
            "worker": ("worker", "worker", "--processes", "1"),
            "other worker": ("worker", "worker", "--processes", "1"),
            "exporter": ("files", "export", "files"),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        try:
            for name, command in self._commands.items():
                self._running[name] = self._deployment.start(*command)
            self.wait_until_told()
            yield
        finally:
            for process in self._running.values():
                if process.poll() is None:
                    end(process, seconds=60)

    def restart_each(self) -> None:
        for name, command in self._commands.items():
            end(self._running[name], seconds=60)
            self._running[name] = self._deployment.start(*command)
            self.wait_until_told()

    def end_capture(self) -> None:
        """End the capture when it has brought everything: its last windows are closed."""
        self.wait_until_told()
        end(self._running["capture"], seconds=60)

    def wait_until_told(self) -> None:
        """Until everything that is written by now has been told."""
        written = max(1, self._suricata.written)
        wait_for(
            lambda: len({entity for _, entity in told(self._reader)}) >= written,
            "the alerts to be told",
            seconds=180,
            every=0.5,
        )


def test_a_rolling_restart_under_load(cluster: SecuredCluster, into_files: Deployment, tmp_path: Path) -> None:
    deployment = into_files
    kafka = deployment.kafka("capture-reading-back")
    configuration = deployment.configuration(kafka)
    eve = EveSettings(positions=str(tmp_path / "positions"))
    deployment.write_configuration(
        "capture-reading-back",
        replace(configuration, capture=replace(configuration.capture, node="sensor", eve=eve)),
    )
    suricata = Suricata(tmp_path / "eve.json")
    rolling = Rolling(deployment, suricata)
    with suricata.writing(), rolling.running():
        rolling.restart_each()
        for node in cluster.nodes:
            assert node.stop()
            restart(node)
            wait_for(lambda: whole(cluster), "the broker to be in step again", seconds=180, every=0.5)
            rolling.wait_until_told()
        suricata.stop()
        rolling.end_capture()
        deployment.wait_until_done(FILES, 300)
    # What a worker publishes again after its restart has the id it had, by which readers know it.
    first: dict[str, float] = {}
    for at, entity in told(deployment.kafka("reader")):
        first.setdefault(entity, at)
    assert len(first) == suricata.written
    assert len(set(deployment.exported("notification"))) == suricata.written
    conserved = counters(cluster.settings(ADMIN, deployment.namespace), CONSERVATION.name).values()
    assert [each for each in conserved if each.meters["announced"] != each.meters["received"]] == []
    received = sum(each.meters["received"] for each in conserved if each.key.startswith("alert/sensor"))
    assert received == suricata.written
    times = sorted(first.values())
    gap = max(after - before for before, after in itertools.pairwise(times))
    assert gap < LONGEST_GAP, f"{gap:.1f} s without an alert"
