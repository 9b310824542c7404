"""How everything stands in Kafka: engaged conditions, what is set of the policy, what workers say of themselves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Raw
from msgspec import DecodeError

from console.live.reach import Reach
from topics.admin import connect, require_topics
from topics.catalog import ALERT_STATE, MESSAGE, NOTIFICATION, POLICY
from topics.codec import BadMessage, open_message
from topics.errors import TaplineError
from topics.records import Alert, AlertState, Message, PolicyEntry
from topics.settings import KafkaSettings
from topics.worker_reports import PARTITION, report_of

MOST_CONDITIONS: Final = 100_000
"""Engaged conditions that are kept; further ones are counted."""

_TOPICS: Final = (ALERT_STATE, POLICY, NOTIFICATION, MESSAGE)
_FROM_NOW: Final = (NOTIFICATION, MESSAGE)
_LOOK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.2
_AT_ONCE: Final = 500
_TIMEOUT: Final = 5.0

_log = logging.getLogger(__name__)


class Standing:
    """Follows the compacted topics from a thread of its own; everything else may be asked from any thread.

    ``changed`` is told ``alerts``, ``policy`` or ``workers`` when something of that has changed. While Kafka is away
    :attr:`problem` says so, and what was known stays. :attr:`reach` is how far the policy has reached.
    """

    def __init__(self, kafka: KafkaSettings, changed: Callable[[str], None]) -> None:
        self._kafka = kafka
        self._changed = changed
        self._lock = threading.Condition()
        self._engaged: dict[str, AlertState] = {}
        self._entries: dict[str, PolicyEntry] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._caught_up = False
        self.reach = Reach()
        self.problem = "what Kafka holds is still being read"
        self.beyond = 0
        self.unreadable = 0

    def start(self) -> None:
        """Begin to follow; it goes on trying while Kafka is away."""
        self._thread = threading.Thread(target=self._run, name="standing", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)

    def engaged(self) -> list[AlertState]:
        """The conditions that are engaged."""
        with self._lock:
            return list(self._engaged.values())

    def entries(self) -> dict[str, PolicyEntry]:
        """The entries of the policy that were set, by path."""
        with self._lock:
            return dict(self._entries)

    def acknowledged(self) -> dict[str, PolicyEntry]:
        """What somebody has seen to, by the episode."""
        begin = "acknowledgements/"
        return {path.removeprefix(begin): each for path, each in self.entries().items() if path.startswith(begin)}

    def wait_until_set(self, path: str, value: str, seconds: float = 3.0) -> bool:
        """Wait until an entry that was just written (``""``: taken back) has come back from Kafka; false if not."""
        with self._lock:
            return self._lock.wait_for(lambda: self._value(path) == value, seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (TaplineError, KafkaException) as error:
                text = str(error) if isinstance(error, TaplineError) else error.args[0].str()
                self._has_problem(text)
                self._stop.wait(_AGAIN_SECONDS)

    def _follow(self) -> None:
        """Read the topics from their beginning and go on until :meth:`stop`, or until Kafka is away."""
        admin, metadata = connect(self._kafka)
        require_topics(self._kafka, admin, metadata, [topic.name(self._kafka.prefix) for topic in _TOPICS])
        consumer = Consumer(
            self._kafka.client()
            | {"group.id": f"{self._kafka.prefix}-console", "enable.auto.commit": False, "log_level": 0}
        )
        try:
            places: list[TopicPartition] = []
            missing: dict[tuple[str, int], int] = {}
            for topic in _TOPICS:
                name = topic.name(self._kafka.prefix)
                for number in metadata.topics[name].partitions if topic is not MESSAGE else (PARTITION,):
                    low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_TIMEOUT)
                    # Of what was told the topic keeps two weeks: only that something is told matters here.
                    places.append(TopicPartition(name, number, high if topic in _FROM_NOW else OFFSET_BEGINNING))
                    if topic not in _FROM_NOW and high > low:
                        missing[name, number] = high
            consumer.assign(places)
            with self._lock:
                self._engaged.clear()
                self._entries.clear()
            self._caught_up = False
            self.reach.forget()
            self._read(consumer, missing)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, missing: dict[tuple[str, int], int]) -> None:
        looked = time.monotonic()
        while not self._stop.is_set():
            messages = consumer.consume(_AT_ONCE, _POLL_SECONDS)
            kinds = set()
            for message in messages:
                problem = message.error()
                if problem is not None:
                    if problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                        continue
                    raise KafkaException(problem)
                kinds.add(self._take(message))
            for place in consumer.position([TopicPartition(*place) for place in missing]):
                if place.offset >= missing[place.topic, place.partition]:
                    del missing[place.topic, place.partition]
            if not missing and (self.problem or not self._caught_up):
                self._caught_up, self.problem = True, ""
                kinds |= {"alerts", "policy"}
            if self._caught_up:
                for kind in kinds - {""}:
                    self._changed(kind)
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                consumer.list_topics(POLICY.name(self._kafka.prefix), timeout=_TIMEOUT)

    def _take(self, message: Raw) -> str:
        """Take a message; which kind of thing it has changed."""
        name, value = message.topic(), message.value()
        topic = next(topic for topic in _TOPICS if topic.name(self._kafka.prefix) == name)
        kind = "policy" if topic is POLICY else "alerts"
        if value is None:
            return kind
        try:
            records = open_message(message.headers() or [], value, topic)[1]  # type: ignore[arg-type]
        except (BadMessage, DecodeError):
            self.unreadable += 1
            return ""
        if topic is MESSAGE:
            return "workers" if sum(map(self._hear, records)) else ""
        with self._lock:
            for record in records:
                if isinstance(record, AlertState):
                    self._take_state(record)
                elif isinstance(record, PolicyEntry):
                    self._take_entry(record)
                    self.reach.change(record, message.offset() or 0, live=self._caught_up)
            self._lock.notify_all()
        return kind

    def _hear(self, message: Message) -> bool:
        """Take a message of a script, or a report of a worker; true when that says something new of the policy."""
        try:
            report = report_of(message)
        except DecodeError:
            self.unreadable += 1
            return False
        return report is not None and self.reach.heard(report)

    def _take_state(self, record: AlertState) -> None:
        if record.status != "engaged":
            self._engaged.pop(record.id, None)
        elif record.id in self._engaged or len(self._engaged) < MOST_CONDITIONS:
            self._engaged[record.id] = record
        else:
            self.beyond += 1

    def _take_entry(self, record: PolicyEntry) -> None:
        known = self._entries.get(record.key)
        if known is not None and known.time > record.time:
            return
        if record.value:
            self._entries[record.key] = record
        else:
            self._entries.pop(record.key, None)

    def _value(self, path: str) -> str:
        entry = self._entries.get(path)
        return entry.value if entry is not None else ""

    def _has_problem(self, text: str) -> None:
        if text != self.problem:
            _log.warning("%s", text)
            self.problem = text
            self._changed("alerts")


def most_severe_first(states: list[AlertState]) -> list[AlertState]:
    """Conditions in the order in which one looks at them."""
    return sorted(states, key=lambda state: (-state.alert.severity, -state.alert.began))


def entity_of(alert: Alert) -> str:
    """What an alert is about, for people."""
    return alert.entity or alert.source_ip or alert.node
