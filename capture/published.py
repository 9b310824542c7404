"""Reading back which records stand in the topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct

from topics.codec import SNAPSHOT_SCHEMA
from topics.errors import TaplineError
from topics.records import Snapshot
from topics.refusals import lacking
from topics.settings import KafkaSettings

T = TypeVar("T")
Place = tuple[str, int]
"""The name of a topic, and a partition."""

_BATCH: Final = 500
_WAIT: Final = 0.2
_TIMEOUT: Final = 30.0
_STALLED: Final = 60.0


class NotReadable(TaplineError):
    """This user has no right to read what was published."""


class _Known(Struct, gc=False):
    id: str


_records = msgspec.json.Decoder(list[_Known])
_markers = msgspec.json.Decoder(list[Snapshot])


def ends_of(settings: KafkaSettings, places: Sequence[Place]) -> dict[Place, int]:
    """The offset behind the last message of each partition; :class:`TaplineError` when Kafka does not say."""
    if not places:
        return {}
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return _offsets(settings, {TopicPartition(*place): latest for place in places})


def _offsets(settings: KafkaSettings, wanted: dict[TopicPartition, OffsetSpec]) -> dict[Place, int]:
    admin = AdminClient(settings.client() | {"log_level": "0"})
    try:
        asked = admin.list_offsets(wanted, request_timeout=_TIMEOUT)
        return {(each.topic, each.partition): future.result().offset for each, future in asked.items()}
    except KafkaException as error:
        raise TaplineError(
            f"Kafka does not say what its topics hold ({error.args[0].str()}): run this again"
        ) from error


def offset_since(settings: KafkaSettings, place: Place, seconds: float) -> int | None:
    """The offset of the first message that came in the last so many seconds; None where none did."""
    earliest = OffsetSpec.for_timestamp(round((time.time() - seconds) * 1000))
    offset = _offsets(settings, {TopicPartition(*place): earliest})[place]
    return None if offset < 0 else offset


def ids_between(
    settings: KafkaSettings, begins: dict[Place, int], ends: dict[Place, int], is_ours: Callable[[str], bool]
) -> Iterator[str]:
    """The ids of the records between these offsets whose producer, as headers name it, ``is_ours``.

    :class:`TaplineError` when they cannot be read; what retention has deleted meanwhile is none.
    """
    for headers, body in _messages(settings, begins, ends, is_ours):
        if headers.get("schema") != SNAPSHOT_SCHEMA.encode():
            yield from (record.id for record in _decoded(_records, body))


def ended_between(settings: KafkaSettings, place: Place, begin: int, end: int, is_ours: Callable[[str], bool]) -> int:
    """The latest window that a producer that ``is_ours`` has marked between these offsets as its last; -1 for none."""
    last = -1
    for headers, body in _messages(settings, {place: begin}, {place: end}, is_ours):
        if headers.get("schema") == SNAPSHOT_SCHEMA.encode():
            last = max([last, *(marker.window for marker in _decoded(_markers, body) if marker.final)])
    return last


def _messages(
    settings: KafkaSettings, begins: dict[Place, int], ends: dict[Place, int], is_ours: Callable[[str], bool]
) -> Iterator[tuple[dict[str, bytes | None], bytes | None]]:
    """Headers and bodies of the messages between these offsets whose producer ``is_ours``."""
    left = {place: end for place, end in ends.items() if begins[place] < end}
    if not left:
        return
    group = f"{settings.prefix}-read-back"
    consumer = Consumer(
        {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 16 * 1024,
            "log_level": 0,
        }
        | settings.client()
    )
    try:
        consumer.assign([TopicPartition(*place, begins[place]) for place in left])
        moved = time.monotonic()
        while left:
            messages = consumer.consume(_BATCH, _WAIT)
            if messages:
                moved = time.monotonic()
            elif time.monotonic() - moved > _STALLED:
                raise TaplineError(
                    f"what {next(iter(left))[0]} holds cannot be read: see `tapline status`, run this again"
                )
            for message in messages:
                problem = message.error()
                # What is refused of the group names no topic.
                if problem is not None and problem.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                    raise KafkaException(problem)  # noqa: TRY301 - told below as any other
                name, partition, offset = message.topic(), message.partition(), message.offset()
                assert name is not None
                assert partition is not None
                assert offset is not None
                if problem is not None:
                    left.pop((name, partition), None)
                    continue
                end = left.get((name, partition))
                if end is None or offset >= end:
                    continue
                headers: dict[str, bytes | None] = dict(message.headers() or ())  # type: ignore[arg-type]
                if (producer := headers.get("node")) and is_ours(producer.decode()):
                    yield headers, message.value()
                if offset + 1 >= end:
                    del left[name, partition]
    except KafkaException as error:
        problem = error.args[0]
        if problem.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            names = ", ".join(sorted({name for name, _ in begins}))
            right = f"Read on the topics {names} and Describe on the group {group}"
            raise NotReadable(lacking(settings, right)) from error
        raise TaplineError(f"what was published cannot be read back: {problem.str()}: run this again") from error
    finally:
        consumer.close()


def _decoded(decoder: msgspec.json.Decoder[list[T]], body: bytes | None) -> list[T]:
    try:
        return decoder.decode(body or b"[]")
    except msgspec.MsgspecError:
        # Whatever it is, a capture node did not write it.
        return []
