"""The source of flows that other collectors put into Kafka."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from capture.collectors.intake import CollectorIntake
from capture.netflow import NAME
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink
from topics.admin import connect
from topics.errors import TaplineError
from topics.settings import KafkaSettings

_BATCH: Final = 500
_WAIT: Final = 0.2
_HOUSEKEEPING: Final = 1.0
SETTLED: Final = 30.0
"""After how many seconds what was made of a message is published, or counted as dropped."""

_log = logging.getLogger("tapline.capture")


class CollectorTopic:
    """The messages of a topic, until :meth:`stop`; several processes share its partitions.

    How far it was read is committed to Kafka 30 seconds later, and at the end: after a restart it goes on there. Where
    the process was killed, the last 30 seconds are read again, and make the same records.
    """

    def __init__(
        self, observation: Observation, topic: str, settings: FlowExportSettings, kafka: KafkaSettings
    ) -> None:
        self.name = NAME
        self._observation = observation
        self._topic = topic
        self._settings = settings
        self._kafka = kafka
        self._stopping = False
        self._read: dict[int, int] = {}
        self._unsettled: deque[tuple[float, dict[int, int]]] = deque()

    def run(self, sink: Sink) -> None:
        _, metadata = connect(self._kafka)
        if self._topic not in metadata.topics:
            raise TaplineError(f"Kafka has no topic {self._topic}: name the one that goflow2 or nProbe writes")
        intake = CollectorIntake(self._observation, self._settings, sink, self._topic, _now())
        consumer = Consumer(
            {
                "group.id": f"{self._kafka.prefix}-capture-{self._topic}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
            | self._kafka.client()
        )
        try:
            consumer.subscribe([self._topic], on_revoke=self._revoked)
            _log.info("reading the topic %s", self._topic)
            self._consume(consumer, intake)
            self._commit(consumer, self._read)
        except KafkaException as error:
            raise TaplineError(f"cannot read {self._topic} from Kafka: {error.args[0].str()}") from error
        finally:
            consumer.close()
        intake.finish()

    def stop(self) -> None:
        self._stopping = True

    def _consume(self, consumer: Consumer, intake: CollectorIntake) -> None:
        checked = time.monotonic()
        while not self._stopping:
            messages = consumer.consume(_BATCH, _WAIT)
            intake.at(_now())
            for message in messages:
                problem = message.error()
                if problem is not None:
                    if problem.fatal():
                        raise KafkaException(problem)
                    continue
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                intake.take(message.value(), partition, offset)
                self._read[partition] = offset + 1
            if time.monotonic() - checked > _HOUSEKEEPING:
                checked = time.monotonic()
                self._settle(consumer, checked)

    def _settle(self, consumer: Consumer, now: float) -> None:
        """Commit what was read long enough ago."""
        self._unsettled.append((now, dict(self._read)))
        settled: dict[int, int] = {}
        while self._unsettled and now - self._unsettled[0][0] >= SETTLED:
            settled = self._unsettled.popleft()[1]
        self._commit(consumer, {each: offset for each, offset in settled.items() if each in self._read})

    def _commit(self, consumer: Consumer, read: dict[int, int]) -> None:
        if not read:
            return
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in read.items()]
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # What is not committed is read again, and makes the same records.
            _log.warning("cannot commit how far %s was read: %s", self._topic, error.args[0].str())

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another process goes on with these partitions: it begins behind what was read here."""
        self._commit(
            consumer,
            {each.partition: self._read[each.partition] for each in partitions if each.partition in self._read},
        )
        for each in partitions:
            self._read.pop(each.partition, None)


def _now() -> int:
    return time.time_ns() // 1000
