"""Files, the mirror and Prometheus on a real Kafka: each record once, also where a process is killed."""

import base64
import json
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporters.files.exporter import GROUP as FILES_GROUP
from exporters.files.exporter import FilesExporter
from exporters.files.settings import FilesSettings
from exporters.mirror.exporter import GROUP as MIRROR_GROUP
from exporters.mirror.exporter import MirrorExporter
from exporters.mirror.settings import MirrorSettings
from exporters.prometheus.exporter import PrometheusExporter
from exporters.prometheus.settings import Choice, PrometheusSettings
from tapline.commands.capturing import capture
from tapline.configuration import Configuration
from tapline.demo import DEMO_CAPTURE
from tapline.process.health import Health
from tapline.process.metrics import MetricsServer
from tests.integration.exporters.destinations import running, waiting
from tests.integration.exporters.lab import Lab
from tests.unit.exporters.samples import STREAM, counter, flow
from tests.waiting import wait_for
from topics.catalog import COUNTER, DEAD, FLOW
from topics.errors import TaplineError
from topics.records import Flow
from topics.tail import tail

_PROGRAM = """
import sys, msgspec
from exporters.{module}.exporter import {name}Exporter
from exporters.{module}.settings import {name}Settings
from tapline.process.signals import on_stop_signal
from topics.settings import KafkaSettings
kafka, settings = (
    msgspec.json.decode(text, type=t) for text, t in zip(sys.argv[1:3], (KafkaSettings, {name}Settings))
)
exporter = {name}Exporter(kafka, settings)
with on_stop_signal(exporter.leave), exporter:
    exporter.run()
"""


@contextmanager
def process(topics: Lab, module: str, settings: msgspec.Struct) -> Iterator[subprocess.Popen[bytes]]:
    """An exporter in a process of its own, killed at the end."""
    program = _PROGRAM.format(module=module, name=module.capitalize())
    arguments = [msgspec.json.encode(each).decode() for each in (topics.kafka, settings)]
    with subprocess.Popen([sys.executable, "-c", program, *arguments]) as started:
        try:
            yield started
        finally:
            started.kill()


def publish(topics: Lab, first: int, count: int) -> None:
    for start in range(first, first + count, 50):
        topics.publish(FLOW, [flow(number) for number in range(start, start + 50)], partition=start // 50 % 2)
    topics.flush()


def in_files(folder: Path) -> tuple[int, int, int]:
    """Records, different ids, and the sum of bytes, as DuckDB counts them."""
    with duckdb.connect() as database:
        found = database.sql(
            "SELECT count(*), count(DISTINCT id), sum(total_source_bytes)::BIGINT "
            f"FROM read_parquet('{folder}/kind=flow/*/*.parquet', hive_partitioning = true)"
        ).fetchone()
    assert found is not None
    return found


def octets(count: int) -> int:
    return sum(flow(number).total_source_bytes for number in range(count))


def test_every_record_is_in_one_file_and_what_is_unusable_is_a_dead_letter(topics: Lab, tmp_path: Path) -> None:
    publish(topics, 0, 1000)
    topics.mark(FLOW)
    topics.publish(FLOW, [flow(5000, total_source_bytes=2**63), flow(1000)])
    topics.send(FLOW, b"{", [("schema", b"flow/1")])
    topics.flush()
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_seconds=0.3)
    with running(FilesExporter(topics.kafka, settings)):
        wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "everything to be in files", seconds=60)
    assert in_files(tmp_path) == (1001, 1001, octets(1001))
    assert sorted(each.reason for each in topics.dead_letters()) == ["headers", "schema"]


def test_files_hold_every_record_once_after_a_kill(topics: Lab, tmp_path: Path) -> None:
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_bytes=20_000)
    publish(topics, 0, 3000)
    with process(topics, "files", settings) as exporter:
        wait_for(lambda: list(tmp_path.glob("*/*/part*")), "the first file", seconds=60)
        exporter.kill()
    publish(topics, 3000, 1000)
    settings = msgspec.structs.replace(settings, rotate_bytes=35_000, rotate_seconds=0.3)
    with running(FilesExporter(topics.kafka, settings)):
        wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "everything to be in files", seconds=60)
    assert in_files(tmp_path) == (4000, 4000, octets(4000))
    assert not list(tmp_path.glob("*/*/.*"))


