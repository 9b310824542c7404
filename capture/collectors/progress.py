"""How far a topic was read, as it is committed to Kafka."""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from typing import Final

import msgspec

from capture.source import Places
from topics.errors import TaplineError

MADE: Final = ("flow", "dead")
"""The kinds of records that are made of a message."""

_LONGEST: Final = 4000
"""Characters beside an offset; Kafka's default limit is 4096 bytes."""


def pack(places: Places) -> str:
    """The places as text for a commit's metadata; :class:`TaplineError` when they are too many."""
    text = b85encode(zlib.compress(msgspec.json.encode({kind: places[kind] for kind in MADE}))).decode()
    if len(text) > _LONGEST:
        raise TaplineError("the topic of flows has too many partitions to commit where each of them ends: 500 fit")
    return text


def unpack(text: str | None) -> Places:
    """The places that were committed; none where it was by something else."""
    try:
        return msgspec.json.decode(zlib.decompress(b85decode(text or "")), type=Places)
    except (ValueError, zlib.error):
        return {}
