"""The exporter to files: reads the topics, and commits what is in files that are there, whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from exporters.backlog import Backlog
from exporters.consumer import POLL_SECONDS, REFUSALS, MessageExporter, connect_to_topics, new_consumer
from exporters.elasticsearch.dead_letters import DeadLetters
from exporters.files.batch import Batch, first_unwritten, json_of
from exporters.files.metrics import FILES, KAFKA_ERRORS, LAG, OLDEST, count_duplicate
from exporters.files.parts import Origin, is_ours, topic_id
from exporters.files.settings import FilesSettings
from exporters.letters import letter
from tapline.process.health import Health
from topics.catalog import BY_KIND, DEAD, Topic
from topics.codec import BadMessage, open_message
from topics.dead_letters import FILES as STAGE
from topics.errors import TaplineError
from topics.records import Record
from topics.rights import of_files, require
from topics.settings import KafkaSettings

GROUP: Final = STAGE
"""The consumer group, after the prefix of the topics."""

_TIMEOUT: Final = 10.0
_PATIENCE: Final = 30.0
"""Seconds for which Kafka is asked again for offsets, or to commit them."""

_EXPIRE_EVERY: Final = 600.0
_DIVIDED: Final = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID)
"""Errors of a commit that say that the group was divided anew without this member."""

_FINAL: Final = (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.FENCED_INSTANCE_ID, *_DIVIDED, *REFUSALS)
"""Errors of a commit that say that it will not be taken from this member any more."""

Place = tuple[str, int]


class FilesExporter(MessageExporter):
    """Writes every record into one file, exactly once.

    The files of a batch appear, then its offsets are committed. Their names tell these offsets, so whoever is
    assigned a partition sees which files were not committed, removes them and writes their records again.
    """

    def __init__(self, kafka: KafkaSettings, settings: FilesSettings, health: Health | None = None) -> None:
        self._topics: dict[str, Topic] = {
            BY_KIND[kind].name(kafka.prefix): BY_KIND[kind] for kind in dict.fromkeys(settings.kinds)
        }
        component = (health or Health()).component("files", stall_seconds=120)
        super().__init__(kafka, GROUP, component, Backlog(self._topics, LAG, OLDEST), KAFKA_ERRORS)
        self._settings = settings
        self._folder = Path(settings.folder)
        self._topic_ids: dict[str, str] = {}
        self._letters = DeadLetters(kafka)
        self._batches: dict[Place, Batch] = {}
        self._failure: TaplineError | None = None
        self._expired = 0.0

    def start(self) -> None:
        """Make the folder and join the consumer group; :class:`TaplineError` says what is not there."""
        if not self._topics:
            raise TaplineError("files.kinds is empty: name the kinds of records to write, as flow")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TaplineError(f"cannot make the folder {self._folder} ({error.strerror}): set files.folder") from error
        require(self._kafka, "files", of_files(self._kafka, self._topics.values()))
        admin, _ = connect_to_topics(self._kafka, [*self._topics, DEAD.name(self._kafka.prefix)])
        described = admin.describe_topics(TopicCollection(list(self._topics)), request_timeout=_TIMEOUT)
        self._topic_ids = {name: topic_id(future.result().topic_id) for name, future in described.items()}
        self._letters.start()
        self._join()
        self._backlog.show()
        self._health.ready()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Write until :meth:`leave` is called or ``until`` says so; what is in hand is finished and committed."""
        try:
            super().run(until)
            self._finish(list(self._batches))
        except OSError as error:
            raise TaplineError(f"cannot write below {self._folder} ({error}): nothing is lost, start again") from error

    def stop(self) -> None:
        """Leave the group; what is not committed is written again by the next."""
        self._discard(list(self._batches))
        self._close()
        self._letters.stop()

    def _join(self) -> None:
        self._consumer = new_consumer(
            self._kafka,
            self._group,
            self._note,
            {"partition.assignment.strategy": "cooperative-sticky"},
        )
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def _tend(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._finish([place for place, batch in self._batches.items() if batch.is_due])
        self._expire()

    def _take(self, message: Message) -> None:
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        topic, batch = self._topics[name], self._batches.get((name, partition))
        if batch is None:
            return
        if offset < batch.next:
            count_duplicate(topic.kind, _records_in(message, topic))
            return
        try:
            envelope, records = open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            # A dead letter that cannot be read would only come back as a longer one.
            if topic is not DEAD:
                self._letters.add(letter(GROUP, message, bad.reason, str(bad)))
            batch.pass_over(offset, bad.reason)
        else:

            def reject(index: int, record: Record, why: str) -> None:
                self._letters.add(letter(GROUP, message, "schema", why, index, json_of(record)))

            records = [] if envelope.is_snapshot or not envelope.is_for(GROUP) else records
            batch.add(offset, len(message.value() or b""), records, reject)
        self._backlog.took(message)

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
            self._backlog.exported(places)

    def _commit(self, done: list[TopicPartition]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                answers = self._running().commit(offsets=done, asynchronous=False) or []
                refused = next((each.error for each in answers if each.error is not None), None)
            except KafkaException as error:
                refused = error.args[0]
            # A broker that has just started is asked again: the same commit changes nothing.
            if refused is None or refused.code() in _FINAL or time.monotonic() >= deadline:
                break
            KAFKA_ERRORS.labels(refused.name()).inc()
            self._health.progress()
            time.sleep(POLL_SECONDS)
        if refused is None:
            return
        KAFKA_ERRORS.labels(refused.name()).inc()
        if refused.code() == KafkaError.REBALANCE_IN_PROGRESS:
            # Nobody else gets the partitions before they are given up here: undo, and write again.
            for each in self._begin(self._running(), done):
                self._running().seek(each)
        elif refused.code() in _DIVIDED:
            # Somebody else may own the partitions: their owner finds from the names what was not committed.
            self._discard(list(self._batches))
            self._running().close()
            self._join()
        else:
            raise TaplineError(f"offsets could not be committed ({refused.str()}): nothing is lost, start again")

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
                if time.monotonic() >= deadline or self._leaving.wait(POLL_SECONDS):
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
        self._discard([(each.topic, each.partition) for each in partitions])
        with suppress(KafkaException):
            consumer.incremental_unassign(partitions)

    def _discard(self, places: Sequence[Place]) -> None:
        self._backlog.forget(places)
        for place in places:
            batch = self._batches.pop(place, None)
            if batch is not None:
                with suppress(OSError):
                    batch.discard()

    def _expire(self) -> None:
        """Remove the days that are over their time; other files in their folders stay."""
        now = time.monotonic()
        if not self._settings.days or (self._expired and now - self._expired < _EXPIRE_EVERY):
            return
        self._expired = now
        FILES.labels("expired").inc(expire(self._folder, datetime.now(UTC).date() - timedelta(self._settings.days)))


def _records_in(message: Message, topic: Topic) -> int:
    """How many records a message counts for."""
    try:
        envelope, records = open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
    except BadMessage:
        return 1
    return 0 if envelope.is_snapshot or not envelope.is_for(GROUP) else len(records)


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
