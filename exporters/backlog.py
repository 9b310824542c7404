"""How far an exporter is behind: messages by partition, and the age of the oldest that is not exported, by topic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message
from prometheus_client import Gauge

from topics.catalog import Topic

_MEASURE_EVERY: Final = 5.0

Partition = tuple[str, int]
"""The name of a topic in Kafka, and the number of a partition of it."""


class Backlog:
    """Keeps the gauges ``lag`` (labels ``topic`` and ``partition``) and ``oldest`` (label ``topic``) of one exporter.

    ``topics`` are those it reads, by their names in Kafka. Ages are those at the scrape.
    """

    def __init__(self, topics: Mapping[str, Topic], lag: Gauge, oldest: Gauge) -> None:
        self._topics = topics
        self._lag = lag
        self._oldest = oldest
        self._in_hand: dict[Partition, int] = {}
        self._last: dict[Partition, int] = {}
        self._behind: dict[Partition, int] = {}
        self._measured = 0.0

    def show(self) -> None:
        """Have the gauge show the ages."""
        for topic in self._topics.values():
            self._oldest.labels(topic.kind).set_function(partial(self.age, topic.kind))

    def hide(self) -> None:
        """Take everything back."""
        self.forget(list(self._behind))
        for topic in self._topics.values():
            with suppress(KeyError):
                self._oldest.remove(topic.kind)

    def took(self, message: Message) -> None:
        """A message was read, and is not yet exported."""
        place = (message.topic() or "", message.partition() or 0)
        written = self._last[place] = message.timestamp()[1]
        self._in_hand.setdefault(place, written)

    def exported(self, places: Iterable[Partition] | None = None) -> None:
        """All that was read of these partitions, or of all, is exported."""
        for place in list(self._in_hand if places is None else places):
            self._in_hand.pop(place, None)

    def forget(self, places: Iterable[Partition]) -> None:
        """These partitions are somebody else's."""
        for place in places:
            self._in_hand.pop(place, None)
            self._last.pop(place, None)
            if self._behind.pop(place, None) is not None:
                with suppress(KeyError):
                    self._lag.remove(self._topics[place[0]].kind, str(place[1]))

    def measure(self, consumer: Consumer) -> None:
        """See how many messages there are after the last ones read; every few seconds is enough."""
        now = time.monotonic()
        if self._measured and now - self._measured < _MEASURE_EVERY:
            return
        self._measured = now
        with suppress(KafkaException):
            for position in consumer.position(consumer.assignment()):
                _, end = consumer.get_watermark_offsets(position, cached=True)
                if position.offset >= 0 and end >= 0:
                    behind = self._behind[position.topic, position.partition] = max(0, end - position.offset)
                    self._lag.labels(self._topics[position.topic].kind, str(position.partition)).set(behind)

    def age(self, kind: str) -> float:
        """How many seconds ago Kafka took the oldest message of a topic that is not exported; 0 where there is none.

        Of what is not read yet it is known that it is not older than what was read last.
        """
        since = self._in_hand.copy()
        for place, behind in self._behind.copy().items():
            if behind and place in self._last:
                since.setdefault(place, self._last[place])
        written = [each for place, each in since.items() if self._topics[place[0]].kind == kind]
        return max(0.0, time.time() - min(written) / 1000) if written else 0.0
