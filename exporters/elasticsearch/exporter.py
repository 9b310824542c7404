"""The exporter: reads the topics, has bulks of documents written, and commits what Elasticsearch has confirmed."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Message
from elasticsearch import Elasticsearch

from exporters.elasticsearch.bulk import Bulk, Rejection, Taken
from exporters.elasticsearch.connection import connect
from exporters.elasticsearch.dead_letters import DeadLetters, rejected, unusable
from exporters.elasticsearch.delivery import Delivery
from exporters.elasticsearch.documents import CURRENT, EXPORTED
from exporters.elasticsearch.metrics import IN_FLIGHT, MESSAGES, REJECTIONS, Oldest, count_outcome, count_read
from exporters.elasticsearch.reading import GROUP, Place, Reader
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import Change, setup
from tapline.process.health import Health
from topics.catalog import ALERT_STATE, DEAD, Topic
from topics.codec import BadMessage, open_message
from topics.dead_letters import EXPORTER
from topics.settings import KafkaSettings

__all__ = ["GROUP", "Exporter"]

_POLL_SECONDS: Final = 0.2
_POLL_SECONDS_IN_FLIGHT: Final = 0.05
_PATIENCE: Final = 1.0
"""Seconds that a full bulk waits for its turn before partitions are paused: pausing loses what was fetched ahead."""

_KINDS: Final = tuple(topic.kind for topic in EXPORTED)

_log = logging.getLogger(__name__)


class _Batch:
    """What was read and is not committed yet: the documents of a bulk, and where reading goes on after them."""

    def __init__(self, namespace: str) -> None:
        self.bulk = Bulk(namespace)
        self.offsets: dict[Place, int] = {}
        self.oldest: dict[str, int] = {}
        self.began = 0.0
        self.delivered: Future[list[Rejection] | None] = Future()
        self.has_letters = False


class Exporter:
    """Exports the topics to Elasticsearch, at least once; deterministic ids make that exactly once.

    Several bulks are in flight at once. A message's offset is committed when each of its records, and of those read
    before it, is a document in Elasticsearch or a dead letter in Kafka. While Elasticsearch cannot be written to, the
    partitions are paused and the same documents are sent again until they pass. :meth:`run` may be left from any
    thread, or by a signal handler, with :meth:`leave`.
    """

    def __init__(self, kafka: KafkaSettings, settings: ElasticsearchSettings, health: Health | None = None) -> None:
        self._settings = settings
        self._health = (health or Health()).component("exporter", stall_seconds=settings.timeout + 60)
        self._topics: dict[str, Topic] = {topic.name(kafka.prefix): topic for topic in EXPORTED}
        self._leaving = threading.Event()
        self._letters = DeadLetters(kafka)
        self._reader = Reader(kafka, self._topics, self._forget)
        self._client: Elasticsearch | None = None
        self._delivery: Delivery | None = None
        self._senders = ThreadPoolExecutor(settings.bulks_in_flight, "bulk")
        self._batch = _Batch(settings.namespace)
        self._in_flight: deque[_Batch] = deque()
        self._full_since = 0.0
        self._oldest = Oldest()

    def start(self) -> list[Change]:
        """Connect, put the index templates, join the consumer group; return what templates changed.

        :class:`TaplineError` says what to do when Kafka, its topics or Elasticsearch are not there.
        """
        self._client = connect(self._settings)
        try:
            changes = setup(self._client, self._settings)
            self._delivery = Delivery(self._client, self._settings, self._health, self._leaving)
            self._letters.start()
            self._reader.start()
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
        while not self._leaving.is_set() and not (until is not None and until()):
            self._health.progress()
            self._collect()
            is_free = len(self._in_flight) < self._settings.bulks_in_flight
            if is_free and self._is_due():
                self._submit()
            if is_free or not self._is_full():
                message = self._reader.read(self._patience())
                if message is not None:
                    self._take(message)
            else:
                self._hold()
            self._reader.tend()
        self._finish()

    def leave(self) -> None:
        """Have :meth:`run` finish the requests in flight and return."""
        self._leaving.set()

    def stop(self) -> None:
        """Leave the group and release the connections; what is still being sent is given up."""
        self._leaving.set()
        self._health.ready(is_ready=False)
        self._oldest.hide(_KINDS)
        self._senders.shutdown(cancel_futures=True)
        self._reader.stop()
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

    def _running(self) -> Delivery:
        if self._delivery is None:
            raise RuntimeError("not started")
        return self._delivery

    def _patience(self) -> float:
        longest = _POLL_SECONDS_IN_FLIGHT if self._in_flight else _POLL_SECONDS
        began = self._batch.began
        return min(longest, max(0.0, began + self._settings.flush_seconds - time.monotonic())) if began else longest

    def _is_due(self) -> bool:
        began = self._batch.began
        return bool(began) and (self._is_full() or time.monotonic() - began >= self._settings.flush_seconds)

    def _is_full(self) -> bool:
        bulk = self._batch.bulk
        return bulk.size >= self._running().pace.size or len(bulk) >= self._settings.bulk_documents

    def _hold(self) -> None:
        """Wait for the bulk that was sent first; the partitions are paused when that takes long."""
        now = time.monotonic()
        self._full_since = self._full_since or now
        wait([self._in_flight[0].delivered], _POLL_SECONDS)
        if now - self._full_since >= _PATIENCE:
            self._reader.hold()

    def _take(self, message: Message) -> None:
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        topic, moment = self._topics[name], message.timestamp()[1] * 1000
        headers, value = message.headers(), message.value()
        batch = self._batch
        batch.began = batch.began or time.monotonic()
        batch.offsets[name, partition] = offset + 1
        batch.oldest[topic.kind] = min(moment, batch.oldest.get(topic.kind, moment))
        self._oldest.add(topic.kind, moment)
        if value is None and topic in CURRENT:
            # The worker needs it no more; what the document says stays true.
            MESSAGES.labels(topic.kind, "forgotten").inc()
            return
        try:
            envelope, records = open_message(headers, value, topic)  # type: ignore[arg-type]
        except BadMessage as bad:
            MESSAGES.labels(topic.kind, "bad").inc()
            count_read(topic.kind, 1)
            _count_rejection(topic, bad.reason)
            why = (bad.reason, str(bad))
            self._letters.add(unusable(name, partition, offset, moment, headers, value, why))  # type: ignore[arg-type]
            return
        if not envelope.is_for(EXPORTER):
            MESSAGES.labels(topic.kind, "elsewhere").inc()
        elif envelope.is_snapshot:
            MESSAGES.labels(topic.kind, "snapshot").inc()
        else:
            MESSAGES.labels(topic.kind, "records").inc()
            count_read(topic.kind, len(records))
            records = _wanted(topic, records)
            taken = Taken(topic, name, partition, offset, moment, envelope, value or b"")
            for rejection in batch.bulk.add(taken, records) if records else ():
                self._reject(rejection)

    def _submit(self) -> None:
        """Have the bulk in hand written, and begin the next."""
        batch, self._batch = self._batch, _Batch(self._settings.namespace)
        batch.delivered = self._senders.submit(self._running().deliver, batch.bulk)
        self._in_flight.append(batch)
        self._full_since = 0.0
        IN_FLIGHT.set(len(self._in_flight))

    def _collect(self) -> None:
        """Commit what is written, in the order in which it was read."""
        while self._in_flight and self._in_flight[0].delivered.done():
            batch = self._in_flight[0]
            refused = batch.delivered.result()
            if refused is None or not self._publish_letters(batch, refused):
                return
            self._in_flight.popleft()
            IN_FLIGHT.set(len(self._in_flight))
            self._commit(batch.offsets)
            self._oldest.keep([each.oldest for each in (*self._in_flight, self._batch)])

    def _publish_letters(self, batch: _Batch, refused: list[Rejection]) -> bool:
        """Publish the dead letters of a bulk; false while Kafka has not taken them all."""
        if not batch.has_letters:
            batch.has_letters = True
            for rejection in refused:
                self._reject(rejection)
        if self._letters.settle(1.0):
            self._running().report(self._letters, "")
            return True
        self._running().report(self._letters, "dead letters cannot be published")
        _log.warning("waiting to write", extra={"reason": "dead letters cannot be published"})
        self._leaving.wait(_POLL_SECONDS)
        return False

    def _finish(self) -> None:
        """Have all that is in hand written and committed, or as much as is possible when asked to leave."""
        if self._batch.began:
            self._submit()
        while self._in_flight:
            self._health.progress()
            first = self._in_flight[0]
            wait([first.delivered], _POLL_SECONDS)
            self._collect()
            is_stuck = bool(self._in_flight) and self._in_flight[0] is first and first.delivered.done()
            if is_stuck and self._leaving.is_set():
                break
        self._commit({}, wait=True)

    def _commit(self, offsets: dict[Place, int], *, wait: bool = False) -> None:
        self._reader.commit(offsets, wait=wait)

    def _forget(self, places: set[Place]) -> None:
        """What was read of partitions that are another exporter's now is its to commit."""
        for batch in (*self._in_flight, self._batch):
            for place in places & batch.offsets.keys():
                del batch.offsets[place]

    def _reject(self, rejection: Rejection) -> None:
        topic = rejection.taken.topic
        _count_rejection(topic, rejection.reason)
        _log.warning(
            "record rejected",
            extra={"topic": rejection.taken.name, "reason": rejection.reason, "detail": rejection.detail},
        )
        # A dead letter that is refused would only come back as a longer one.
        if topic is not DEAD:
            self._letters.add(rejected(rejection))


def _wanted(topic: Topic, records: list[Any]) -> list[Any]:
    """The records that become documents: of states those of conditions, not what one-shot alerts are known by."""
    if topic is not ALERT_STATE:
        return records
    wanted = [record for record in records if record.status != "stored"]
    count_outcome(topic.kind, "left out", len(records) - len(wanted))
    return wanted


def _count_rejection(topic: Topic, reason: str) -> None:
    count_outcome(topic.kind, "rejected")
    REJECTIONS.labels(topic.kind, reason).inc()
