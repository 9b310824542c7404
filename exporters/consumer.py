"""What exporters do alike: they begin, take messages from Kafka until they are to leave, and say how far they are."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka.admin import AdminClient, ClusterMetadata
from prometheus_client import Counter

from exporters.backlog import Backlog
from tapline.process.health import Component
from topics.admin import connect, require_topics
from topics.errors import TaplineError
from topics.refusals import refused
from topics.settings import KafkaSettings

POLL_SECONDS: Final = 0.2

REFUSALS: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._FATAL,  # noqa: SLF001 - the library's public constant
)
"""Errors that do not pass: whoever reads on would wait for ever."""

_log = logging.getLogger(__name__)


class Exporter(ABC):
    """What brings records to a destination; a context manager that starts and stops it.

    :meth:`run` may be left from any thread, or by a signal handler, with :meth:`leave`.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._leaving = threading.Event()

    @abstractmethod
    def start(self) -> None:
        """Connect; :class:`TaplineError` says what to do where something is not there."""

    @abstractmethod
    def stop(self) -> None:
        """Release what :meth:`start` took, however far it came."""

    def leave(self) -> None:
        """Have :meth:`run` end what is in hand in good order and return."""
        self._leaving.set()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class MessageExporter(Exporter):
    """An exporter that takes one message after the other.

    Its :meth:`start` makes the consumer of ``group``. ``errors`` counts those of the Kafka client, by name.
    """

    def __init__(self, kafka: KafkaSettings, group: str, health: Component, backlog: Backlog, errors: Counter) -> None:
        super().__init__(kafka)
        self._group = f"{kafka.prefix}-{group}"
        self._health = health
        self._backlog = backlog
        self._errors = errors
        self._consumer: Consumer | None = None

    @abstractmethod
    def _take(self, message: Message) -> None:
        """Take a message that is none of an error."""

    @abstractmethod
    def _tend(self) -> None:
        """Do what is due, whether there was a message or not."""

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Export until :meth:`leave` is called or ``until`` says so.

        :class:`TaplineError` when Kafka refuses the exporter.
        """
        while not self._leaving.is_set() and not (until is not None and until()):
            message = self._running().poll(POLL_SECONDS)
            self._health.progress()
            if message is not None and self._is_usable(message):
                self._take(message)
            self._tend()
            self._backlog.measure(self._running())

    def _running(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("not started")
        return self._consumer

    def _close(self) -> None:
        """Leave the group."""
        self._health.ready(is_ready=False)
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._backlog.hide()

    def _is_usable(self, message: Message) -> bool:
        problem = message.error()
        if problem is None:
            return True
        self._note(problem)
        if problem.code() in REFUSALS or problem.fatal():
            why = refused(self._kafka, problem, "Read", message.topic() or "", f"Read on the group {self._group}")
            raise TaplineError(f"Kafka refuses the exporter: {why}")
        return False

    def _note(self, error: KafkaError) -> None:
        self._errors.labels(error.name()).inc()
        _log.warning("Kafka: %s", error.str())


def new_consumer(
    kafka: KafkaSettings,
    group: str,
    note: Callable[[KafkaError], None],
    options: Mapping[str, Any],
    queued_kilobytes: int = 32 * 1024,
) -> Consumer:
    """A consumer that commits for itself; ``group`` is its group, ``note`` is told the client's errors.

    Of messages not yet asked for it holds so many ``queued_kilobytes``, where ``kafka.options`` say nothing else.
    """
    return Consumer(
        {
            "queued.max.messages.kbytes": queued_kilobytes,
            **kafka.client(),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "error_cb": note,
            **options,
        },
        logger=_log,
    )


def connect_to_topics(kafka: KafkaSettings, names: Iterable[str]) -> tuple[AdminClient, ClusterMetadata]:
    """Reach the cluster; :class:`TaplineError` where it is not there, or one of the topics is not."""
    admin, metadata = connect(kafka)
    require_topics(kafka, admin, metadata, names)
    return admin, metadata
