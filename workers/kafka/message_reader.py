"""Reading from Kafka what scripts tell each other."""

from __future__ import annotations

import logging
import threading
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from topics.catalog import MESSAGE
from topics.codec import BadMessage, open_message
from topics.settings import KafkaSettings
from workers.scripting.messages import MessageBoard, heard_messages

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_BATCH: Final = 500
_log = logging.getLogger(__name__)


class MessageReader:
    """A thread that puts on the board what the message topic holds and what comes to it."""

    def __init__(self, kafka: KafkaSettings, partitions: int, board: MessageBoard) -> None:
        self._kafka = kafka
        self._partitions = partitions
        self._board = board
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="script-messages", daemon=True)

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
                heard_messages.labels("unreadable").inc()
                _log.warning("cannot read messages of scripts, trying again: %s", error)
                self._stopped.wait(_RETRY_SECONDS)

    def _read_on(self) -> None:
        name = MESSAGE.name(self._kafka.prefix)
        consumer = Consumer(
            self._kafka.client()
            | {"group.id": f"{self._kafka.prefix}-messages", "enable.auto.commit": False, "log_level": 0}
        )
        try:
            consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in range(self._partitions)])
            while not self._stopped.is_set():
                for message in consumer.consume(_BATCH, _POLL_SECONDS):
                    if message.error() is None:
                        self._take(message)
                    else:
                        heard_messages.labels("unreadable").inc()
        finally:
            consumer.close()

    def _take(self, message: KafkaMessage) -> None:
        try:
            envelope, records = open_message(message.headers(), message.value(), MESSAGE)  # type: ignore[arg-type]
        except BadMessage as error:
            heard_messages.labels("bad").inc()
            _log.warning("a message of scripts cannot be read: %s", error)
            return
        if not envelope.is_snapshot:
            self._board.add(records)
