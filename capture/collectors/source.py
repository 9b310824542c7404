"""The source of what other programs put into Kafka."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from msgspec import Struct

from capture.collectors.places import PREFIX, prefix_of
from capture.collectors.progress import pack, unpack
from capture.source import Confirming, Observation, Places, Sink, confirming
from capture.unpublished import Unpublished, earlier
from topics.admin import connect, is_hidden
from topics.errors import TaplineError
from topics.refusals import lacking
from topics.settings import KafkaSettings

_BATCH: Final = 500
_WAIT: Final = 0.2
_TIMEOUT: Final = 30.0
_COMMITTED_EVERY: Final = 1.0

_log = logging.getLogger("tapline.capture")


class MessageIntake(Protocol):
    """Makes records of messages, and names them after their places (:func:`~capture.collectors.places.prefix_of`)."""

    def at(self, now: int) -> None:
        """It is now this time (epoch microseconds)."""

    def turns(self, now: int) -> bool:
        """True where the sums of a window are put when it is this time."""

    def take(self, message: bytes | None, partition: int, offset: int) -> None:
        """Take a message from its place in the topic."""

    def flush(self) -> None:
        """Put what is made of the messages taken so far."""

    def finish(self) -> None:
        """Nothing more comes."""


class Contents(Struct, frozen=True):
    """What stands in a topic.

    ``name`` is the source's, ``writers`` are those who write such topics; ``kinds`` of records are made of it, by what
    ``intake`` makes for a sink at a time (epoch microseconds).
    """

    name: str
    writers: str
    kinds: tuple[str, ...]
    intake: Callable[[Sink, int], MessageIntake]


class CollectorTopic:
    """The messages of a topic, until :meth:`stop`; several processes share its partitions.

    How far it was read is committed to Kafka every second, once all that was made of it is safe, and with it where in
    the topics what comes next will stand. Who goes on there, after a restart or because another process was killed,
    reads what stands there already and leaves it out. Nothing is committed for a sink that cannot confirm.
    """

    def __init__(self, observation: Observation, topic: str, contents: Contents, kafka: KafkaSettings) -> None:
        self.name = contents.name
        self._observation = observation
        self.topic = topic
        self.contents = contents
        self._kafka = kafka
        self._stopping = False
        self._read: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._unpublished: Unpublished

    def run(self, sink: Sink) -> None:
        admin, metadata = connect(self._kafka)
        if self.topic not in metadata.topics:
            if is_hidden(admin, self.topic):
                raise TaplineError(lacking(self._kafka, f"Read on the topic {self.topic}"))
            raise TaplineError(f"Kafka has no topic {self.topic}: name the one that {self.contents.writers} writes")
        confirms, self._unpublished = confirming(sink), Unpublished(sink, self.name)
        intake = self.contents.intake(self._unpublished, _now())
        consumer = Consumer(
            {
                "group.id": f"{self._kafka.prefix}-capture-{self.topic}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
            | self._kafka.client()
        )
        try:
            consumer.subscribe(
                [self.topic],
                on_assign=lambda consumer, given: self._assigned(consumer, given, confirms),
                on_revoke=lambda consumer, taken: self._revoked(consumer, taken, confirms),
            )
            _log.info("reading the topic %s", self.topic)
            self._consume(consumer, intake, confirms)
            self._commit(consumer, confirms)
        except KafkaException as error:
            raise TaplineError(f"cannot read {self.topic} from Kafka: {error.args[0].str()}") from error
        finally:
            consumer.close()
        intake.finish()

    def stop(self) -> None:
        self._stopping = True

    def _consume(self, consumer: Consumer, intake: MessageIntake, confirms: Confirming | None) -> None:
        checked = time.monotonic()
        while not self._stopping:
            messages = consumer.consume(_BATCH, _WAIT)
            now = _now()
            if intake.turns(now):
                # What the window's sums count is not to be counted again.
                self._commit(consumer, confirms)
            intake.at(now)
            for message in messages:
                problem = message.error()
                if problem is not None:
                    if problem.fatal():
                        raise KafkaException(problem)
                    continue
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                intake.take(message.value(), partition, offset)
                self._read[partition] = offset + 1
            intake.flush()
            if self._behind and all(self._read.get(each, 0) >= end for each, end in self._behind.items()):
                self._behind.clear()
                self._unpublished.caught_up()
            if time.monotonic() - checked > _COMMITTED_EVERY:
                self._commit(consumer, confirms)
                checked = time.monotonic()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition], confirms: Confirming | None) -> None:
        """Go on with these partitions where whoever had them before has committed."""
        if confirms is None or not partitions:
            return
        begun: dict[int, int] = {}
        earliest: Places = {}
        for each in consumer.committed(partitions, timeout=_TIMEOUT):
            first, end = consumer.get_watermark_offsets(each, timeout=_TIMEOUT)
            if each.offset == OFFSET_INVALID:
                # Nobody has read it. What is read first is to be found too.
                begun[each.partition] = first
            else:
                earliest = earlier(earliest, unpack(each.metadata))
                if each.offset < end:
                    self._behind[each.partition] = end
        if begun:
            self._commit_all(consumer, confirms, begun)
        if earliest and self._behind:
            prefixes = {prefix_of(self.name, self.topic, each.partition) for each in partitions}
            runs = f"/{self._observation.observation_point}#"
            published = confirms.published(earliest, lambda producer: runs in producer)
            self._unpublished.learn(earliest, (each for each in published if each[:PREFIX] in prefixes))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition], confirms: Confirming | None) -> None:
        """Another process goes on with these partitions: it begins behind what was read here."""
        self._commit(consumer, confirms)
        for each in partitions:
            self._read.pop(each.partition, None)
            self._committed.pop(each.partition, None)
            self._behind.pop(each.partition, None)

    def _commit(self, consumer: Consumer, confirms: Confirming | None) -> None:
        """Commit how far the topic was read, once all that was made of it is safe."""
        read = {
            partition: offset for partition, offset in self._read.items() if self._committed.get(partition) != offset
        }
        if read and confirms is not None:
            self._commit_all(consumer, confirms, read)
            self._committed |= read

    def _commit_all(self, consumer: Consumer, confirms: Confirming, offsets: dict[int, int]) -> None:
        places = confirms.confirm()
        if places is None:
            raise TaplineError(f"Kafka did not take all of {self.topic}: run this again, it goes on where that was")
        metadata = pack(self._unpublished.since(places), self.contents.kinds)
        wanted = [TopicPartition(self.topic, partition, offset, metadata) for partition, offset in offsets.items()]
        try:
            consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            # What is not committed is read again, and left out.
            _log.warning("cannot commit how far %s was read: %s", self.topic, error.args[0].str())


def _now() -> int:
    return time.time_ns() // 1000
