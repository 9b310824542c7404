"""Reads the counter topic and keeps the newest values for Prometheus."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import REGISTRY, CollectorRegistry

from exporters.prometheus.metrics import DROPPED, KAFKA_ERRORS
from exporters.prometheus.settings import PrometheusSettings
from exporters.prometheus.values import Values
from tapline.process.health import Health
from topics.admin import connect
from topics.catalog import COUNTER
from topics.codec import BadMessage, open_message
from topics.errors import TaplineError
from topics.settings import KafkaSettings

_POLL_SECONDS: Final = 0.2
_TIMEOUT: Final = 10.0
_EXPIRE_EVERY: Final = 1.0

_log = logging.getLogger(__name__)


class PrometheusExporter:
    """Shows chosen counters in ``registry``.

    Nothing is committed: what was counted within ``stale_seconds`` is read at start, so that a restart shows the same,
    and several exporters show the same each. :meth:`run` may be left from any thread, or by a signal handler, with
    :meth:`leave`.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: PrometheusSettings,
        health: Health | None = None,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._kafka = kafka
        self._settings = settings
        self._health = (health or Health()).component("prometheus")
        self._registry = registry
        self._values = Values(settings)
        self._leaving = threading.Event()
        self._consumer: Consumer | None = None

    def start(self) -> None:
        """Find where to begin; :class:`TaplineError` when nothing is chosen or the topic is not there."""
        if not self._settings.counters:
            raise TaplineError("no counters are chosen: name groups under prometheus.counters in tapline.yaml")
        name = COUNTER.name(self._kafka.prefix)
        _, metadata = connect(self._kafka)
        if name not in metadata.topics:
            raise TaplineError(f"topic {name} does not exist: run `tapline topics create`")
        self._consumer = Consumer(
            {
                "queued.max.messages.kbytes": 16 * 1024,
                **self._kafka.client(),
                "group.id": f"{self._kafka.prefix}-exporter-prometheus",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "error_cb": _note,
            },
            logger=_log,
        )
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
        self._health.ready()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Read until :meth:`leave` is called or ``until`` says so."""
        if self._consumer is None:
            raise RuntimeError("not started")
        expired = 0.0
        while not self._leaving.is_set() and not (until is not None and until()):
            message = self._consumer.poll(_POLL_SECONDS)
            self._health.progress()
            if message is not None:
                self._take(message)
            if time.monotonic() - expired >= _EXPIRE_EVERY:
                expired = time.monotonic()
                self._values.expire(time.time())

    def leave(self) -> None:
        """Have :meth:`run` return."""
        self._leaving.set()

    def stop(self) -> None:
        """Show nothing any more and release the connection."""
        self._health.ready(is_ready=False)
        if self._consumer is not None:
            self._registry.unregister(self._values)
            self._consumer.close()
            self._consumer = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take(self, message: Message) -> None:
        problem = message.error()
        if problem is not None:
            _note(problem)
            if problem.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED or problem.fatal():
                raise TaplineError(f"Kafka refuses the exporter: {problem.str()}")
            return
        try:
            envelope, records = open_message(message.headers(), message.value(), COUNTER)  # type: ignore[arg-type]
        except BadMessage:
            DROPPED.labels("bad").inc()
            return
        if not (envelope.is_snapshot or envelope.reader):
            seen, now = message.timestamp()[1] / 1000, time.time()
            for record in records:
                self._values.take(record, seen, now)


def _note(error: KafkaError) -> None:
    KAFKA_ERRORS.labels(error.name()).inc()
    _log.warning("Kafka: %s", error.str())
