"""Reading the topics as a member of the consumer group, and committing what was exported."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from exporters.elasticsearch.metrics import KAFKA_ERRORS, LAG
from topics.admin import connect, require_topics
from topics.catalog import Topic
from topics.dead_letters import EXPORTER
from topics.errors import TaplineError
from topics.refusals import refused
from topics.rights import of_elasticsearch, require
from topics.settings import KafkaSettings

GROUP: Final = EXPORTER
"""The consumer group, after the prefix of the topics."""

Place = tuple[str, int]
"""A topic's name and a partition of it."""

_COMMIT_AGAIN_SECONDS: Final = 0.5
_LAG_EVERY: Final = 5.0
_LAG_TIMEOUT: Final = 1.0
_FATAL: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._FATAL,  # noqa: SLF001 - the library's public constant
)

_log = logging.getLogger(__name__)


class Reader:
    """A member of the group: messages of the partitions it is given, and what it has committed of them.

    ``on_forgotten`` is told of partitions that go to another member: what was read of them is no longer committed
    by this one. All methods belong to one thread.
    """

    def __init__(
        self, kafka: KafkaSettings, topics: Mapping[str, Topic], on_forgotten: Callable[[set[Place]], None]
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._on_forgotten = on_forgotten
        self._joined: Consumer | None = None
        self._assigned: dict[Place, TopicPartition] = {}
        self._held: deque[Message] = deque()
        self._paused = False
        self._uncommitted: dict[Place, int] = {}
        self._commit_again = 0.0
        self._lag_read = 0.0

    def start(self) -> None:
        """Join the group; :class:`TaplineError` when Kafka or a topic is not there."""
        require(self._kafka, "elasticsearch", of_elasticsearch(self._kafka, self._topics.values()))
        admin, metadata = connect(self._kafka)
        require_topics(self._kafka, admin, metadata, self._topics)
        self._joined = Consumer(
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
        self._joined.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def stop(self) -> None:
        """Leave the group."""
        if self._joined is not None:
            self._joined.close()
            self._joined = None

    def read(self, seconds: float) -> Message | None:
        """The next message, waited for so long; errors are counted, :class:`TaplineError` where Kafka refuses us."""
        self._go_on()
        message = self._held.popleft() if self._held else self._consumer().poll(seconds)
        problem = message.error() if message is not None else None
        if problem is None:
            return message
        _note(problem)
        if problem.code() in _FATAL:
            name = message.topic() if message is not None else None
            why = refused(self._kafka, problem, "Read", name or "", f"Read on the group {self._kafka.prefix}-{GROUP}")
            raise TaplineError(f"Kafka refuses the exporter: {why}")
        return None

    def hold(self) -> None:
        """Stay in the group without reading; :meth:`read` goes on."""
        if not self._paused:
            self._paused = True
            self._consumer().pause(list(self._assigned.values()))
        # What was on its way comes nevertheless.
        message = self._consumer().poll(0)
        if message is not None:
            self._held.append(message)

    def commit(self, offsets: Mapping[Place, int], *, wait: bool = False) -> None:
        """Commit the offsets to read on from, of the partitions that are still this member's."""
        self._uncommitted |= {place: offset for place, offset in offsets.items() if place in self._assigned}
        self._send_commit(wait=wait)

    def tend(self) -> None:
        """Do what is due from time to time: commits that failed before, and the metric of what is yet to be read."""
        now = time.monotonic()
        if self._commit_again and now >= self._commit_again:
            self._send_commit()
        if now - self._lag_read >= _LAG_EVERY and self._assigned:
            self._lag_read = now
            self._measure_lag()

    def _consumer(self) -> Consumer:
        if self._joined is None:
            raise RuntimeError("not started")
        return self._joined

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self._consumer().resume(list(self._assigned.values()))

    def _send_commit(self, *, wait: bool = False) -> None:
        self._commit_again = 0.0
        done = [TopicPartition(name, partition, offset) for (name, partition), offset in self._uncommitted.items()]
        if not done:
            return
        try:
            if wait:
                self._consumer().commit(offsets=done, asynchronous=False)
            else:
                self._consumer().commit(offsets=done, asynchronous=True)
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
            self._uncommitted.pop(key, None)
            with suppress(KeyError):
                LAG.remove(self._topics[each.topic].kind, str(each.partition))
        self._on_forgotten({(each.topic, each.partition) for each in partitions})

    def _measure_lag(self) -> None:
        consumer = self._consumer()
        with suppress(KafkaException):
            for position in consumer.position(list(self._assigned.values())):
                # The client knows what it has seen while reading; of paused partitions Kafka has to be asked.
                _, end = consumer.get_watermark_offsets(position, timeout=_LAG_TIMEOUT, cached=not self._paused)
                if position.offset >= 0 and end >= 0:
                    LAG.labels(self._topics[position.topic].kind, str(position.partition)).set(end - position.offset)


def _note(error: KafkaError) -> None:
    KAFKA_ERRORS.labels(error.name()).inc()
    _log.warning("Kafka: %s", error.str())
