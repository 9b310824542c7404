"""Reading back from Kafka what stages have kept, and how conditions stood."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter

from topics.catalog import ALERT_STATE, STORE, Topic
from topics.codec import BadMessage, open_message
from topics.records import AlertState, Stored
from topics.settings import KafkaSettings
from workers.windows.store import newest, store_partition

READ_SECONDS: Final = 60.0
"""Reading that takes longer is given up."""

_POLL_SECONDS: Final = 1.0
_BATCH: Final = 500
_read = Counter("tapline_worker_store_records", "Records that were read back at a start.", ["use"])
_failed = Counter("tapline_worker_store_errors", "Failures to read back what was kept.", ["reason"])


class StoreUnreadable(Exception):
    """What was kept could not be read back; the message says why."""


def read_stores(kafka: KafkaSettings, partitions: int, known: Mapping[str, int]) -> dict[str, list[Stored]]:
    """What each of these stages kept as of the offset that its commit point knows.

    Reads the partitions of the store topic that hold them, from the beginning to where they ended when
    it began. :class:`StoreUnreadable` when that fails or takes longer than :data:`READ_SECONDS`.
    """
    wanted = {store_partition(stage, partitions) for stage in known}
    found: dict[str, list[Stored]] = {stage: [] for stage in known}
    for _, record in _records(kafka, STORE, sorted(wanted)):
        mine = found.get(record.stage)
        _read.labels("other" if mine is None else "used").inc()
        if mine is not None:
            mine.append(record)
    return {stage: newest(records, known[stage]) for stage, records in found.items()}


def read_states(kafka: KafkaSettings, partitions: list[int]) -> dict[int, list[AlertState]]:
    """Everything these partitions of the state topic say of conditions, in its order; errors as in :func:`read_stores`.

    What was forgotten since is among it where Kafka still has it: a stage that is behind needs it.
    """
    found: dict[int, list[AlertState]] = {number: [] for number in partitions}
    for number, record in _records(kafka, ALERT_STATE, sorted(partitions)):
        _read.labels("state").inc()
        found[number].append(record)
    return found


def _records(kafka: KafkaSettings, topic: Topic, partitions: list[int]) -> Iterator[tuple[int, Any]]:
    name = topic.name(kafka.prefix)
    deadline = time.monotonic() + READ_SECONDS
    consumer = Consumer(
        kafka.client()
        | {
            "group.id": f"{kafka.prefix}-store",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in partitions])
        unread = set(partitions)
        while unread:
            if time.monotonic() > deadline:
                raise _unreadable("timeout", f"{name} was not read within {READ_SECONDS:.0f} s")
            for message in consumer.consume(_BATCH, _POLL_SECONDS):
                problem = message.error()
                if problem is None:
                    if message.value() is None:
                        continue
                    try:
                        records = open_message(message.headers(), message.value(), topic)[1]  # type: ignore[arg-type]
                    except BadMessage:
                        _read.labels("bad").inc()
                        continue
                    for record in records:
                        yield message.partition() or 0, record
                elif problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                    unread.discard(message.partition() or 0)
                elif not problem.retriable() and problem.fatal():
                    raise _unreadable("kafka", f"{name} cannot be read: {problem.str()}")
    except KafkaException as error:
        reason = error.args[0].str() if error.args else str(error)
        raise _unreadable("kafka", f"{name} cannot be read: {reason}") from error
    finally:
        consumer.close()


def _unreadable(reason: str, text: str) -> StoreUnreadable:
    _failed.labels(reason).inc()
    return StoreUnreadable(text)
