"""How far an exporter says it is behind."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry, Gauge

from exporters import backlog as module
from exporters.backlog import Backlog
from topics.catalog import FLOW, RESOURCE

TOPICS = {"t.flow": FLOW, "t.resource": RESOURCE}
NOW = 1_800_000_000.0


class Message:
    """A message as the client hands it out, of so many seconds ago."""

    def __init__(self, topic: str, partition: int, ago: float) -> None:
        self._place, self._ago = (topic, partition), ago

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, int((NOW - self._ago) * 1000)


class Consumer:
    """A consumer that stands at these offsets; ``end`` is that of each partition."""

    def __init__(self, positions: dict[tuple[str, int], int], end: int) -> None:
        self._positions, self._end = positions, end

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._positions]

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(*place, self._positions[place]) for place in ((p.topic, p.partition) for p in partitions)
        ]

    def get_watermark_offsets(self, _partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached
        return 0, self._end


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    monkeypatch.setattr(module.time, "time", lambda: NOW)
    return CollectorRegistry()


def made(registry: CollectorRegistry) -> Backlog:
    lag = Gauge("lag", "Lag.", ["topic", "partition"], registry=registry)
    oldest = Gauge("oldest", "Oldest.", ["topic"], registry=registry)
    backlog = Backlog(TOPICS, lag, oldest)
    backlog.show()
    return backlog


def test_the_oldest_is_the_first_in_hand_of_any_partition(registry: CollectorRegistry) -> None:
    backlog = made(registry)
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 0
    for message in (Message("t.flow", 0, 30), Message("t.flow", 0, 20), Message("t.flow", 1, 25)):
        backlog.took(message)  # type: ignore[arg-type]
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 30
    assert registry.get_sample_value("oldest", {"topic": "resource"}) == 0
    backlog.exported([("t.flow", 0)])
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 25
    backlog.exported()
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 0


def test_what_is_not_read_yet_is_as_old_as_what_was_read_last(registry: CollectorRegistry) -> None:
    backlog = made(registry)
    backlog.took(Message("t.flow", 0, 600))  # type: ignore[arg-type]
    backlog.exported()
    backlog.measure(Consumer({("t.flow", 0): 10, ("t.flow", 1): 25}, end=25))  # type: ignore[arg-type]
    assert registry.get_sample_value("lag", {"topic": "flow", "partition": "0"}) == 15
    assert registry.get_sample_value("lag", {"topic": "flow", "partition": "1"}) == 0
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 600
    backlog.forget([("t.flow", 0)])
    assert registry.get_sample_value("lag", {"topic": "flow", "partition": "0"}) is None
    assert registry.get_sample_value("oldest", {"topic": "flow"}) == 0
    backlog.hide()
    assert registry.get_sample_value("oldest", {"topic": "flow"}) is None
    assert registry.get_sample_value("lag", {"topic": "flow", "partition": "1"}) is None
