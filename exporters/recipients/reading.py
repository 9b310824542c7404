"""One recipient's way through the notification topic, and through what people say about alerts."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import Struct

from exporters.consumer import POLL_SECONDS, REFUSALS, new_consumer
from exporters.recipients.metrics import KAFKA_ERRORS, LAG, OLDEST, REJECTIONS
from exporters.recipients.places import Place, Position, committed_position
from topics.catalog import NOTIFICATION, POLICY
from topics.codec import BadMessage, Headers, open_message
from topics.dead_letters import RECIPIENT
from topics.errors import TaplineError
from topics.records import Record
from topics.settings import KafkaSettings

LOOK_BACK: Final = 2000
"""How many messages before its commit of each partition are read again, to know what a recipient was told."""

_TIMEOUT: Final = 10.0
_LAG_EVERY: Final = 5.0
_LAG_TIMEOUT: Final = 1.0
_MOST_POLL_INTERVAL_MS: Final = 15 * 60 * 1000
_QUEUED_KILOBYTES: Final = 1024

_log = logging.getLogger(__name__)


def stage_of(name: str) -> str:
    """What a recipient is called as the stage of a dead letter, and in its consumer group."""
    return f"{RECIPIENT}{name}"


def group_of(kafka: KafkaSettings, name: str) -> str:
    """The consumer group of a recipient."""
    return f"{kafka.prefix}-{stage_of(name)}"


class Item(Struct, frozen=True):
    """A record as it is handed out, or why there is none in a message.

    ``published`` is when Kafka took the message, in epoch seconds. ``is_known`` says that an earlier process has dealt
    with it, ``is_again`` that it is a dead letter sent again to this recipient. ``index`` is that of the record in
    its message.
    """

    place: Place
    offset: int
    published: float
    is_known: bool
    index: int | None = None
    is_again: bool = False
    record: Record | None = None
    problem: BadMessage | None = None
    headers: Headers | None = None
    value: bytes | None = None


class NotificationReader:
    """Hands out notifications and entries of the policy, each partition in its order, and commits.

    ``leaving`` ends every wait. After partitions were taken away :attr:`is_disturbed` is true, until
    :meth:`begin_again`.
    """

    def __init__(self, kafka: KafkaSettings, name: str, leaving: threading.Event, progress: Callable[[], None]) -> None:
        self._kafka = kafka
        self._name = name
        self._leaving = leaving
        self._progress = progress
        self._topics = {topic.name(kafka.prefix): topic for topic in (NOTIFICATION, POLICY)}
        self._consumer: Consumer | None = None
        self._places: dict[tuple[str, int], Place] = {}
        self._withheld: set[tuple[str, int]] = set()
        self._held: deque[Message] = deque()
        self._items: deque[tuple[Position, Item]] = deque()
        self._paused = False
        self._lag_read = 0.0
        self.is_disturbed = False

    def start(self) -> None:
        """Join the recipient's consumer group."""
        self._consumer = new_consumer(
            self._kafka,
            group_of(self._kafka, self._name),
            self._note,
            {
                "enable.partition.eof": True,
                "max.poll.interval.ms": _MOST_POLL_INTERVAL_MS,
                "partition.assignment.strategy": "cooperative-sticky",
            },
            _QUEUED_KILOBYTES,
        )
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        OLDEST.labels(self._name).set_function(self.age)

    def stop(self) -> None:
        """Leave the group; what is not committed is read again by the next."""
        with suppress(KeyError):
            OLDEST.remove(self._name)
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._places.clear()
        self._withheld.clear()
        self._held.clear()
        self._items.clear()
        self._paused = self.is_disturbed = False

    @property
    def topic_name(self) -> str:
        """The notification topic's name."""
        return NOTIFICATION.name(self._kafka.prefix)

    def age(self) -> float:
        """How many seconds ago Kafka took the oldest message that was handed out and is not dealt with."""
        since = [place.since for place in self._places.copy().values() if place.has_waiting]
        return max(0.0, time.time() - min(since)) if since else 0.0

    @property
    def has_places(self) -> bool:
        """True when partitions are assigned."""
        return bool(self._places)

    @property
    def is_restoring(self) -> bool:
        """True while a digest that was announced is to be put together again."""
        return any(place.until is not None for place in self._places.values())

    @property
    def is_restored(self) -> bool:
        """True when all of a digest that was announced has been handed out."""
        return all(place.until is None or place.read >= place.until for place in self._places.values())

    def next(self, seconds: float) -> Item | None:
        """The next record, waited for up to so long; everything handed out before counts as read."""
        consumer = self._running()
        if self._paused:
            self._paused = False
            consumer.resume([place.at(0) for key, place in self._places.items() if key not in self._withheld])
        if not self._items:
            message = self._held.popleft() if self._held else consumer.poll(min(seconds, POLL_SECONDS))
            if message is not None:
                self._open(message)
        self._measure_lag(consumer)
        while self._items and not self.is_disturbed:
            after, item = self._items.popleft()
            if after <= item.place.read:
                continue
            if not self._may_pass(item.place):
                self._withhold(item.place)
                continue
            if not item.place.has_waiting:
                item.place.since = item.published
            item.place.read = after
            if item.record is not None or item.problem is not None:
                return item
        self._pass_on()
        return None

    def settle(self) -> None:
        """Everything that was handed out is dealt with."""
        for place in self._places.values():
            place.done = max(place.done, place.read)

    def announce(self) -> bool:
        """Commit that everything handed out goes into one digest; false when that could not be done."""
        for place in self._places.values():
            place.until = max(place.done, place.read)
        return self.commit()

    def conclude(self) -> None:
        """The digest that was announced is dealt with, and all that was handed out."""
        for place in self._places.values():
            place.until = None
        self.settle()
        self._pass_on()

    def commit(self) -> bool:
        """Commit what is dealt with, however long Kafka is away; false when leaving or disturbed."""
        while any(place.is_changed for place in self._places.values()):
            if self._try_commit():
                return True
            if not self.idle(0.5):
                return False
        return True

    def idle(self, seconds: float) -> bool:
        """Hand out nothing for so long, staying in the group; false when leaving or disturbed."""
        consumer = self._running()
        if not self._paused:
            self._paused = True
            consumer.pause([place.at(0) for place in self._places.values()])
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._leaving.is_set() and not self.is_disturbed:
            message = consumer.poll(min(left, POLL_SECONDS))
            if message is not None:
                self._held.append(message)
            self._measure_lag(consumer)
            self._progress()
        return not self._leaving.is_set() and not self.is_disturbed

    def begin_again(self) -> None:
        """Read again all that is not dealt with."""
        consumer = self._running()
        self.is_disturbed = False
        self._items.clear()
        self._held.clear()
        for place in self._places.values():
            place.read = min(place.read, place.done)
            place.is_fresh = True
            consumer.seek(place.at(place.read.offset))

    def _running(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("not started")
        return self._consumer

    def _open(self, message: Message) -> None:
        problem = message.error()
        if problem is not None:
            if problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                place = self._places.get((message.topic() or "", message.partition() or 0))
                if place is not None:
                    place.has_ended = True
                return
            self._note(problem)
            if problem.code() in REFUSALS:
                raise TaplineError(f"Kafka refuses recipient {self._name}: {problem.str()}")
            return
        place = self._places.get((message.topic() or "", message.partition() or 0))
        if place is None:
            return
        offset, headers, value = message.offset() or 0, message.headers(), message.value()
        published = message.timestamp()[1] / 1000
        last = Position(offset + 1)
        known = Position(offset) < place.start
        if value is None:
            self._items.append((last, Item(place, offset, published, known)))
            return
        try:
            envelope, records = open_message(headers, value, place.topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            item = Item(place, offset, published, known, problem=bad, headers=headers, value=value)  # type: ignore[arg-type]
            self._items.append((last, item))
            return
        if envelope.is_snapshot or not envelope.is_for(stage_of(self._name)):
            # What was sent again to another stage has been told.
            self._items.append((last, Item(place, offset, published, known)))
            return
        for index, record in enumerate(records):
            after = Position(offset, index + 1) if index + 1 < len(records) else last
            known = Position(offset, index) < place.start
            item = Item(place, offset, published, known, index, bool(envelope.reader), record, headers=headers)  # type: ignore[arg-type]
            self._items.append((after, item))

    def _may_pass(self, place: Place) -> bool:
        """Not yet: what people say of alerts before the alerts themselves, and what is not in the digest."""
        if place.until is not None and place.read >= place.until:
            return False
        return place.topic is not POLICY or all(
            each.is_caught_up for each in self._places.values() if each.topic is not POLICY
        )

    def _withhold(self, place: Place) -> None:
        self._items.clear()
        if place.key not in self._withheld:
            self._withheld.add(place.key)
            self._running().pause([place.at(0)])

    def _pass_on(self) -> None:
        """Read on where what was withheld may pass."""
        for key in [key for key in self._withheld if self._may_pass(self._places[key])]:
            self._withheld.discard(key)
            place = self._places[key]
            self._running().seek(place.at(place.read.offset))
            self._running().resume([place.at(0)])

    def _try_commit(self) -> bool:
        changed = [place for place in self._places.values() if place.is_changed]
        meant = {place.key: (place.done, place.until) for place in changed}
        try:
            answers = self._running().commit(offsets=[place.commit() for place in changed], asynchronous=False)
        except KafkaException as error:
            self._note(error.args[0])
            return False
        refused = False
        for each in answers or ():
            place = self._places.get((each.topic, each.partition))
            if each.error is not None:
                self._note(each.error)
                refused = True
            elif place is not None:
                place.committed = meant[place.key]
        return not refused

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in consumer.committed(partitions, timeout=_TIMEOUT):
            if each.error is not None:
                raise KafkaException(each.error)
            place = self._place_of(consumer, each)
            self._places[place.key] = place
        consumer.incremental_assign(
            [self._places[each.topic, each.partition].at(self._first_offset(consumer, each)) for each in partitions]
        )
        if self._paused:
            consumer.pause(partitions)

    def _place_of(self, consumer: Consumer, found: TopicPartition) -> Place:
        topic = self._topics[found.topic]
        low, high = consumer.get_watermark_offsets(TopicPartition(found.topic, found.partition), timeout=_TIMEOUT)
        if found.offset < 0:
            _log.info(
                "recipient begins with what is told from now on",
                extra={"recipient": self._name, "topic": found.topic, "partition": found.partition, "offset": high},
            )
            place = Place(topic, found.topic, found.partition, Position(high), None)
            place.committed = (Position(-1), None)
            return place
        start, until = committed_position(found.offset, found.metadata)
        if start.offset < low:
            REJECTIONS.labels(self._name, "retention").inc(low - start.offset)
            _log.warning(
                "Kafka no longer holds messages that the recipient was not told of",
                extra={"recipient": self._name, "topic": found.topic, "messages": low - start.offset},
            )
            start = Position(low)
        # Where nothing of the digest lies, nothing may be handed out before it is put together.
        until = None if until is None else max(until, start)
        return Place(topic, found.topic, found.partition, start, until)

    def _first_offset(self, consumer: Consumer, partition: TopicPartition) -> int:
        place = self._places[partition.topic, partition.partition]
        first = place.start.offset
        if place.topic is NOTIFICATION:
            low, _ = consumer.get_watermark_offsets(
                TopicPartition(partition.topic, partition.partition), timeout=_TIMEOUT, cached=False
            )
            first = max(low, first - LOOK_BACK)
        place.read = min(place.start, Position(first))
        return first

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Leave the partitions to their next owner, who reads on from the last commit."""
        for each in partitions:
            key = (each.topic, each.partition)
            self.is_disturbed |= self._places.pop(key, None) is not None
            self._withheld.discard(key)
            with suppress(KeyError):
                LAG.remove(self._name, f"{self._topics[each.topic].kind}/{each.partition}")

    def _measure_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._lag_read < _LAG_EVERY:
            return
        self._lag_read = now
        with suppress(KafkaException):
            for place in self._places.values():
                # The client knows what it has seen while reading; of paused partitions Kafka has to be asked.
                _, end = consumer.get_watermark_offsets(place.at(0), timeout=_LAG_TIMEOUT, cached=not self._paused)
                if end >= 0:
                    LAG.labels(self._name, f"{place.topic.kind}/{place.partition}").set(max(0, end - place.done.offset))

    def _note(self, error: KafkaError) -> None:
        KAFKA_ERRORS.labels(self._name, error.name()).inc()
        _log.warning("Kafka: %s", error.str(), extra={"recipient": self._name})
