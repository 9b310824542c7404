"""Reading from Kafka, outside the group, what every process has to know: the policy, what scripts tell each other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter

from topics.catalog import Topic
from topics.codec import BadMessage, open_message
from topics.settings import KafkaSettings

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_BATCH: Final = 500
_log = logging.getLogger(__name__)
_failed = Counter(
    "tapline_worker_unreadable", "Times that a topic that everybody reads could not be.", ["topic", "reason"]
)


class TopicReader:
    """A thread that hands on the records that a topic holds, from its beginning, and what comes to it.

    ``take`` is called with the records of a message and its offset.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: Topic, partitions: int, take: Callable[[Iterable[Any], int], None]
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._partitions = partitions
        self._take = take
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"read-{topic.kind}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End reading."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read_on()
            except KafkaException as error:
                _failed.labels(self._topic.kind, "unreadable").inc()
                _log.warning("cannot read the topic %s, trying again: %s", self._topic.kind, error)
                self._stopped.wait(_RETRY_SECONDS)

    def _read_on(self) -> None:
        name = self._topic.name(self._kafka.prefix)
        group = f"{self._kafka.prefix}-{self._topic.kind}"
        consumer = Consumer(self._kafka.client() | {"group.id": group, "enable.auto.commit": False, "log_level": 0})
        try:
            consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in range(self._partitions)])
            while not self._stopped.is_set():
                for message in consumer.consume(_BATCH, _POLL_SECONDS):
                    if message.error() is None:
                        self._hand_on(message)
                    else:
                        _failed.labels(self._topic.kind, "unreadable").inc()
        finally:
            consumer.close()

    def _hand_on(self, message: KafkaMessage) -> None:
        try:
            envelope, records = open_message(message.headers(), message.value(), self._topic)  # type: ignore[arg-type]
        except BadMessage as error:
            _failed.labels(self._topic.kind, "bad").inc()
            _log.warning("a message of the topic %s cannot be read: %s", self._topic.kind, error)
            return
        if not envelope.is_snapshot:
            self._take(records, message.offset() or 0)
