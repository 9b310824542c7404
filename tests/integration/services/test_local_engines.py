"""The real engines: started, used, killed, found again and stopped."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import Elasticsearch as Client

from tapline.services import local, preflight
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tapline.services.settings import ServicesSettings
from tests.integration.engines import engine_folder, engine_settings, running
from topics.errors import TaplineError

QUIET = {"log_level": 0}


@pytest.fixture
def settings() -> Iterator[ServicesSettings]:
    with engine_folder() as folder:
        settings = engine_settings(folder)
        yield settings
        local.down(settings, print)


def publish(bootstrap: str, topic: str, values: list[bytes]) -> None:
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "compression.type": "zstd", **QUIET})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0
    assert not failures


def read_all(bootstrap: str, topic: str) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", **QUIET})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(end, timeout=30)
        return [message.value() or b"" for message in messages if not message.error()]
    finally:
        consumer.close()


def create_topic(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def test_both_engines_from_up_to_down(settings: ServicesSettings) -> None:
    told: list[str] = []
    kafka, elasticsearch = local.up(settings, told.append)

    create_topic(kafka.address, "test")
    publish(kafka.address, "test", [b"one", b"two"])
    assert read_all(kafka.address, "test") == [b"one", b"two"]

    with Client(elasticsearch.address) as client:
        client.index(index="test", document={"address": "192.0.2.1", "bytes": 40}, refresh="wait_for")
        found = client.search(index="test", query={"term": {"bytes": 40}})
        assert [hit["_source"]["address"] for hit in found["hits"]["hits"]] == ["192.0.2.1"]

    statuses = local.status(settings)
    assert [(status.name, status.ready) for status in statuses] == [("kafka", True), ("elasticsearch", True)]
    assert sum(status.resident_bytes for status in statuses) < 1600 * preflight.MEBIBYTE

    processes = [process for status in statuses if status.pid for process in family(status.pid)]
    assert len(processes) >= 3
    listened = {it.laddr.port for process in processes for it in process.net_connections("tcp") if not it.raddr}
    addresses = {it.laddr.ip for process in processes for it in process.net_connections("tcp")}
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}

    assert local.down(settings, told.append)
    assert not [process for process in processes if process.is_running()]
    for port in listened:
        preflight.check_port(port, "test", "test")
    assert told[-2:] == ["stopped kafka", "stopped elasticsearch"]


@pytest.mark.parametrize("end", [Kafka.kill, Kafka.stop], ids=["kill", "stop"])
def test_kafka_comes_back_with_its_data(settings: ServicesSettings, end: Callable[[Kafka], bool]) -> None:
    with running(Kafka(settings)) as kafka:
        address = kafka.address
        create_topic(address, "test")
        publish(address, "test", [b"one", b"two"])
        assert end(kafka)
        kafka.start()
        kafka.wait_ready()
        assert kafka.address == address
        publish(address, "test", [b"three"])
        assert read_all(address, "test") == [b"one", b"two", b"three"]


def test_a_killed_elasticsearch_comes_back_with_its_data(settings: ServicesSettings) -> None:
    with running(Elasticsearch(settings)) as elasticsearch:
        with Client(elasticsearch.address) as client:
            client.index(index="test", id="1", document={"bytes": 40})
        assert elasticsearch.kill()
        elasticsearch.start()
        elasticsearch.wait_ready()
        with Client(elasticsearch.address) as client:
            assert client.get(index="test", id="1")["_source"] == {"bytes": 40}


def test_topics_are_not_made_by_publishing_to_them(kafka: str) -> None:
    topic = f"test-{uuid.uuid4().hex}"
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 2000, **QUIET})
    producer.produce(topic, b"one", on_delivery=lambda error, _: failures.append(error))
    producer.flush(30)
    assert failures[0] is not None
    assert topic not in AdminClient({"bootstrap.servers": kafka, **QUIET}).list_topics(timeout=30).topics


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser cannot run Elasticsearch as itself")
def test_where_no_folder_can_be_entered_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    monkeypatch.setattr("tapline.services.elsewhere.STATE", tmp_path / "state")
    elasticsearch = Elasticsearch(engine_settings(tmp_path / "home"))
    with pytest.raises(
        TaplineError, match=r"may not run as root, and user \d+ cannot enter /.+ \(nor can .+\): run"
    ) as error:
        elasticsearch.start()
    assert "\n" not in str(error.value)
    assert elasticsearch.pid is None
    assert list((tmp_path / "home").iterdir()) == []
