"""Dead letters of the exporters that have no documents: what could not be used, where it was, and why."""

from __future__ import annotations

from confluent_kafka import Message

from topics.codec import Headers
from topics.dead_letters import dead_letter
from topics.records import DeadLetter


def letter(
    exporter: str, message: Message, reason: str, detail: str, index: int | None = None, value: bytes | None = None
) -> DeadLetter:
    """The dead letter for a message, or for the record at ``index`` in it, whose JSON is ``value``.

    ``exporter`` is who gives it up.
    """
    headers: Headers = message.headers() or ()  # type: ignore[assignment]
    return dead_letter(
        exporter,
        (message.topic() or "", message.partition() or 0, message.offset() or 0),
        message.timestamp()[1] * 1000,
        headers,
        message.value() if value is None else value,
        (reason, detail),
        node=exporter,
        index=index,
    )
