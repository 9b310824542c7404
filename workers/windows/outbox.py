"""What a stage publishes for one window: batched, numbered, and the same each time it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from topics.catalog import PARTIAL, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import partition_of, partition_of_pair
from topics.records import Partial, Snapshot

MAX_BYTES: Final = 4 * 1024 * 1024
"""Longest body of a message of more than one record; the topics take twice as much."""


class Outgoing(NamedTuple):
    """One message to publish; ``key`` is Kafka's, for topics that are compacted; without a body it is forgotten."""

    topic: Topic
    partition: int
    envelope: Envelope
    body: bytes | None
    key: bytes | None = None


class Outbox:
    """Collects a window's records by topic and partition and makes messages of them.

    ``producer`` names the stage and partition that publishes, as ``~flow/3``. Records of one topic and
    partition are numbered from 0 in the window, so that readers recognise what comes a second time.
    """

    def __init__(self, producer: str, stream: str, window: int, partitions: Mapping[str, int]) -> None:
        self.producer = producer
        self._stream = stream
        self._window = window
        self._partitions = partitions
        self._waiting: dict[tuple[Topic, int], list[Struct]] = {}
        self._sent: dict[tuple[Topic, int], int] = {}

    def put(self, topic: Topic, key: str, record: Struct) -> None:
        """Add a record; records of one key stay in order."""
        place = (topic, partition_of(key, self._partitions[topic.kind]))
        self._waiting.setdefault(place, []).append(record)

    def take(self) -> list[Outgoing]:
        """The messages for what was put since the last call."""
        if not self._waiting:
            return []
        waiting, self._waiting = self._waiting, {}
        return [
            message
            for (topic, partition), records in waiting.items()
            for start in range(0, len(records), MAX_RECORDS)
            for message in self._messages(topic, partition, records[start : start + MAX_RECORDS])
        ]

    def put_partials(self, partials: Iterable[Partial]) -> None:
        """Add sums, each to the partition of its group and key."""
        partitions = self._partitions[PARTIAL.kind]
        by_partition: list[list[Struct]] = [
            self._waiting.setdefault((PARTIAL, partition), []) for partition in range(partitions)
        ]
        for partial in partials:
            by_partition[partition_of_pair(partial.group, partial.key, partitions)].append(partial)

    def finish(self, *, mark_all: Iterable[Topic], final: bool) -> list[Outgoing]:
        """The last messages: what waits, and the markers that end the window.

        A marker goes to each partition that got something, and to every partition of the topics in
        ``mark_all``, which wait for them; ``final`` says that the stream ends here.
        """
        messages = self.take()
        for topic in mark_all:
            for partition in range(self._partitions[topic.kind]):
                self._sent.setdefault((topic, partition), 0)
        for (topic, partition), count in self._sent.items():
            marker = Snapshot(
                node=self.producer, stream=self._stream, window=self._window, announced=count, final=final
            )
            envelope = Envelope(SNAPSHOT_SCHEMA, self.producer, self._stream, self._window, 0, 1)
            messages.append(Outgoing(topic, partition, envelope, encode([marker])))
        return messages

    def _messages(self, topic: Topic, partition: int, records: list[Struct]) -> Iterator[Outgoing]:
        body = encode(records)
        if len(body) > MAX_BYTES and len(records) > 1:
            half = len(records) // 2
            yield from self._messages(topic, partition, records[:half])
            yield from self._messages(topic, partition, records[half:])
            return
        sequence = self._sent.get((topic, partition), 0)
        self._sent[(topic, partition)] = sequence + len(records)
        envelope = Envelope(topic.schema, self.producer, self._stream, self._window, sequence, len(records))
        yield Outgoing(topic, partition, envelope, body)


def alone(
    producer: str, stream: str, window: int, topic: Topic, key: str, record: Struct, partitions: Mapping[str, int]
) -> list[Outgoing]:
    """A record and the marker that ends it, as a window of its own.

    For what depends on a clock or on this process, and would not come again when a window is read again.
    """
    partition = partition_of(key, partitions[topic.kind])
    marker = Snapshot(node=producer, stream=stream, window=window, announced=1)
    return [
        Outgoing(topic, partition, Envelope(schema, producer, stream, window, 0, 1), encode([each]))
        for schema, each in ((topic.schema, record), (SNAPSHOT_SCHEMA, marker))
    ]
