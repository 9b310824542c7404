"""Messages: arrays of JSON records with headers that say what they are.

A message holds 1 to about 1,000 records of one kind for one partition. JSON, because every other
tool reads it and msgspec makes it as fast as a binary format (docs/explanation/wire.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from topics.catalog import Topic
from topics.records import Snapshot

MAX_RECORDS: Final = 1000
"""Most records in one message."""

SNAPSHOT_SCHEMA: Final = "snapshot/1"

T = TypeVar("T", bound=Struct)
Headers = Sequence[tuple[str, bytes | None]]


class BadMessage(ValueError):
    """A message that does not keep the contract; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Envelope(Struct, frozen=True):
    """What the headers say of a message.

    ``sequence`` is the index of the message's first record among all records that this node, stream
    and window have sent to this partition; a receiver that has an index already drops the record.
    ``reader`` names the only stage that is to take the message, as it is sent again to the one that
    could not use it; all others pass it over. It is empty for all other messages.
    """

    schema: str
    node: str
    stream: str
    window: int
    sequence: int
    count: int
    reader: str = ""

    @property
    def is_snapshot(self) -> bool:
        """True for the marker that ends a window."""
        return self.schema == SNAPSHOT_SCHEMA

    def is_for(self, stage: str) -> bool:
        """True unless the message was sent again for another stage than this."""
        return self.reader in ("", stage)

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers."""
        headers = [
            ("schema", self.schema.encode()),
            ("node", self.node.encode()),
            ("stream", self.stream.encode()),
            ("window", b"%d" % self.window),
            ("sequence", b"%d" % self.sequence),
            ("count", b"%d" % self.count),
        ]
        return [*headers, ("reader", self.reader.encode())] if self.reader else headers


_encoder = msgspec.json.Encoder()
_decoders: dict[type[Struct], msgspec.json.Decoder[Any]] = {}


def encode(records: Sequence[Struct]) -> bytes:
    """The body of a message holding these records."""
    return _encoder.encode(records)


def decode(record: type[T], body: bytes | None) -> list[T]:
    """The records of a message's body; :class:`BadMessage` when it is none of this kind."""
    if body is None:
        raise BadMessage("empty", "the message has no body")
    decoder = _decoders.get(record)
    if decoder is None:
        decoder = _decoders[record] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
    try:
        records: list[T] = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage("undecodable", str(error)) from error
    return records


def open_envelope(headers: Headers | None, topic: Topic) -> Envelope:
    """Read a message's headers; :class:`BadMessage` when they lack something or belong elsewhere."""
    found: dict[str, bytes | None] = dict(headers or ())
    try:
        envelope = Envelope(
            schema=_text(found, "schema"),
            node=_text(found, "node"),
            stream=_text(found, "stream"),
            window=int(_text(found, "window")),
            sequence=int(_text(found, "sequence")),
            count=int(_text(found, "count")),
            reader=(found.get("reader") or b"").decode(),
        )
    except (KeyError, ValueError) as error:
        raise BadMessage("headers", f"missing or bad header ({error})") from error
    kind, _, version = envelope.schema.partition("/")
    if not envelope.is_snapshot and (kind != topic.kind or version.partition(".")[0] != str(topic.version)):
        raise BadMessage("schema", f"{envelope.schema!r} in a topic of {topic.schema!r}")
    if envelope.sequence < 0 or envelope.count < 1:
        raise BadMessage("headers", f"sequence {envelope.sequence}, count {envelope.count}")
    return envelope


def open_message(headers: Headers | None, body: bytes | None, topic: Topic) -> tuple[Envelope, list[Any]]:
    """Envelope and records of a message of this topic: its own kind, or one :class:`Snapshot`."""
    envelope = open_envelope(headers, topic)
    records: list[Any] = decode(Snapshot if envelope.is_snapshot else topic.record, body)
    if len(records) != envelope.count:
        raise BadMessage("count", f"{len(records)} records, the header says {envelope.count}")
    return envelope, records


def _text(found: dict[str, bytes | None], name: str) -> str:
    value = found[name]
    if value is None:
        raise ValueError(f"{name} is empty")
    return value.decode()
