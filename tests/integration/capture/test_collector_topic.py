"""What goflow2 and nProbe put into a real Kafka: read once, over restarts."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from capture.collectors.source import CollectorTopic
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import Places
from tests.unit.capture_collectors.test_collectors import GOFLOW2, NPROBE
from tests.unit.capture_netflow.made import Taken
from tests.waiting import wait_for
from topics.errors import TaplineError
from topics.settings import KafkaSettings


def create(bootstrap: str) -> str:
    """A topic of its own, with one partition."""
    topic = f"flows-{uuid.uuid4().hex[:8]}"
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([NewTopic(topic, 1)])[topic].result(30)
    wait_for(lambda: topic in client.list_topics(timeout=30).topics, "the topic")
    return topic


def produce(bootstrap: str, topic: str, *messages: object) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for message in messages:
        producer.produce(topic, json.dumps(message).encode())
    assert producer.flush(30) == 0


class Keeping(Taken):
    """A sink that confirms: what it has taken is safe, and there was nothing before it."""

    confirms = True

    def confirm(self) -> Places | None:
        return {"flow": [0], "dead": [0]}

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:  # noqa: ARG002
        return iter(())


@contextmanager
def reading(bootstrap: str, topic: str) -> Iterator[Taken]:
    """What is read of the topic while this goes on."""
    settings = KafkaSettings(bootstrap=bootstrap, prefix=topic)
    _, (source,) = open_capture(f"netflow:kafka:{topic}", CaptureSettings(node="node"), kafka=settings)
    assert isinstance(source, CollectorTopic)
    sink = Keeping()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            source.run(sink)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sink
    finally:
        source.stop()
        thread.join()
    if errors:
        raise errors[0]


def test_messages_are_read_once_over_a_restart(kafka: str) -> None:
    topic = create(kafka)
    produce(kafka, topic, GOFLOW2, [NPROBE, NPROBE], {"neither": 1})
    with reading(kafka, topic) as first:
        wait_for(lambda: first.counts["packets"] == 3, "three messages")
    produce(kafka, topic, GOFLOW2)
    with reading(kafka, topic) as second:
        wait_for(lambda: second.counts["packets"] == 1, "the message of meanwhile")
    assert (len(first.flows), len(second.flows)) == (3, 1)
    assert first.family("rejected.") == {"json-fields": 1}
    assert len({flow.id for flow in (*first.flows, *second.flows)}) == 4
    assert {flow.observation_point for flow in first.flows} == {f"netflow:kafka:{topic}"}


def test_a_topic_that_is_not_there(kafka: str) -> None:
    with (
        pytest.raises(TaplineError, match="Kafka has no topic nobodys: name the one that goflow2 or nProbe writes"),
        reading(kafka, "nobodys"),
    ):
        pass
