"""Dead letters: how they are made, so that those of every stage are alike."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from topics.catalog import DEAD
from topics.codec import Envelope, Headers
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, DeadLetter

WORKER: Final = "worker"
"""How the workers name themselves as the stage of a dead letter."""

EXPORTER: Final = "exporter-elasticsearch"
"""How the exporter to Elasticsearch names itself."""

FILES: Final = "exporter-files"
"""How the exporter to files names itself."""

MIRROR: Final = "exporter-mirror"
"""How the mirror names itself."""

RECIPIENT: Final = "recipient-"
"""What the names of recipients of alerts begin with; the recipient's own follows."""

MAX_VALUE_BYTES: Final = 4 * 1024 * 1024
"""How much of a message's value a dead letter holds; the message itself stays where it is."""

MAX_HEADER_BYTES: Final = 64 * 1024
"""How much of a message's headers it holds; those that would be more are left out."""

MAX_ERROR_CHARACTERS: Final = 4000


def dead_letter(
    stage: str,
    place: tuple[str, int, int],
    time: int,
    headers: Headers | None,
    value: bytes | None,
    why: tuple[str, str],
    *,
    node: str,
    index: int | None = None,
) -> DeadLetter:
    """The dead letter of a message, or of the record ``index`` in it, of which ``value`` is then the JSON.

    ``place`` is the topic's name in Kafka, the partition and the offset, ``time`` when Kafka took the message
    (microseconds), ``why`` the reason and what was wrong. It is never too large for Kafka, and has the same id
    whenever the same stage meets the same message.
    """
    topic, partition, offset = place
    reason, detail = why
    value = value or b""
    return DeadLetter(
        id=digest(DEAD.kind, stage, topic, partition, offset, -1 if index is None else index),
        time=time,
        node=node,
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reason,
        stage=stage,
        error=detail[:MAX_ERROR_CHARACTERS],
        value=b64encode(value[:MAX_VALUE_BYTES]).decode(),
        headers=_kept(headers),
        whole_bytes=len(value) if len(value) > MAX_VALUE_BYTES else 0,
        index=index,
    )


def dead_envelope(node: str, time: int) -> Envelope:
    """The headers of a message that holds one dead letter of this time (microseconds)."""
    window = time // 1_000_000 // WINDOW_SECONDS * WINDOW_SECONDS
    return Envelope(schema=DEAD.schema, node=node, stream="live", window=window, sequence=0, count=1)


def _kept(headers: Headers | None) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    left = MAX_HEADER_BYTES
    for name, content in headers or ():
        left -= len(name.encode()) + len(content or b"")
        if left >= 0:
            kept.append((name, b64encode(content or b"").decode()))
    return kept
