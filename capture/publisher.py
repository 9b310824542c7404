"""Sending messages to Kafka without losing any."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Final, Protocol, Self, runtime_checkable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from capture import metrics
from capture.published import NotReadable, ended_between, ends_of, ids_between, offset_since
from capture.source import Places, window_of
from topics.admin import connect, require_topics
from topics.catalog import ALERT, CAPTURED, UNMARKED, Topic
from topics.errors import TaplineError
from topics.refusals import refused
from topics.rights import of_capture, require
from topics.settings import KafkaSettings

MAX_BYTES: Final = 4 * 1024 * 1024
"""Longest message body that is sent; the topics take twice as much."""

_LIVE_WAIT: Final = 5.0
_STALLED: Final = 300.0
_LIVE_STALLED: Final = 120.0
_LIVE_FLUSH: Final = 25.0
_FLUSH: Final = 0.05
_LATELY: Final = 300.0
"""Seconds in which an earlier run may have ended whose last window is not over."""

_FOREVER_MS: Final = 2_147_483_647
_LIVE_TIMEOUT_MS: Final = 300_000

_log = logging.getLogger("tapline.capture")


class PublishError(TaplineError):
    """Kafka no longer takes what is sent; what was sent may be incomplete."""


class Publisher(Protocol):
    """Where the messages of a node go."""

    def partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""

    def send(self, topic: Topic, partition: int, value: bytes, headers: list[tuple[str, bytes]], records: int) -> bool:
        """Hand over one message; False when it had to be dropped (and its ``records`` were counted).

        A message of no ``records`` is a marker, which is never dropped.
        """

    def poll(self) -> None:
        """Let acknowledgements come in; :class:`PublishError` when there is no point in going on."""

    def flush(self) -> None:
        """Wait until everything handed over is acknowledged."""


@runtime_checkable
class Recalling(Protocol):
    """A publisher that can say where its messages are, and read back those of before."""

    def confirm(self) -> Places | None:
        """Wait until everything handed over before is acknowledged; None where Kafka did not take some of it.

        Later messages will stand at these places or after them.
        """

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
        """The ids of the records at these places or after them whose producer is ``is_ours``, up to now."""

    def ended(self, is_ours: Callable[[str], bool]) -> int:
        """The latest window that a producer that ``is_ours`` has marked lately as its last; -1 for none."""


@runtime_checkable
class Tracking(Protocol):
    """A publisher that can say, without waiting, what has arrived."""

    def mark(self) -> int:
        """A number for what has been handed over so far."""

    def arrived(self, mark: int) -> bool:
        """True once all that was handed over before this mark is acknowledged, or was dropped."""


class KafkaPublisher:
    """An idempotent producer with a bounded queue.

    When the queue is full :meth:`send` waits: for a file as long as messages still go out, on a live
    capture for 5 seconds, then messages are dropped, and their records counted, until there is room.
    Use as a context manager, which checks that Kafka is there and has the ``topics``.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        live: bool,
        queue_megabytes: int = 64,
        topics: Sequence[Topic] = (*CAPTURED, *UNMARKED),
    ) -> None:
        self._settings = settings
        self._live = live
        self._queue_megabytes = queue_megabytes
        self._topics = topics
        self._names = {topic.kind: topic.name(settings.prefix) for topic in topics}
        self._partitions: dict[str, int] = {}
        self._producer: Producer | None = None
        self._delivered = 0
        self._overflowing = False
        self._error = ""
        self._lost = False
        self._numbers = count()
        self._lock = threading.Lock()
        self._under_way: dict[int, None] = {}
        self._reached: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        require(self._settings, "capture", of_capture(self._settings, self._topics))
        admin, metadata = connect(self._settings)
        require_topics(self._settings, admin, metadata, self._names.values())
        self._partitions = {kind: len(metadata.topics[name].partitions) for kind, name in self._names.items()}
        self._producer = Producer(
            {
                "enable.idempotence": True,
                # A broker that has forgotten a producer, or never knew it, takes the sequence that comes first
                # for the first: with several requests under way a refused one could then be lost as a duplicate.
                "max.in.flight.requests.per.connection": 1,
                "acks": "all",
                "compression.type": "zstd",
                "linger.ms": 20,
                "message.max.bytes": 2 * MAX_BYTES,
                "queue.buffering.max.kbytes": self._queue_megabytes * 1024,
                "queue.buffering.max.messages": 100_000,
                "message.timeout.ms": _LIVE_TIMEOUT_MS if self._live else _FOREVER_MS,
                "error_cb": self._on_error,
                "log_level": 0,
            }
            | self._settings.client()
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def partitions(self, topic: Topic) -> int:
        return self._partitions[topic.kind]

    def send(self, topic: Topic, partition: int, value: bytes, headers: list[tuple[str, bytes]], records: int) -> bool:
        number = next(self._numbers)
        with self._lock:
            self._under_way[number] = None
        taken = False
        try:
            taken = self._send(topic, partition, value, headers, records, number)
        finally:
            if not taken:
                self._arrived(number)
        return taken

    def _send(
        self, topic: Topic, partition: int, value: bytes, headers: list[tuple[str, bytes]], records: int, number: int
    ) -> bool:
        producer = self._running()
        began = seen_at = time.monotonic()
        seen = self._delivered
        while True:
            try:
                producer.produce(
                    self._names[topic.kind],
                    value=value,
                    partition=partition,
                    headers=headers,  # type: ignore[arg-type]
                    on_delivery=partial(self._on_delivery, records, number),
                )
            except BufferError:
                metrics.WAITS.inc()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE and records == 1:
                    metrics.DROPPED.labels("too-large").inc()
                    _log.error(
                        "a %s record of %d bytes is more than Kafka takes: it is dropped", topic.kind, len(value)
                    )
                    return False
                name = self._names[topic.kind]
                raise PublishError(f"Kafka refused a message for {name}: {error.args[0].str()}") from error
            else:
                self._overflowing = False
                self.poll()
                return True
            now = time.monotonic()
            if self._live and records and (self._overflowing or now - began > _LIVE_WAIT):
                self._overflowing = True
                self.poll()
                metrics.DROPPED.labels("queue-full").inc(records)
                return False
            producer.poll(0.1)
            self._raise_error()
            if self._delivered != seen:
                seen, seen_at = self._delivered, now
            if now - seen_at > (_LIVE_STALLED if self._live else _STALLED):
                raise self._stalled()

    def poll(self) -> None:
        producer = self._running()
        producer.poll(0)
        metrics.QUEUE.set(len(producer))
        self._raise_error()

    def flush(self) -> None:
        self._wait(next(self._numbers))
        self._raise_error()

    def mark(self) -> int:
        return next(self._numbers)

    def arrived(self, mark: int) -> bool:
        self.poll()
        return self._oldest(mark) >= mark

    def confirm(self) -> Places | None:
        self.flush()
        if not self._reached:
            # What comes next to a partition that has nothing of ours comes after what it has now.
            self._reached = dict.fromkeys(self._all(), 0) | ends_of(self._settings, self._all())
        if self._lost:
            return None
        with self._lock:
            return {
                kind: [self._reached[name, partition] for partition in range(self._partitions[kind])]
                for kind, name in self._names.items()
            }

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
        # What a run of before had under way is there, or never will be, once something that was sent now is.
        self.flush()
        begins = {(self._names[kind], partition): offset for kind, partition, offset in self._known(places)}
        return ids_between(self._settings, begins, ends_of(self._settings, list(begins)), is_ours)

    def ended(self, is_ours: Callable[[str], bool]) -> int:
        # Markers are in every partition of every topic: of alerts there are the fewest.
        place = (self._names[ALERT.kind], 0)
        begin = offset_since(self._settings, place, _LATELY)
        if begin is None:
            return -1
        try:
            return ended_between(self._settings, place, begin, ends_of(self._settings, [place])[place], is_ours)
        except NotReadable as error:
            # Whatever an earlier run has ended with, it was not the window that comes next.
            _log.warning("beginning with the next window, as the last one of an earlier run is not known: %s", error)
            return window_of(time.time_ns() // 1000)

    def _known(self, places: Places) -> Iterator[tuple[str, int, int]]:
        for kind, offsets in places.items():
            for partition in range(self._partitions.get(kind, 0)):
                # A partition that was added since has nothing of before.
                yield kind, partition, offsets[partition] if partition < len(offsets) else 0

    def _all(self) -> list[tuple[str, int]]:
        return [(name, partition) for kind, name in self._names.items() for partition in range(self._partitions[kind])]

    def _wait(self, until: int) -> None:
        """Return when the messages numbered below have been acknowledged; others may go on sending."""
        producer = self._running()
        seen, seen_at = self._delivered, time.monotonic()
        while self._oldest(until) < until:
            producer.flush(_FLUSH)
            self._raise_error()
            now = time.monotonic()
            if self._delivered != seen:
                seen, seen_at = self._delivered, now
            if now - seen_at > (_LIVE_FLUSH if self._live else _STALLED):
                raise self._stalled()
        metrics.QUEUE.set(len(producer))

    def _oldest(self, otherwise: int) -> int:
        """The number of the oldest message that is under way."""
        with self._lock:
            return next(iter(self._under_way), otherwise)

    def _arrived(self, number: int) -> None:
        with self._lock:
            del self._under_way[number]

    def _running(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("the publisher is not started")
        return self._producer

    def _raise_error(self) -> None:
        if self._error:
            raise PublishError(self._error)

    def _stalled(self) -> PublishError:
        where = self._settings.bootstrap
        return PublishError(f"Kafka at {where} takes nothing any more: see `tapline status`, then run this again")

    def _on_delivery(self, records: int, number: int, error: KafkaError | None, message: Message) -> None:
        self._arrived(number)
        if error is None:
            self._delivered += 1
            self._note(message)
            metrics.PUBLISHED.inc()
            return
        if error.code() in {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}:  # noqa: SLF001 - public constants
            return
        self._lost = True
        metrics.DROPPED.labels("delivery").inc(records)
        why = refused(self._settings, error, "Write", message.topic() or "")
        _log.error("Kafka did not take a message for %s: %s", message.topic(), why)
        if not self._live:
            self._error = f"Kafka did not take a message for {message.topic()} ({why}): run this again"

    def _note(self, message: Message) -> None:
        """Remember where a message came to stand."""
        name, partition, offset = message.topic(), message.partition(), message.offset()
        if self._reached and name is not None and partition is not None and offset is not None:
            with self._lock:
                self._reached[name, partition] = max(self._reached[name, partition], offset + 1)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._error = f"Kafka's producer failed ({error.str()}): run this again"
        else:
            _log.warning("Kafka: %s", error.str())
