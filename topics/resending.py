"""What of a dead letter is sent again, and why some are not.

A letter goes to the partition its message was in, under its stream and window, for the stage alone that could not use
it (the header ``reader``): the others have had the message. The exporter writes by ids, so what it gets twice is there
once. A worker has closed the window long since. What comes again has a producer name of its own, made of the letter's
id: to the worker it is one more window of a producer nobody waits for, which ends with this message, and when it
comes twice the second is known.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from topics.catalog import CATALOG, RANKING, Topic
from topics.codec import BadMessage, Envelope, open_message
from topics.dead_letters import EXPORTER, FILES, MIRROR, RECIPIENT, WORKER
from topics.records import DeadLetter

SENT_AGAIN: Final = tuple(topic for topic in CATALOG if not topic.compacted and topic is not RANKING)
"""The topics that messages are sent again to."""

_SHOWN_ID: Final = 16
_KNOWN: Final = frozenset({"schema", "node", "stream", "window", "sequence", "count", "reader"})


class Resent(Struct, frozen=True):
    """A message to send; ``headers`` are those that were there beside the envelope's."""

    topic: str
    partition: int
    envelope: Envelope
    body: bytes
    headers: list[tuple[str, bytes]] = []


class NotAgain(Exception):
    """A letter that cannot be sent again; the text says why and what helps."""


def resent(letter: DeadLetter, prefix: str, partitions: Mapping[str, int]) -> Resent:
    """The message that sends a letter's message or record again; :class:`NotAgain` where that makes no sense.

    ``prefix`` is what names of topics begin with, ``partitions`` how many each kind of topic has.
    """
    topic = _topic(letter, prefix)
    if letter.partition >= partitions.get(topic.kind, 0):
        raise NotAgain(f"{letter.topic} no longer has a partition {letter.partition}")
    envelope, body, headers = _content(letter, topic)
    return Resent(letter.topic, letter.partition, envelope, body, headers)


def decoded(letter: DeadLetter) -> tuple[list[tuple[str, bytes]], bytes]:
    """A letter's headers and value as the bytes they were."""
    return [(name, b64decode(value)) for name, value in letter.headers], b64decode(letter.value)


def _topic(letter: DeadLetter, prefix: str) -> Topic:
    topic = next((topic for topic in CATALOG if topic.name(prefix) == letter.topic), None)
    if topic is None:
        raise NotAgain(f"it was read from {letter.topic}, not from a topic in Kafka: read that again")
    if letter.stage not in (WORKER, EXPORTER, FILES, MIRROR) and not letter.stage.startswith(RECIPIENT):
        raise NotAgain(f"{letter.stage or 'who made it'} takes nothing a second time")
    if topic.compacted:
        raise NotAgain(f"of each key of {letter.topic} the newest holds: this one would stand above it")
    if topic is RANKING:
        raise NotAgain("a top list is merged from all partitions of its window, which has been told")
    if letter.whole_bytes:
        raise NotAgain(f"only a part of its {letter.whole_bytes:,} bytes was kept")
    return topic


def _content(letter: DeadLetter, topic: Topic) -> tuple[Envelope, bytes, list[tuple[str, bytes]]]:
    try:
        headers, value = decoded(letter)
    except ValueError as error:
        raise NotAgain(f"the letter itself is damaged: {error}") from error
    try:
        if letter.index is None:
            envelope = open_message(headers, value, topic)[0]
        else:
            value = b"[%s]" % value
            envelope = open_message([*headers, ("count", b"1")], value, topic)[0]
            envelope = replace(envelope, sequence=envelope.sequence + letter.index)
    except BadMessage as bad:
        raise NotAgain(f"it still cannot be read ({bad})") from bad
    if envelope.is_snapshot:
        raise NotAgain("it marked the end of a window, which is over")
    if letter.stage == WORKER:
        node = f"~retry/{letter.id[:_SHOWN_ID]}<{envelope.node}"
        envelope = replace(envelope, node=node, sequence=0)
    return replace(envelope, reader=letter.stage), value, [each for each in headers if each[0] not in _KNOWN]
