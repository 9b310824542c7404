"""The mirror: reads batches, writes one record a message, and commits both as one transaction of Kafka."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from exporters.backlog import Backlog
from exporters.consumer import MessageExporter, connect_to_topics, new_consumer
from exporters.letters import letter
from exporters.mirror.messages import headers_of, key_of, size_of, value_of
from exporters.mirror.metrics import KAFKA_ERRORS, LAG, MIRRORED, OLDEST, READ, REJECTIONS, TRANSACTIONS
from exporters.mirror.settings import MirrorSettings
from exporters.mirror.targets import MAX_BYTES, TIMEOUT, create, largest_messages
from tapline.process.health import Health
from topics.catalog import BY_KIND, DEAD, Topic
from topics.codec import BadMessage, encode, open_message
from topics.dead_letters import MIRROR, dead_envelope
from topics.errors import TaplineError
from topics.records import DeadLetter
from topics.refusals import lacking
from topics.rights import of_mirror, require
from topics.settings import KafkaSettings

GROUP: Final = MIRROR
"""The consumer group, after the prefix of the topics."""

MOST_RECORDS: Final = 20_000
"""Records of a transaction, and at most one message more."""

LONGEST: Final = 1.0
"""Seconds after its first record at which a transaction is committed."""

_BATCH_BYTES: Final = 1_000_000

_log = logging.getLogger(__name__)


class MirrorExporter(MessageExporter):
    """Mirrors every record exactly once, for consumers that read committed messages only.

    The records and the offsets of the messages they came in are one transaction. One that was not committed is
    aborted by the next process of the same ``instance``, or by Kafka after its timeout.
    """

    def __init__(self, kafka: KafkaSettings, settings: MirrorSettings, health: Health | None = None) -> None:
        self._topics: dict[str, Topic] = {
            BY_KIND[kind].name(kafka.prefix): BY_KIND[kind] for kind in dict.fromkeys(settings.kinds)
        }
        component = (health or Health()).component("mirror", stall_seconds=180)
        super().__init__(kafka, GROUP, component, Backlog(self._topics, LAG, OLDEST), KAFKA_ERRORS)
        self._settings = settings
        self._prefix = settings.prefix or f"{kafka.prefix}.mirror"
        self._producer: Producer | None = None
        self._largest: dict[str, int] = {}
        self._has_outgrown = False
        self._began = 0.0
        self._firsts: dict[tuple[str, int], int] = {}
        self._nexts: dict[tuple[str, int], int] = {}
        self._read: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._rejected: Counter[tuple[str, str]] = Counter()

    def start(self) -> None:
        """Make missing topics, end what an earlier process left undone, join; :class:`TaplineError` where refused."""
        if not self._topics:
            raise TaplineError("mirror.kinds is empty: name the kinds of records to mirror, as flow")
        if self._prefix == self._kafka.prefix:
            raise TaplineError(f"mirror.prefix is {self._prefix!r}, as that of the topics themselves: choose another")
        transactions = f"{self._kafka.prefix}-{GROUP}-{self._settings.instance}"
        rights = of_mirror(self._kafka, self._topics.values(), self._prefix, self._settings.instance)
        require(self._kafka, "mirror", rights)
        admin, metadata = connect_to_topics(self._kafka, [*self._topics, DEAD.name(self._kafka.prefix)])
        create(
            self._kafka,
            admin,
            {self.target(topic): topic for topic in self._topics.values()},
            {self.target(topic): len(metadata.topics[name].partitions) for name, topic in self._topics.items()},
            set(metadata.topics),
        )
        self._largest = largest_messages(admin, map(self.target, self._topics.values()))
        try:
            self._producer = Producer(
                {
                    "compression.type": "zstd",
                    "linger.ms": 20,
                    "partitioner": "murmur2_random",
                    "transaction.timeout.ms": 60_000,
                    **self._kafka.client(),
                    "message.max.bytes": MAX_BYTES,
                    # A batch that a topic refuses would take with it messages that it does not.
                    "batch.size": min(_BATCH_BYTES, *self._largest.values()),
                    "transactional.id": transactions,
                    "error_cb": self._note,
                },
                logger=_log,
            )
            self._producer.init_transactions(TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                raise TaplineError(lacking(self._kafka, f"Write on the transactional id {transactions}")) from error
            raise TaplineError(f"Kafka refuses transactions ({error.args[0].str()}): see `tapline doctor`") from error
        self._consumer = new_consumer(
            self._kafka,
            self._group,
            self._note,
            {"isolation.level": "read_committed", "partition.assignment.strategy": "range"},
        )
        self._consumer.subscribe(list(self._topics), on_revoke=self._on_revoke, on_lost=self._on_revoke)
        self._backlog.show()
        self._health.ready()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Mirror until :meth:`leave` is called or ``until`` says so; what is in hand is committed."""
        try:
            super().run(until)
            self._commit()
        except KafkaException as error:
            raise TaplineError(
                f"Kafka refuses the mirror ({error.args[0].str()}): nothing is lost, start again"
            ) from error

    def stop(self) -> None:
        """Leave the group; a transaction that is not committed is aborted."""
        self._close()
        if self._producer is not None:
            # A producer that was refused has nothing to give up, and says so again.
            with suppress(KafkaException):
                self._producer.purge()
                self._producer.flush(1.0)
            self._producer = None

    def _tend(self) -> None:
        if self._began and (self._counts.total() >= MOST_RECORDS or time.monotonic() - self._began >= LONGEST):
            self._commit()

    def target(self, topic: Topic) -> str:
        """The name of the topic that a topic is mirrored to."""
        return f"{self._prefix}.{topic.kind}"

    def _take(self, message: Message) -> None:
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        topic, place = self._topics[name], (name, partition)
        if not self._began:
            self._transactions().begin_transaction()
            self._began = time.monotonic()
        self._firsts.setdefault(place, offset)
        self._nexts[place] = offset + 1
        self._backlog.took(message)
        try:
            envelope, records = open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            self._read[topic.kind] += 1
            self._reject(topic, letter(GROUP, message, bad.reason, str(bad)))
            return
        if envelope.is_snapshot or not envelope.is_for(GROUP):
            return
        self._read[topic.kind] += len(records)
        for index, record in enumerate(records):
            try:
                value = value_of(topic, record, envelope, self._settings)
            except ValueError as error:
                self._reject(topic, letter(GROUP, message, "document", str(error), index, b""))
                continue
            key = key_of(record, self._settings.key)
            headers = headers_of(envelope, name, partition, offset, index)
            size, largest = size_of(key, value, headers), self._largest[self.target(topic)]
            if size > largest:
                detail = f"a message of {size} bytes, of {largest} that {self.target(topic)} takes"
                self._reject(topic, letter(GROUP, message, "too-large", detail, index, value))
                continue
            self._produce(self.target(topic), key, value, headers)
            self._counts[topic.kind] += 1

    def _reject(self, topic: Topic, why: DeadLetter) -> None:
        self._rejected[topic.kind, why.reason] += 1
        # A dead letter that cannot be read would only come back as a longer one.
        if topic is not DEAD:
            self._produce(
                DEAD.name(self._kafka.prefix), why.id, encode([why]), dead_envelope(why.node, why.time).headers()
            )

    def _produce(self, topic: str, key: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        producer = self._transactions()
        while True:
            try:
                producer.produce(topic, value, key, headers=[*headers], on_delivery=self._delivered)
            except BufferError:
                producer.poll(0.1)
                self._health.progress()
            else:
                producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        # The transaction cannot be committed any more, so that nothing is lost: see _commit.
        if error is not None:
            KAFKA_ERRORS.labels(error.name()).inc()
            self._has_outgrown |= error.code() == KafkaError.MSG_SIZE_TOO_LARGE

    def _commit(self) -> None:
        """Commit the transaction; where Kafka wants it aborted, read its messages again."""
        if not self._began:
            return
        producer, consumer = self._transactions(), self._running()
        offsets = [TopicPartition(*place, offset) for place, offset in self._nexts.items()]
        try:
            self._retrying(
                lambda: producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT)
            )
            self._retrying(lambda: producer.commit_transaction(TIMEOUT))
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            if self._has_outgrown:
                raise TaplineError(
                    "a topic of the mirror takes smaller messages than when the mirror was started: start it again"
                ) from error
            KAFKA_ERRORS.labels(error.args[0].name()).inc()
            _log.warning("transaction aborted, trying again", extra={"reason": error.args[0].str()})
            firsts = dict(self._firsts)
            self._abort()
            for place, offset in firsts.items():
                consumer.seek(TopicPartition(*place, offset))
            return
        for kind, number in self._read.items():
            READ.labels(kind).inc(number)
        for kind, number in self._counts.items():
            MIRRORED.labels(kind).inc(number)
        for (kind, reason), number in self._rejected.items():
            REJECTIONS.labels(kind, reason).inc(number)
        self._forget("committed")

    def _retrying(self, step: Callable[[], None]) -> None:
        while True:
            try:
                step()
            except KafkaException as error:
                if not error.args[0].retriable() or self._leaving.is_set():
                    raise
                KAFKA_ERRORS.labels(error.args[0].name()).inc()
                self._health.problem(error.args[0].str())
                self._health.progress()
            else:
                self._health.problem("")
                return

    def _abort(self) -> None:
        self._transactions().abort_transaction(TIMEOUT)
        self._forget("aborted")

    def _forget(self, outcome: str) -> None:
        TRANSACTIONS.labels(outcome).inc()
        self._backlog.exported()
        self._began = 0.0
        self._firsts.clear()
        self._nexts.clear()
        self._read.clear()
        self._counts.clear()
        self._rejected.clear()

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Abort: all partitions go at once, and are read on from what is committed."""
        if self._began:
            self._abort()
        self._backlog.forget([(each.topic, each.partition) for each in partitions])

    def _transactions(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("not started")
        return self._producer
