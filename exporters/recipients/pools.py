"""The pools of the policy in force: those of its files and what was set above them, as both change."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from exporters.consumer import POLL_SECONDS, connect_to_topics, new_consumer
from exporters.recipients.metrics import POLICY_REFUSED
from tapline.policy.effective import PolicyView
from tapline.policy.entries import SEPARATOR, value_of
from tapline.policy.model import Policy, Pool
from tapline.policy.reading import BadEntry, read_files
from topics.catalog import POLICY
from topics.codec import BadMessage, open_message
from topics.errors import TaplineError
from topics.settings import KafkaSettings

LOOK_EVERY: Final = 5.0
"""Seconds between two looks at the files."""

_SECTION: Final = f"pools{SEPARATOR}"
_TIMEOUT: Final = 10.0
_PATIENCE: Final = 30.0
_QUEUED_KILOBYTES: Final = 1024

_log = logging.getLogger(__name__)


class LivePools:
    """Tells which pools an entity is in, from :meth:`start` to :meth:`stop`, whatever thread asks.

    What cannot be used changes nothing: it is logged and counted.
    """

    def __init__(self, kafka: KafkaSettings, files: Sequence[str]) -> None:
        self._kafka = kafka
        self._files = [Path(file) for file in files]
        self._of_files: dict[str, Pool] = {}
        self._set: dict[str, Pool] = {}
        self._sights: list[tuple[int, int] | None] = []
        self._looked = 0.0
        self._view = PolicyView()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pools")
        self._consumer: Consumer | None = None

    def __call__(self, kind: str, name: str) -> tuple[str, ...]:
        """The names of the pools that an entity is in."""
        return self._view.pools_of(kind, name)

    def start(self) -> None:
        """Read files and entries; :class:`TaplineError` where that cannot be done."""
        self._sights = self._seen()
        self._of_files = read_files(self._files).policy.pools
        name = POLICY.name(self._kafka.prefix)
        _, metadata = connect_to_topics(self._kafka, [name])
        self._consumer = consumer = new_consumer(
            self._kafka, f"{self._kafka.prefix}-pools", _note, {}, _QUEUED_KILOBYTES
        )
        try:
            ends = {
                number: consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_TIMEOUT)
                for number in metadata.topics[name].partitions
            }
            consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in ends])
        except KafkaException as error:
            raise TaplineError(f"cannot read topic {name}: {error.args[0].str()}") from error
        waiting = {number for number, (low, end) in ends.items() if end > low}
        deadline = time.monotonic() + _PATIENCE
        while waiting:
            message = consumer.poll(POLL_SECONDS)
            if message is not None and self._take(message):
                number, offset = message.partition() or 0, message.offset() or 0
                if offset >= ends[number][1] - 1:
                    waiting.discard(number)
            elif time.monotonic() > deadline:
                raise TaplineError(f"Kafka at {self._kafka.bootstrap} does not send the policy: see `tapline doctor`")
        self._put_in_force()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and release the connection."""
        self._stopping.set()
        with suppress(RuntimeError):
            self._thread.join()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _follow(self) -> None:
        consumer = self._consumer
        while consumer is not None and not self._stopping.is_set():
            message = consumer.poll(POLL_SECONDS)
            if (message is not None and self._take(message)) | self._look():
                self._put_in_force()

    def _take(self, message: Message) -> bool:
        """Take a message of the policy topic; false where it is none."""
        problem = message.error()
        if problem is not None:
            _note(problem)
            return False
        try:
            _, records = open_message(message.headers(), message.value(), POLICY)  # type: ignore[arg-type]
        except BadMessage as bad:
            # A key without a value is one that compaction is to forget.
            if message.value() is not None:
                _refuse(str(bad))
            else:
                self._set.pop((message.key() or b"").decode(errors="replace"), None)
            return True
        for record in records:
            if record.key.startswith(_SECTION):
                try:
                    value = value_of(record)
                except BadEntry as bad:
                    _refuse(f"{record.key}: {bad}")
                    continue
                if isinstance(value, Pool):
                    self._set[record.key] = value
                else:
                    self._set.pop(record.key, None)
        return True

    def _look(self) -> bool:
        """Read the files again where they have changed; true when they say something else."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return False
        self._looked = time.monotonic()
        sights, before = self._seen(), self._sights
        if sights == before:
            return False
        try:
            self._of_files = read_files(self._files).policy.pools
        except (TaplineError, OSError) as error:
            _refuse(str(error))
            return False
        self._sights = sights
        return True

    def _seen(self) -> list[tuple[int, int] | None]:
        """What tells one state of the files from another."""
        found: list[tuple[int, int] | None] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size))
        return found

    def _put_in_force(self) -> None:
        set_above = {key.removeprefix(_SECTION): pool for key, pool in self._set.items()}
        self._view = PolicyView(Policy(pools=self._of_files | set_above))


def _refuse(why: str) -> None:
    POLICY_REFUSED.inc()
    _log.error("the pools stay as they were: %s", why)


def _note(error: KafkaError) -> None:
    _log.warning("Kafka: %s", error.str())
