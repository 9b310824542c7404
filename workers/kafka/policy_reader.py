"""Reading from Kafka what people set of the policy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter

from topics.catalog import POLICY
from topics.codec import BadMessage, open_message
from topics.records import PolicyEntry
from topics.settings import KafkaSettings

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_BATCH: Final = 500
_log = logging.getLogger(__name__)
_failed = Counter("tapline_policy_unreadable", "Policy entries that could not be read.", ["reason"])


class PolicyReader:
    """A thread that hands on what the policy topic holds and what comes to it."""

    def __init__(self, kafka: KafkaSettings, partitions: int, take: Callable[[Iterable[PolicyEntry]], None]) -> None:
        self._kafka = kafka
        self._partitions = partitions
        self._take = take
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)

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
                _failed.labels("unreadable").inc()
                _log.warning("cannot read the policy topic, trying again: %s", error)
                self._stopped.wait(_RETRY_SECONDS)

    def _read_on(self) -> None:
        name = POLICY.name(self._kafka.prefix)
        consumer = Consumer(
            self._kafka.client()
            | {"group.id": f"{self._kafka.prefix}-policy", "enable.auto.commit": False, "log_level": 0}
        )
        try:
            consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in range(self._partitions)])
            while not self._stopped.is_set():
                for message in consumer.consume(_BATCH, _POLL_SECONDS):
                    if message.error() is None:
                        self._hand_on(message)
                    else:
                        _failed.labels("unreadable").inc()
        finally:
            consumer.close()

    def _hand_on(self, message: KafkaMessage) -> None:
        try:
            envelope, records = open_message(message.headers(), message.value(), POLICY)  # type: ignore[arg-type]
        except BadMessage as error:
            _failed.labels("bad").inc()
            _log.warning("an entry of the policy topic cannot be read: %s", error)
            return
        if not envelope.is_snapshot:
            self._take(records)
