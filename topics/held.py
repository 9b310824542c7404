"""Reading everything that topics hold now, all partitions in step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Raw

from topics.admin import connect, require_topics
from topics.catalog import CATALOG, Topic
from topics.codec import Headers
from topics.errors import TaplineError
from topics.refusals import refused
from topics.settings import KafkaSettings

Held = tuple[Topic, int, Headers, bytes | None]
"""Topic, partition, headers and body of a message."""

_STEP_MS: Final = 120_000
"""How far apart, in milliseconds of the time of writing, partitions may be read."""

_LOOK_EVERY: Final = 500
_STALLED_SECONDS: Final = 30.0
_TIMEOUT: Final = 10.0


class HeldMessages:
    """What these topics hold when it is entered; a context manager, then an iterable, once.

    Nothing is committed, and the consumer group is nobody else's. Partitions are read in step by the
    time at which their messages were written, so that what belongs together comes together.
    ``partitions`` are those of each kind of topic, ``total`` how many messages there are, ``read`` how
    many have been.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[Topic], group: str) -> None:
        self._settings = settings
        self._topics = {topic.name(settings.prefix): topic for topic in topics}
        self._group = group
        self._consumer: Consumer | None = None
        self._ends: dict[tuple[str, int], int] = {}
        self._paused: set[tuple[str, int]] = set()
        self.partitions: dict[str, int] = {}
        self.total = 0
        self.read = 0

    def __enter__(self) -> Self:
        admin, metadata = connect(self._settings)
        names = {topic.kind: topic.name(self._settings.prefix) for topic in CATALOG}
        require_topics(self._settings, admin, metadata, names.values())
        require_topics(self._settings, admin, metadata, self._topics, "Read")
        self.partitions = {kind: len(metadata.topics[name].partitions) for kind, name in names.items()}
        self._consumer = consumer = Consumer(
            self._settings.client()
            | {
                "group.id": self._group,
                "enable.auto.commit": False,
                "queued.max.messages.kbytes": 16 * 1024,
                "log_level": 0,
            }
        )
        try:
            for name in self._topics:
                for number in metadata.topics[name].partitions:
                    low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_TIMEOUT)
                    if high > low:
                        self._ends[name, number] = high
                        self.total += high - low
        except KafkaException as error:
            consumer.close()
            raise TaplineError(f"cannot read the topics: {error.args[0].str()}: see `tapline status`") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def __iter__(self) -> Iterator[Held]:
        consumer = self._consumer
        if consumer is None:
            raise RuntimeError("it has not been entered")
        written = dict.fromkeys(self._ends, 0)
        consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for name, number in written])
        heard = time.monotonic()
        while written:
            message = consumer.poll(0.2)
            if message is None:
                if time.monotonic() - heard > _STALLED_SECONDS:
                    raise TaplineError(f"Kafka at {self._settings.bootstrap} sends nothing any more: try again")
                self._keep_step(consumer, written)
                continue
            heard = time.monotonic()
            problem = message.error()
            if problem is not None:
                if problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                    continue
                why = refused(
                    self._settings, problem, "Read", message.topic() or "", f"Describe on the group {self._group}"
                )
                raise TaplineError(f"cannot read {message.topic() or 'the topics'}: {why}")
            place = (message.topic() or "", message.partition() or 0)
            end = self._ends[place]
            offset = message.offset() or 0
            if place not in written or offset >= end:
                continue
            self.read += 1
            written[place] = message.timestamp()[1]
            if offset == end - 1:
                del written[place]
            if self.read % _LOOK_EVERY == 0:
                self._keep_step(consumer, written)
            yield self._topics[place[0]], place[1], _headers(message), message.value()

    def _keep_step(self, consumer: Consumer, written: dict[tuple[str, int], int]) -> None:
        """Let partitions that are far ahead wait for the others."""
        slowest = min(written.values(), default=0)
        ahead = {place for place, at in written.items() if at > slowest + _STEP_MS}
        if ahead - self._paused:
            consumer.pause([TopicPartition(*place) for place in ahead - self._paused])
        if self._paused - ahead:
            consumer.resume([TopicPartition(*place) for place in self._paused - ahead])
        self._paused = ahead


def _headers(message: Raw) -> Headers:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]
