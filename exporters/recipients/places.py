"""How far a recipient has come in each partition, and how that is written into its commits.

A commit's offset is that of the first message which is not dealt with in full, its metadata the number of records of
that message which are. A digest is announced before it is sent: a second position in the metadata says up to where it
reaches. Who finds an announcement sends the very same digest again, under the same key.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from confluent_kafka import TopicPartition

from topics.catalog import Topic

_METADATA: Final = re.compile(r"(\d{1,9})(?:;(\d{1,18})\.(\d{1,9}))?")


class Position(NamedTuple):
    """The record with this index in the message at this offset: everything before it is meant."""

    offset: int
    record: int = 0


class Place:
    """One partition.

    ``done`` is what is dealt with and may be committed, ``read`` what was handed out. Up to ``start`` everything was
    dealt with by an earlier process, and is read once more to know it again. ``until`` is how far an announced digest
    reaches. ``has_ended`` once all was read that was there, at some time since the start. ``is_fresh`` until something
    of it was sent: what comes first may have been sent before, by itself. ``since`` is when Kafka took the oldest
    message that was handed out and is not dealt with, in epoch seconds.
    """

    def __init__(self, topic: Topic, name: str, partition: int, start: Position, until: Position | None) -> None:
        self.topic = topic
        self.name = name
        self.partition = partition
        self.start = start
        self.done = start
        self.read = start
        self.until = until
        self.has_ended = False
        self.is_fresh = True
        self.since = 0.0
        self.committed: tuple[Position, Position | None] = (start, until)

    @property
    def key(self) -> tuple[str, int]:
        """Topic name and number."""
        return (self.name, self.partition)

    @property
    def is_caught_up(self) -> bool:
        """True when everything was read that was there, or that is in the digest that was announced."""
        return self.has_ended or (self.until is not None and self.read >= self.until)

    @property
    def has_waiting(self) -> bool:
        """True when something was handed out that is not dealt with."""
        return self.read > self.done

    @property
    def is_changed(self) -> bool:
        """True when there is something to commit."""
        return self.committed != (self.done, self.until)

    def at(self, offset: int) -> TopicPartition:
        """The partition at an offset, as the client names it."""
        return TopicPartition(self.name, self.partition, offset)

    def commit(self) -> TopicPartition:
        """What is to be committed."""
        announced = f";{self.until.offset}.{self.until.record}" if self.until is not None else ""
        return TopicPartition(self.name, self.partition, self.done.offset, metadata=f"{self.done.record}{announced}")


def committed_position(offset: int, metadata: str | None) -> tuple[Position, Position | None]:
    """What a commit says: what is dealt with, and the end of the digest that was announced, if one was.

    Metadata of somebody else says nothing.
    """
    found = _METADATA.fullmatch(metadata or "0")
    if found is None:
        return Position(offset), None
    until = Position(int(found[2]), int(found[3])) if found[2] else None
    return Position(offset, int(found[1])), until