def test_files_that_appeared_before_the_commit_failed_are_written_again(
    topics: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_seconds=0.3)
    publish(topics, 0, 500)

    def die(*_: object) -> None:
        raise TaplineError("killed before the commit")

    with monkeypatch.context() as patched:
        patched.setattr(FilesExporter, "_commit", die)
        with pytest.raises(TaplineError, match="killed"), running(FilesExporter(topics.kafka, settings)):
            wait_for(lambda: list(tmp_path.glob("*/*/part*")), "a file", seconds=60)
    publish(topics, 500, 500)
    with running(FilesExporter(topics.kafka, settings)):
        wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "everything to be in files", seconds=60)
    assert in_files(tmp_path) == (1000, 1000, octets(1000))


def test_exporters_that_come_and_go_write_every_record_once(topics: Lab, tmp_path: Path) -> None:
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_bytes=20_000, rotate_seconds=0.3)
    publish(topics, 0, 1000)
    with process(topics, "files", settings) as first, process(topics, "files", settings) as second:
        wait_for(lambda: written_by(tmp_path) == {0, 1}, "files of both partitions", seconds=60)
        publish(topics, 1000, 2000)
        # The group is divided anew three times while there is something to write: one leaves, one is killed, one comes.
        first.send_signal(signal.SIGTERM)
        first.wait(60)
        publish(topics, 3000, 1000)
        second.kill()
        publish(topics, 4000, 1000)
        with running(FilesExporter(topics.kafka, settings)), process(topics, "files", settings):
            wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "everything to be in files", seconds=90)
    assert in_files(tmp_path) == (5000, 5000, octets(5000))


def written_by(folder: Path) -> set[int]:
    """The partitions of which there are files."""
    return {int(path.name.split(".")[2]) for path in folder.glob("*/*/part*")}


def test_a_capture_comes_out_of_files_as_it_went_in(topics: Lab, tmp_path: Path) -> None:
    configuration = Configuration(kafka=topics.kafka)
    (summary,) = capture(configuration, [str(DEMO_CAPTURE)], depth="light")
    assert not summary.problem
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow", "annotation"], rotate_seconds=0.3)
    with running(FilesExporter(topics.kafka, settings)):
        wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "everything to be in files", seconds=60)
    flows = [
        record
        for message in tail(topics.kafka, FLOW, beginning=True, follow=False)
        for record in message.records
        if isinstance(record, Flow)
    ]
    assert flows
    with duckdb.connect() as database:
        found = database.sql(
            "SELECT source_ip, count(*), sum(delta_source_bytes + delta_destination_bytes)::BIGINT "
            f"FROM read_parquet('{tmp_path}/kind=flow/*/*.parquet', hive_partitioning = true) GROUP BY source_ip"
        ).fetchall()
    expected: dict[str, list[int]] = {}
    for each in flows:
        sums = expected.setdefault(each.source_ip, [0, 0])
        sums[0] += 1
        sums[1] += each.delta_source_bytes + each.delta_destination_bytes
    assert {address: [number, size] for address, number, size in found} == expected


