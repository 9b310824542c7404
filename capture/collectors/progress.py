"""How far a topic was read, as it is committed to Kafka."""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from collections.abc import Sequence
from typing import Final

import msgspec

from capture.source import Places
from topics.errors import TaplineError

_LONGEST: Final = 4000
"""Characters beside an offset; Kafka's default limit is 4096 bytes."""


def pack(places: Places, kinds: Sequence[str]) -> str:
    """The places of these kinds as text for a commit's metadata; :class:`TaplineError` when they are too many."""
    text = b85encode(zlib.compress(msgspec.json.encode({kind: places[kind] for kind in kinds}))).decode()
    if len(text) > _LONGEST:
        raise TaplineError(
            f"the topics of {' and '.join(kinds)} have too many partitions to commit where each of them ends: 500 fit"
            " of two kinds of records, 150 of six"
        )
    return text


def unpack(text: str | None) -> Places:
    """The places that were committed; none where it was by something else."""
    try:
        return msgspec.json.decode(zlib.decompress(b85decode(text or "")), type=Places)
    except (ValueError, zlib.error):
        return {}
