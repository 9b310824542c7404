"""The exporter to files: reads the topics, and commits what is in files that are there, whole."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from exporters.elasticsearch.dead_letters import DeadLetters
from exporters.files.batch import Batch, first_unwritten, json_of
from exporters.files.metrics import FILES, KAFKA_ERRORS, LAG, RECORDS, REJECTIONS, SKIPPED
from exporters.files.parts import Origin, is_ours, topic_id
from exporters.files.settings import FilesSettings
from exporters.letters import letter
from tapline.process.health import Health
from topics.admin import connect
from topics.catalog import BY_KIND, DEAD, Topic
from topics.codec import BadMessage, open_message
from topics.dead_letters import FILES as STAGE
from topics.errors import TaplineError
from topics.records import Record
from topics.settings import KafkaSettings

GROUP: Final = STAGE
"""The consumer group, after the prefix of the topics."""

_POLL_SECONDS: Final = 0.2
_TIMEOUT: Final = 10.0
_PATIENCE: Final = 30.0
"""Seconds for which Kafka is asked again for offsets, or to commit them."""

_LAG_EVERY: Final = 5.0
_EXPIRE_EVERY: Final = 600.0
_FATAL: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._FATAL,  # noqa: SLF001 - the library's public constant
)

_NOT_OURS: Final = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    *_FATAL,
)
"""Errors of a commit that say that it will not be taken from this member any more."""

_log = logging.getLogger(__name__)

Place = tuple[str, int]


class FilesExporter:
    """Writes every record into one file, exactly once.

    The files of a batch appear, then its offsets are committed. Their names tell these offsets, so whoever is
    assigned a partition sees which files were not committed, removes them and writes their records again.
    :meth:`run` may be left from any thread, or by a signal handler, with :meth:`leave`.
    """

    def __init__(self, kafka: KafkaSettings, settings: FilesSettings, health: Health | None = None) -> None:
        self._kafka = kafka
        self._settings = settings
        self._folder = Path(settings.folder)
        self._health = (health or Health()).component("files", stall_seconds=120)
        self._topics: dict[str, Topic] = {
            BY_KIND[kind].name(kafka.prefix): BY_KIND[kind] for kind in dict.fromkeys(settings.kinds)
        }
        self._topic_ids: dict[str, str] = {}
        self._leaving = threading.Event()
        self._letters = DeadLetters(kafka)
        self._consumer: Consumer | None = None
        self._batches: dict[Place, Batch] = {}
        self._failure: BaseException | None = None
        self._lag_read = 0.0
        self._expired = 0.0

    def start(self) -> None:
        """Make the folder and join the consumer group; :class:`TaplineError` says what is not there."""
        if not self._topics:
            raise TaplineError("files.kinds is empty: name the kinds of records to write, as flow")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TaplineError(f"cannot make the folder {self._folder} ({error.strerror}): set files.folder") from error
        admin, metadata = connect(self._kafka)
        for name in (*self._topics, DEAD.name(self._kafka.prefix)):
            if name not in metadata.topics:
                raise TaplineError(f"topic {name} does not exist: run `tapline topics create`")
        described = admin.describe_topics(TopicCollection(list(self._topics)), request_timeout=_TIMEOUT)
        self._topic_ids = {name: topic_id(future.result().topic_id) for name, future in described.items()}
        self._letters.start()
        self._consumer = Consumer(
            {
                "queued.max.messages.kbytes": 32 * 1024,
                **self._kafka.client(),
                "group.id": f"{self._kafka.prefix}-{GROUP}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "partition.assignment.strategy": "cooperative-sticky",
                "error_cb": _note,
            },
            logger=_log,
        )
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        self._health.ready()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Write until :meth:`leave` is called or ``until`` says so; what is in hand is finished and committed."""
        consumer = self._running()
        try:
            while not self._leaving.is_set() and not (until is not None and until()):
                message = consumer.poll(_POLL_SECONDS)
                self._health.progress()
                if self._failure is not None:
                    raise self._failure
                if message is not None:
                    self._take(message)
                self._finish([place for place, batch in self._batches.items() if batch.is_due])
                self._expire()
                self._measure_lag(consumer)
            self._finish(list(self._batches))
        except OSError as error:
            raise TaplineError(f"cannot write below {self._folder} ({error}): nothing is lost, start again") from error

    def leave(self) -> None:
        """Have :meth:`run` finish the files in hand and return."""
        self._leaving.set()

    def stop(self) -> None:
        """Leave the group; what is not committed is written again by the next."""
        self._health.ready(is_ready=False)
        for batch in self._batches.values():
            with suppress(OSError):
                batch.discard()
        self._batches.clear()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._letters.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("not started")
        return self._consumer

    def _take(self, message: Message) -> None:
        problem = message.error()
        if problem is not None:
            _note(problem)
            if problem.code() in _FATAL:
                raise TaplineError(f"Kafka refuses the exporter: {problem.str()}")
            return
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        topic, batch = self._topics[name], self._batches.get((name, partition))
        if batch is None:
            return
        if offset < batch.next:
            SKIPPED.labels(topic.kind).inc()
            return
        value = message.value() or b""

        def reject(index: int, record: Record, why: str) -> None:
            REJECTIONS.labels(topic.kind, "schema").inc()
            self._letters.add(letter(GROUP, message, "schema", why, index, json_of(record)))

        try:
            envelope, records = open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            RECORDS.labels(topic.kind).inc()
            REJECTIONS.labels(topic.kind, bad.reason).inc()
            # A dead letter that cannot be read would only come back as a longer one.
            if topic is not DEAD:
                self._letters.add(letter(GROUP, message, bad.reason, str(bad)))
            records = []
        else:
            records = [] if envelope.is_snapshot or not envelope.is_for(GROUP) else records
            RECORDS.labels(topic.kind).inc(len(records))
        batch.add(offset, len(value), records, reject)

    def _finish(self, places: Sequence[Place]) -> None:
        """Have the files of these partitions appear, and commit."""
        if not places:
            return
        while not self._letters.settle(1.0):
            self._health.problem("dead letters cannot be published")
            if self._leaving.is_set():
                return
        self._health.problem("")
        done = []
        for place in places:
            batch = self._batches[place]
            if batch.next > batch.first:
                batch.finish()
                done.append(TopicPartition(*place, batch.next))
                self._batches[place] = self._new_batch(*place, batch.next)
        if done:
            self._commit(done)

    def _commit(self, done: list[TopicPartition]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                answers = self._running().commit(offsets=done, asynchronous=False) or []
                refused = next((each.error for each in answers if each.error is not None), None)
            except KafkaException as error:
                refused = error.args[0]
            # A broker that has just started is asked again: the same commit changes nothing.
            if refused is None or refused.code() in _NOT_OURS or time.monotonic() >= deadline:
                break
            KAFKA_ERRORS.labels(refused.name()).inc()
            self._health.progress()
            time.sleep(_POLL_SECONDS)
        if refused is None:
            return
        KAFKA_ERRORS.labels(refused.name()).inc()
        if refused.code() != KafkaError.REBALANCE_IN_PROGRESS:
            # Somebody else may own the partitions: their owner finds from the names what was not committed.
            raise TaplineError(f"offsets could not be committed ({refused.str()}): nothing is lost, start again")
        # Nobody else gets the partitions before they are given up here: undo, and write again.
        for each in self._begin(self._running(), done):
            self._running().seek(each)

    def _new_batch(self, name: str, partition: int, first: int) -> Batch:
        return Batch(Origin(self._topics[name].kind, self._topic_ids[name], partition), self._settings, first)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            consumer.incremental_assign(self._begin(consumer, partitions))
        except (KafkaException, OSError) as error:
            self._failure = TaplineError(f"cannot begin with the partitions assigned: {error}")

    def _begin(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Make the files of these partitions agree with what is committed, and say where to read on."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._positions(consumer, partitions)
            except KafkaException as error:
                # A broker that has just started, or a topic just made, has to be asked more than once.
                KAFKA_ERRORS.labels(error.args[0].name()).inc()
                if time.monotonic() >= deadline or self._leaving.wait(_POLL_SECONDS):
                    raise

    def _positions(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        begin = []
        for each in consumer.committed([TopicPartition(each.topic, each.partition) for each in partitions], _TIMEOUT):
            if each.error is not None:
                raise KafkaException(each.error)
            low, _ = consumer.get_watermark_offsets(TopicPartition(each.topic, each.partition), timeout=_TIMEOUT)
            committed = low if each.offset == OFFSET_INVALID else max(low, each.offset)
            origin = Origin(self._topics[each.topic].kind, self._topic_ids[each.topic], each.partition)
            first = first_unwritten(self._folder, origin, committed)
            self._batches[each.topic, each.partition] = self._new_batch(each.topic, each.partition, first)
            begin.append(TopicPartition(each.topic, each.partition, committed))
        return begin

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Leave what is in hand to the partitions' next owner, who reads on from the last commit."""
        for each in partitions:
            batch = self._batches.pop((each.topic, each.partition), None)
            if batch is not None:
                batch.discard()
            with suppress(KeyError):
                LAG.remove(self._topics[each.topic].kind, str(each.partition))
        with suppress(KafkaException):
            consumer.incremental_unassign(partitions)

    def _expire(self) -> None:
        """Remove the days that are over their time; other files in their folders stay."""
        now = time.monotonic()
        if not self._settings.days or (self._expired and now - self._expired < _EXPIRE_EVERY):
            return
        self._expired = now
        FILES.labels("expired").inc(expire(self._folder, datetime.now(UTC).date() - timedelta(self._settings.days)))

    def _measure_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._lag_read < _LAG_EVERY:
            return
        self._lag_read = now
        with suppress(KafkaException):
            for position in consumer.position([TopicPartition(*place) for place in self._batches]):
                _, end = consumer.get_watermark_offsets(position, cached=True)
                if position.offset >= 0 and end >= 0:
                    LAG.labels(self._topics[position.topic].kind, str(position.partition)).set(end - position.offset)


def expire(folder: Path, oldest: date) -> int:
    """Remove the exporter's files of days before ``oldest``, and folders that are empty then; return how many files."""
    removed = 0
    for day in folder.glob("kind=*/day=*"):
        if day.name.removeprefix("day=") >= oldest.isoformat():
            continue
        for path in day.iterdir():
            if is_ours(path):
                path.unlink(missing_ok=True)
                removed += 1
        with suppress(OSError):
            day.rmdir()
    return removed


def _note(error: KafkaError) -> None:
    KAFKA_ERRORS.labels(error.name()).inc()
    _log.warning("Kafka: %s", error.str())