def mirrored(topics: Lab, topic: str) -> list[tuple[str, Any, dict[str, bytes]]]:
    """Key, value and headers of every message that a reader of committed messages gets."""
    consumer = Consumer(
        topics.kafka.client()
        | {
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found, ended = [], set()
        while len(ended) < len(partitions):
            message = consumer.poll(30)
            assert message is not None
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF
                ended.add(message.partition())
            else:
                found.append((message.key().decode(), json.loads(message.value()), dict(message.headers())))
        return found
    finally:
        consumer.close()


def test_the_mirror_has_each_record_once_after_a_kill(topics: Lab) -> None:
    settings = MirrorSettings(kinds=["flow"])
    target = f"{topics.kafka.prefix}.mirror.flow"
    publish(topics, 0, 25_000)
    topics.send(FLOW, b"{", [("schema", b"flow/1")])
    topics.flush()
    with process(topics, "mirror", settings) as exporter:
        wait_for(lambda: _end(topics, target) > 0, "the first records of the mirror", seconds=60)
        exporter.kill()
    publish(topics, 25_000, 1000)
    with running(MirrorExporter(topics.kafka, settings)):
        wait_for(lambda: waiting(topics, MIRROR_GROUP, FLOW) == 0, "everything to be mirrored", seconds=60)
    found = mirrored(topics, target)
    assert len(found) == 26_000
    assert {key for key, _, _ in found} == {flow(number).id for number in range(26_000)}
    assert all(value["id"] == key for key, value, _ in found)
    assert len({headers["origin"] for _, _, headers in found}) == 26_000
    assert [each[1][0]["reason"] for each in mirrored(topics, DEAD.name(topics.kafka.prefix))] == ["headers"]


def test_a_record_too_large_for_a_topic_that_others_made_is_a_dead_letter_and_the_rest_is_mirrored(
    topics: Lab,
) -> None:
    target = f"{topics.kafka.prefix}.mirror.flow"
    small = NewTopic(target, num_partitions=2, replication_factor=1, config={"max.message.bytes": "20000"})
    admin = AdminClient(topics.kafka.client())
    admin.create_topics([small])[target].result()
    # Random, so that it does not fit when it is compressed either.
    large = flow(1000, tags=(secrets.token_hex(30_000),))
    topics.publish(FLOW, [*(flow(number) for number in range(500)), large])
    topics.publish(FLOW, [flow(number) for number in range(500, 1000)])
    topics.flush()
    with running(MirrorExporter(topics.kafka, MirrorSettings(kinds=["flow"]))):
        wait_for(lambda: waiting(topics, MIRROR_GROUP, FLOW) == 0, "everything to be mirrored", seconds=60)
    assert sorted(key for key, _, _ in mirrored(topics, target)) == sorted(flow(number).id for number in range(1000))
    ((_, (letter,), _),) = mirrored(topics, DEAD.name(topics.kafka.prefix))
    assert (letter["reason"], letter["index"]) == ("too-large", 500)
    assert f"of 20000 that {target} takes" in letter["error"]
    assert large.id.encode() in base64.b64decode(letter["value"])


def _end(topics: Lab, topic: str) -> int:
    consumer = Consumer(topics.kafka.client() | {"group.id": "ends", "isolation.level": "read_uncommitted"})
    try:
        if topic not in consumer.list_topics(timeout=30).topics:
            return 0
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=30)[1] for each in (0, 1))
    except KafkaException:
        return 0  # A topic just made is there before its partitions are served.
    finally:
        consumer.close()


def test_the_mirror_does_not_write_into_the_topics_themselves(topics: Lab) -> None:
    with pytest.raises(TaplineError, match="choose another"):
        MirrorExporter(topics.kafka, MirrorSettings(prefix=topics.kafka.prefix)).start()


def test_prometheus_scrapes_the_newest_values(topics: Lab) -> None:
    topics.publish(COUNTER, [counter(number, bytes=number + 0.5) for number in range(3)])
    topics.flush()
    registry = CollectorRegistry()
    settings = PrometheusSettings(counters=[Choice(group="Hosts")], stream=STREAM, stale_seconds=3600)
    health = Health()
    server = MetricsServer(health, port=0, registry=registry)
    with server, running(PrometheusExporter(topics.kafka, settings, health, registry)):

        def page() -> str:
            assert server.address is not None
            with urllib.request.urlopen(f"http://127.0.0.1:{server.address[1]}/metrics", timeout=30) as answer:
                return answer.read().decode()

        def scrape() -> dict[str, float]:
            families = text_string_to_metric_families(page())
            return {each.labels["key"]: each.value for family in families for each in family.samples}

        wait_for(lambda: len(scrape()) == 3, "three hosts", seconds=60)
        assert scrape() == {"10.0.0.0": 0.5, "10.0.0.1": 1.5, "10.0.0.2": 2.5}
        topics.publish(COUNTER, [msgspec.structs.replace(counter(1, bytes=9), window=counter(1).window + 60)])
        topics.flush()
        wait_for(lambda: scrape().get("10.0.0.1") == 9, "the next window", seconds=60)
