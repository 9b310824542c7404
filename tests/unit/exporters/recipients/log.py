"""A log of partitions in memory that is read as Kafka is, by processes that are killed and lose partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from topics.catalog import NOTIFICATION, POLICY, Topic
from topics.codec import Envelope, encode
from topics.settings import KafkaSettings

KAFKA = KafkaSettings(prefix="t")


class Killed(BaseException):
    """The process is gone."""


class Entry:
    """A message as the client hands it out."""

    def __init__(self, place: tuple[str, int], offset: int, value: bytes, headers: Any) -> None:
        self._place, self._offset, self._value, self._headers = place, offset, value, headers

    def error(self) -> Any:
        return None

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def headers(self) -> Any:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000


class End(Entry):
    """What the client says at the end of a partition."""

    def error(self) -> Any:
        return KafkaError(KafkaError._PARTITION_EOF)


class Log:
    """The partitions, what is committed, and the dangers of the present process."""

    def __init__(self, random: Random, partitions: int) -> None:
        self.random = random
        names = [(NOTIFICATION.name(KAFKA.prefix), number) for number in range(partitions)]
        self.entries: dict[tuple[str, int], list[Entry]] = {name: [] for name in [*names, (POLICY.name("t"), 0)]}
        self.committed: dict[tuple[str, int], tuple[int, str]] = {}
        self.kills = 0
        self.losses = 0
        self.is_dangerous = False
        self.when_done: Callable[[], None] = lambda: None

    def append(self, topic: Topic, partition: int, records: Sequence[Any]) -> None:
        place = (topic.name(KAFKA.prefix), partition)
        envelope = Envelope(topic.schema, "n", "live", 0, 0, len(records))
        entries = self.entries[place]
        entries.append(Entry(place, len(entries), encode(records), envelope.headers()))

    def danger(self) -> None:
        """A moment in which the process may be killed."""
        if self.is_dangerous and self.random.random() < 0.02:
            self.kills += 1
            raise Killed

    def is_done(self) -> bool:
        return all(
            self.committed.get(place, (0, ""))[0] == len(entries) and ";" not in self.committed[place][1]
            for place, entries in self.entries.items()
        )


class LogConsumer:
    """What of a Kafka consumer the reader uses, over a :class:`Log`."""

    log: Log

    def __init__(self, _configuration: Any, **_: Any) -> None:
        self._positions: dict[tuple[str, int], int] = {}
        self._paused: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()
        self._away: list[tuple[str, int]] = list(self.log.entries)

    def subscribe(self, _topics: Any, on_assign: Any, on_revoke: Any, **_: Any) -> None:
        self._on_assign, self._on_revoke = on_assign, on_revoke

    def poll(self, _seconds: float) -> Entry | None:
        log = self.log
        log.danger()
        if self._away:
            away, self._away = self._away, []
            self._on_assign(self, [TopicPartition(*place) for place in away])
        elif log.is_dangerous and log.random.random() < 0.02:
            self._away = log.random.sample(sorted(self._positions), 1)
            log.losses += 1
            self._on_revoke(self, [TopicPartition(*place) for place in self._away])
            return None
        ready = [
            place
            for place, position in self._positions.items()
            if place not in self._paused and (position < len(log.entries[place]) or place not in self._ended)
        ]
        if not ready:
            if log.is_done():
                log.when_done()
            return None
        place = log.random.choice(sorted(ready))
        if self._positions[place] >= len(log.entries[place]):
            self._ended.add(place)
            return End(place, self._positions[place], b"", [])
        entry = log.entries[place][self._positions[place]]
        self._positions[place] += 1
        return entry

    def committed(self, partitions: list[TopicPartition], **_: Any) -> list[TopicPartition]:
        found = []
        for each in partitions:
            offset, metadata = self.log.committed.get((each.topic, each.partition), (-1001, ""))
            found.append(TopicPartition(each.topic, each.partition, offset, metadata=metadata))
        return found

    def get_watermark_offsets(self, partition: TopicPartition, **_: Any) -> tuple[int, int]:
        return 0, len(self.log.entries[partition.topic, partition.partition])

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._positions[each.topic, each.partition] = each.offset
            self._ended.discard((each.topic, each.partition))

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            del self._positions[each.topic, each.partition]
            self._paused.discard((each.topic, each.partition))

    def seek(self, partition: TopicPartition) -> None:
        assert (partition.topic, partition.partition) in self._positions
        self._positions[partition.topic, partition.partition] = partition.offset
        self._ended.discard((partition.topic, partition.partition))

    def pause(self, partitions: list[TopicPartition]) -> None:
        self._paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._paused -= {(each.topic, each.partition) for each in partitions}

    def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        self.log.danger()
        for each in offsets:
            assert (each.topic, each.partition) in self._positions, "only what is assigned is committed"
            self.log.committed[each.topic, each.partition] = (each.offset, each.metadata)
        self.log.danger()
        return offsets

    def close(self) -> None:
        self._positions.clear()
