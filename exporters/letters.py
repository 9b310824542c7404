"""Dead letters of the exporters that have no documents: what could not be used, where it was, and why."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from confluent_kafka import Message

from topics.catalog import DEAD
from topics.codec import Envelope, Headers
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, DeadLetter

MAX_VALUE_BYTES: Final = 4 * 1024 * 1024
"""How much of a value a dead letter holds; the message itself stays where it is."""


def letter(
    exporter: str, message: Message, reason: str, detail: str, index: int | None = None, value: bytes | None = None
) -> DeadLetter:
    """The dead letter for a message, or for the record at ``index`` in it, whose JSON is ``value``.

    Its id is the same when the same message is read again. ``exporter`` is who gives it up.
    """
    topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
    headers: Headers = message.headers() or ()  # type: ignore[assignment]
    content = (message.value() or b"") if value is None else value
    if len(content) > MAX_VALUE_BYTES:
        detail = f"{detail} (value cut from {len(content)} to {MAX_VALUE_BYTES} bytes)"
    where = (topic, partition, offset) if index is None else (topic, partition, offset, index)
    return DeadLetter(
        id=digest(DEAD.kind, exporter, *where),
        time=message.timestamp()[1] * 1000,
        node=exporter,
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reason,
        stage=exporter,
        error=detail if index is None else f"record {index}: {detail}",
        value=b64encode(content[:MAX_VALUE_BYTES]).decode(),
        headers=[(name, b64encode(held or b"").decode()) for name, held in headers],
    )


def envelope_of(letter: DeadLetter) -> Envelope:
    """The headers that a dead letter travels with."""
    return Envelope(
        schema=DEAD.schema,
        node=letter.node,
        stream="live",
        window=letter.time // 1_000_000 // WINDOW_SECONDS * WINDOW_SECONDS,
        sequence=0,
        count=1,
    )
