"""The messages of the mirror: key, value and headers of one record."""

from __future__ import annotations

from typing import Final

import msgspec

from exporters.elasticsearch.documents import encode_document
from exporters.mirror.settings import MirrorSettings
from topics.catalog import Topic
from topics.codec import Envelope
from topics.records import Record

_OVERHEAD: Final = 256
"""More bytes than Kafka adds to a message that is alone in its batch."""

_encoder: Final = msgspec.json.Encoder()


def key_of(record: Record, key: str) -> str:
    """The record's field ``key``; its id where it has none."""
    return getattr(record, key, "") or record.id


def value_of(topic: Topic, record: Record, envelope: Envelope, settings: MirrorSettings) -> bytes:
    """The record as one JSON object; :class:`ValueError` when it has a text that JSON cannot hold."""
    if settings.form == "ecs":
        return encode_document(topic, record, envelope.stream, envelope.window)
    return _encoder.encode(record)


def headers_of(envelope: Envelope, source: str, partition: int, offset: int, index: int) -> list[tuple[str, bytes]]:
    """What the message is, and where it comes from: ``origin`` is topic, partition, offset and index in the message."""
    return [
        ("schema", envelope.schema.encode()),
        ("stream", envelope.stream.encode()),
        ("window", b"%d" % envelope.window),
        ("origin", f"{source}/{partition}/{offset}/{index}".encode()),
    ]


def size_of(key: str, value: bytes, headers: list[tuple[str, bytes]]) -> int:
    """How many bytes the message has at most, as Kafka counts them."""
    return _OVERHEAD + len(key.encode()) + len(value) + sum(len(name) + len(each) for name, each in headers)
