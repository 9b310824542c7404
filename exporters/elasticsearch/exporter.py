"""The exporter: reads the topics, writes documents, and commits what Elasticsearch has confirmed."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from elasticsearch import Elasticsearch

from exporters.elasticsearch import bulk as bulks
from exporters.elasticsearch.bulk import Bulk, Rejection, Taken, Verdict
from exporters.elasticsearch.connection import connect
from exporters.elasticsearch.dead_letters import DeadLetters, rejected, unusable
from exporters.elasticsearch.documents import CURRENT, EXPORTED
from exporters.elasticsearch.metrics import (
    BULK_BYTES,
    BULK_SECONDS,
    KAFKA_ERRORS,
    LAG,
    MESSAGES,
    REJECTIONS,
    RETRIES,
    Oldest,
    count_outcome,
    count_read,
)
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import Change, setup
from tapline.process.health import Health
from topics.admin import connect as connect_kafka
from topics.catalog import ALERT_STATE, DEAD, Topic
from topics.codec import BadMessage, open_message
from topics.dead_letters import EXPORTER
from topics.errors import TaplineError
from topics.settings import KafkaSettings

GROUP: Final = EXPORTER
"""The consumer group, after the prefix of the topics."""

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 10.0
"""Seconds before a request is sent again, at first and at most; each try doubles them."""

MOST_TRIES: Final = 8
"""How often a document that fails with an error of the server (500) is sent before it is rejected."""

_POLL_SECONDS: Final = 0.2
_COMMIT_AGAIN_SECONDS: Final = 0.5
_LAG_EVERY: Final = 5.0
_FATAL: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._FATAL,  # noqa: SLF001 - the library's public constant
)

_KINDS: Final = tuple(topic.kind for topic in EXPORTED)

_log = logging.getLogger(__name__)


class Exporter:
    """Exports the topics to Elasticsearch, at least once; deterministic ids make that exactly once.

    A message's offset is committed when each of its records is a document in Elasticsearch or a
    dead letter in Kafka. While Elasticsearch cannot be written to, the partitions are paused and the
    same request is tried again until it passes. :meth:`run` may be left from any thread, or by a
    signal handler, with :meth:`leave`.
    """

    def __init__(self, kafka: KafkaSettings, settings: ElasticsearchSettings, health: Health | None = None) -> None:
        self._kafka = kafka
        self._settings = settings
        self._health = (health or Health()).component("exporter", stall_seconds=settings.timeout + 60)
        self._topics: dict[str, Topic] = {topic.name(kafka.prefix): topic for topic in EXPORTED}
        self._leaving = threading.Event()
        self._letters = DeadLetters(kafka)
        self._client: Elasticsearch | None = None
        self._consumer: Consumer | None = None
        self._assigned: dict[tuple[str, int], TopicPartition] = {}
        self._held: deque[Message] = deque()
        self._paused = False
        self._offsets: dict[tuple[str, int], int] = {}
        self._uncommitted: dict[tuple[str, int], int] = {}
        self._oldest = Oldest()
        self._commit_again = 0.0
        self._lag_read = 0.0

    def start(self) -> list[Change]:
        """Connect, put the index templates, join the consumer group; return what templates changed.

        :class:`TaplineError` says what to do when Kafka, its topics or Elasticsearch are not there.
        """
        self._client = connect(self._settings)
        try:
            changes = setup(self._client, self._settings)
            self._letters.start()
            self._consumer = self._join()
        except BaseException:
            self.stop()
            raise
        self._oldest.show(_KINDS)
        for change in changes:
            _log.info("%s %s %s", change.kind, change.name, change.action)
        self._health.ready()
        return changes

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Export until :meth:`leave` is called or ``until`` says so; what is in hand is finished and committed."""
        consumer = self._running()
        bulk, began = self._new_bulk(), 0.0
        while not self._leaving.is_set() and not (until is not None and until()):
            message = self._held.popleft() if self._held else consumer.poll(self._patience(began))
            self._health.progress()
            if message is not None:
                self._take(message, bulk)
                began = began or time.monotonic()
            if began and self._is_due(bulk, began):
                if not self._deliver(bulk):
                    return
                self._commit()
                self._oldest.clear()
                bulk, began = self._new_bulk(), 0.0
            elif self._commit_again and time.monotonic() >= self._commit_again:
                self._send_commit()
            self._measure_lag(consumer)
        if self._deliver(bulk):
            self._commit(wait=True)
            self._oldest.clear()

    def leave(self) -> None:
        """Have :meth:`run` finish the request in flight and return."""
        self._leaving.set()

    def stop(self) -> None:
        """Commit, leave the group and release the connections."""
        self._health.ready(is_ready=False)
        self._oldest.hide(_KINDS)
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._letters.stop()
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _join(self) -> Consumer:
        _, metadata = connect_kafka(self._kafka)
        for name in self._topics:
            if name not in metadata.topics:
                raise TaplineError(f"topic {name} does not exist: run `tapline topics create`")
        consumer = Consumer(
            {
                "fetch.queue.backoff.ms": 50,
                "queued.max.messages.kbytes": 32 * 1024,
                **self._kafka.client(),
                "group.id": f"{self._kafka.prefix}-{GROUP}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "partition.assignment.strategy": "cooperative-sticky",
                "error_cb": _note,
                "on_commit": self._committed,
            },
            logger=_log,
        )
        consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return consumer

    def _running(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("not started")
        return self._consumer

    def _new_bulk(self) -> Bulk:
        return Bulk(self._settings.namespace)

    def _patience(self, began: float) -> float:
        if not began:
            return _POLL_SECONDS
        return min(_POLL_SECONDS, max(0.0, began + self._settings.flush_seconds - time.monotonic()))

    def _is_due(self, bulk: Bulk, began: float) -> bool:
        return (
            bulk.size >= self._settings.bulk_bytes
            or len(bulk) >= self._settings.bulk_documents
            or time.monotonic() - began >= self._settings.flush_seconds
        )

    def _take(self, message: Message, bulk: Bulk) -> None:
        problem = message.error()
        if problem is not None:
            _note(problem)
            if problem.code() in _FATAL:
                raise TaplineError(f"Kafka refuses the exporter: {problem.str()}")
            return
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        topic, moment = self._topics[name], message.timestamp()[1] * 1000
        headers, value = message.headers(), message.value()
        self._oldest.add(topic.kind, moment)
        if value is None and topic in CURRENT:
            # The worker needs it no more; what the document says stays true.
            MESSAGES.labels(topic.kind, "forgotten").inc()
            self._offsets[name, partition] = offset + 1
            return
        try:
            envelope, records = open_message(headers, value, topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            MESSAGES.labels(topic.kind, "bad").inc()
            count_read(topic.kind, 1)
            self._count_rejection(topic, bad.reason)
            why = (bad.reason, str(bad))
            self._letters.add(unusable(name, partition, offset, moment, headers, value, why))  # type: ignore[arg-type]
        else:
            if not envelope.is_for(EXPORTER):
                MESSAGES.labels(topic.kind, "elsewhere").inc()
            elif envelope.is_snapshot:
                MESSAGES.labels(topic.kind, "snapshot").inc()
            else:
                MESSAGES.labels(topic.kind, "records").inc()
                count_read(topic.kind, len(records))
                records = self._wanted(topic, records)
                taken = Taken(topic, name, partition, offset, moment, envelope, value or b"")
                for rejection in bulk.add(taken, records) if records else ():
                    self._reject(rejection)
        self._offsets[name, partition] = offset + 1

    def _wanted(self, topic: Topic, records: list[Any]) -> list[Any]:
        """The records that become documents: of states those of conditions, not what one-shot alerts are known by."""
        if topic is not ALERT_STATE:
            return records
        wanted = [record for record in records if record.status != "stored"]
        count_outcome(topic.kind, "left out", len(records) - len(wanted))
        return wanted

    def _deliver(self, bulk: Bulk) -> bool:
        """Write a bulk's documents and its dead letters; false when asked to leave before that was possible."""
        parts: deque[list[int]] = deque([list(range(len(bulk)))] if len(bulk) else [])
        tries, failures = 0, dict[int, int]()
        while parts:
            part = parts.popleft()
            try:
                verdict = self._send(bulk, part)
            except bulks.Refused as refused:
                if len(part) > 1:
                    parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                    RETRIES.labels(refused.reason).inc()
                    continue
                verdict = Verdict([], [], [], [], [(part[0], refused.reason, str(refused))])
            except bulks.Unavailable as unavailable:
                RETRIES.labels(unavailable.reason).inc()
                parts.appendleft(part)
                tries += 1
                if not self._wait(tries, f"{unavailable.reason}: {unavailable}"):
                    return False
                continue
            again = self._settle(bulk, verdict, failures)
            if again:
                parts.append(again)
                tries += 1
                if not self._wait(tries, "documents were refused for now"):
                    return False
            else:
                tries = 0
        return self._publish_letters()

    def _send(self, bulk: Bulk, part: list[int]) -> Verdict:
        if self._client is None:
            raise RuntimeError("not started")
        body = bulk.body(part)
        began = time.monotonic()
        verdict = bulks.send(self._client, body, part)
        BULK_SECONDS.observe(time.monotonic() - began)
        BULK_BYTES.inc(len(body))
        self._go_on()
        return verdict

    def _settle(self, bulk: Bulk, verdict: Verdict, failures: dict[int, int]) -> list[int]:
        """Count what became of the documents, reject those refused, and return those to send again."""
        self._count(bulk, verdict.written, "written")
        self._count(bulk, verdict.duplicate, "duplicate")
        again = []
        for position, reason in verdict.again:
            RETRIES.labels(reason).inc()
            again.append(position)
        if any(reason == bulks.MISSING for _, reason in verdict.again) and self._client is not None:
            with suppress(TaplineError):
                setup(self._client, self._settings)
        for position, reason, detail in verdict.undecided:
            failures[position] = failures.get(position, 0) + 1
            if failures[position] < MOST_TRIES:
                RETRIES.labels(reason).inc()
                again.append(position)
            else:
                verdict.refused.append((position, reason, detail))
        for position, reason, detail in verdict.refused:
            self._reject(Rejection(*bulk.origin(position), reason, detail))
        return sorted(again)

    def _count(self, bulk: Bulk, positions: Sequence[int], outcome: str) -> None:
        for kind, number in bulk.kinds(positions).items():
            count_outcome(kind, outcome, number)

    def _count_rejection(self, topic: Topic, reason: str) -> None:
        count_outcome(topic.kind, "rejected")
        REJECTIONS.labels(topic.kind, reason).inc()

    def _reject(self, rejection: Rejection) -> None:
        topic = rejection.taken.topic
        self._count_rejection(topic, rejection.reason)
        _log.warning(
            "record rejected",
            extra={"topic": rejection.taken.name, "reason": rejection.reason, "detail": rejection.detail},
        )
        # A dead letter that is refused would only come back as a longer one.
        if topic is not DEAD:
            self._letters.add(rejected(rejection))

    def _publish_letters(self) -> bool:
        tries = 0
        while not self._letters.settle(1.0):
            tries += 1
            if not self._wait(tries, "dead letters cannot be published"):
                return False
        self._go_on()
        return True

    def _commit(self, *, wait: bool = False) -> None:
        """Commit what has been delivered."""
        self._uncommitted |= {place: offset for place, offset in self._offsets.items() if place in self._assigned}
        self._offsets.clear()
        self._send_commit(wait=wait)

    def _send_commit(self, *, wait: bool = False) -> None:
        self._commit_again = 0.0
        done = [TopicPartition(name, partition, offset) for (name, partition), offset in self._uncommitted.items()]
        if not done:
            return
        try:
            if wait:
                self._running().commit(offsets=done, asynchronous=False)
            else:
                self._running().commit(offsets=done, asynchronous=True)
        except KafkaException as error:
            self._committed(error.args[0], [])

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Forget what is committed; what is not, as in the middle of a rebalance, is tried again soon."""
        refused = [error] if error is not None else [each.error for each in partitions if each.error is not None]
        for each in partitions if error is None else []:
            place = (each.topic, each.partition)
            if each.error is None and self._uncommitted.get(place, each.offset + 1) <= each.offset:
                del self._uncommitted[place]
        for problem in refused:
            KAFKA_ERRORS.labels(problem.name()).inc()
            _log.warning("offsets not committed", extra={"reason": problem.str()})
        if refused:
            self._commit_again = time.monotonic() + _COMMIT_AGAIN_SECONDS

    def _wait(self, tries: int, problem: str) -> bool:
        """Hold the partitions for a while, staying in the group; false when asked to leave meanwhile."""
        consumer = self._running()
        self._health.problem(problem)
        _log.warning("waiting to write", extra={"reason": problem, "try": tries})
        if not self._paused:
            self._paused = True
            consumer.pause(list(self._assigned.values()))
        # Full jitter over the upper half keeps several exporters from coming back at once.
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 16))
        end = time.monotonic() + longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        while (left := end - time.monotonic()) > 0 and not self._leaving.is_set():
            message = consumer.poll(min(left, _POLL_SECONDS))
            if message is not None:
                self._held.append(message)
            self._health.progress()
        return not self._leaving.is_set()

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self._health.problem("")
            self._running().resume(list(self._assigned.values()))
            _log.info("writing again")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        self._assigned |= {
            (each.topic, each.partition): TopicPartition(each.topic, each.partition) for each in partitions
        }
        if self._paused:
            consumer.pause(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Leave the partitions to their next owner, who reads on from the last commit."""
        for each in partitions:
            key = (each.topic, each.partition)
            self._assigned.pop(key, None)
            self._offsets.pop(key, None)
            self._uncommitted.pop(key, None)
            with suppress(KeyError):
                LAG.remove(self._topics[each.topic].kind, str(each.partition))

    def _measure_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._lag_read < _LAG_EVERY or not self._assigned:
            return
        self._lag_read = now
        with suppress(KafkaException):
            for position in consumer.position(list(self._assigned.values())):
                _, end = consumer.get_watermark_offsets(position, cached=True)
                if position.offset >= 0 and end >= 0:
                    LAG.labels(self._topics[position.topic].kind, str(position.partition)).set(end - position.offset)


def _note(error: KafkaError) -> None:
    KAFKA_ERRORS.labels(error.name()).inc()
    _log.warning("Kafka: %s", error.str())
