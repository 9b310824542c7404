"""Reads the counter topic and keeps the newest values for Prometheus."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaException, Message, TopicPartition
from prometheus_client import REGISTRY, CollectorRegistry

from exporters.backlog import Backlog
from exporters.consumer import MessageExporter, connect_to_topics, new_consumer
from exporters.prometheus.metrics import DROPPED, KAFKA_ERRORS, LAG, OLDEST, READ
from exporters.prometheus.settings import PrometheusSettings
from exporters.prometheus.values import Values
from tapline.process.health import Health
from topics.catalog import COUNTER
from topics.codec import BadMessage, open_message
from topics.errors import TaplineError
from topics.rights import PROMETHEUS as GROUP
from topics.rights import of_prometheus, require
from topics.settings import KafkaSettings

_TIMEOUT: Final = 10.0
_EXPIRE_EVERY: Final = 1.0


class PrometheusExporter(MessageExporter):
    """Shows chosen counters in ``registry``.

    Nothing is committed: what was counted within ``stale_seconds`` is read at start, so that a restart shows the same,
    and several exporters show the same each.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: PrometheusSettings,
        health: Health | None = None,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        backlog = Backlog({COUNTER.name(kafka.prefix): COUNTER}, LAG, OLDEST)
        super().__init__(kafka, GROUP, (health or Health()).component("prometheus"), backlog, KAFKA_ERRORS)
        self._settings = settings
        self._registry = registry
        self._values = Values(settings)
        self._expired = 0.0

    def start(self) -> None:
        """Find where to begin; :class:`TaplineError` when nothing is chosen or the topic is not there."""
        if not self._settings.counters:
            raise TaplineError("no counters are chosen: name groups under prometheus.counters in tapline.yaml")
        name = COUNTER.name(self._kafka.prefix)
        require(self._kafka, "prometheus", of_prometheus(self._kafka))
        _, metadata = connect_to_topics(self._kafka, [name])
        self._consumer = new_consumer(self._kafka, self._group, self._note, {})
        since = int((time.time() - self._settings.stale_seconds) * 1000)
        try:
            ends = {
                number: self._consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_TIMEOUT)[1]
                for number in metadata.topics[name].partitions
            }
            begin = self._consumer.offsets_for_times(
                [TopicPartition(name, number, since) for number in ends], timeout=_TIMEOUT
            )
        except KafkaException as error:
            raise TaplineError(f"cannot read topic {name}: {error.args[0].str()}") from error
        self._consumer.assign(
            [
                TopicPartition(each.topic, each.partition, each.offset if each.offset >= 0 else ends[each.partition])
                for each in begin
            ]
        )
        self._registry.register(self._values)
        self._backlog.show()
        self._health.ready()

    def stop(self) -> None:
        """Show nothing any more and release the connection."""
        with suppress(KeyError):
            self._registry.unregister(self._values)
        self._close()

    def _tend(self) -> None:
        if time.monotonic() - self._expired >= _EXPIRE_EVERY:
            self._expired = time.monotonic()
            self._values.expire(time.time())

    def _take(self, message: Message) -> None:
        self._backlog.took(message)
        self._backlog.exported()
        try:
            envelope, records = open_message(message.headers(), message.value(), COUNTER)  # type: ignore[arg-type]
        except BadMessage:
            READ.inc()
            DROPPED.labels("bad").inc()
            return
        if not (envelope.is_snapshot or envelope.reader):
            READ.inc(len(records))
            seen, now = message.timestamp()[1] / 1000, time.time()
            for record in records:
                self._values.take(record, seen, now)
