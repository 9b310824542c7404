"""The demo capture, at other times, and what has to come of it."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from msgspec import Struct

from tapline.commands.holdings import Holdings
from tapline.demo import DEMO_CAPTURE
from workers.counting.groups import AGGREGATES

_HEADER: Final = 24
_RECORD: Final = struct.Struct("<IIII")

COUNTS: Final = {"flow": 1003, "resource": 252, "document": 198}
"""How many records of each kind the demo capture comes to, as README shows them."""

BYTES: Final = 803_840
"""The bytes of its flows."""


class Arrived(Struct, frozen=True):
    """What came of a stream: by kind what was announced, received and is held, and the bytes counted and held."""

    announced: dict[str, int]
    received: dict[str, int]
    held: dict[str, int]
    counted_bytes: int
    held_bytes: int


COMPLETE: Final = Arrived(COUNTS, COUNTS, COUNTS, BYTES, BYTES)
"""What a capture comes to when nothing was lost and nothing doubled."""


def capture_at(hours: int) -> bytes:
    """The demo capture as if everything in it had happened so many hours earlier."""
    data = bytearray(DEMO_CAPTURE.read_bytes())
    at = _HEADER
    while at < len(data):
        seconds, fraction, kept, length = _RECORD.unpack_from(data, at)
        _RECORD.pack_into(data, at, seconds - hours * 3600, fraction, kept, length)
        at += _RECORD.size + kept
    return bytes(data)


def stream_of(capture: bytes) -> str:
    """The name of a capture file's stream."""
    return f"file-{hashlib.sha256(capture).hexdigest()[:16]}"


def arrived(holdings: Holdings, stream: str) -> Arrived:
    """What has come of a stream so far."""
    holdings.refresh()
    conserved = holdings.conservation(stream)
    documents = holdings.documents(stream)
    sums = {
        meter: {
            kind: sum(row[meter] for key, row in conserved.items() if key.startswith(f"{kind}/")) for kind in COUNTS
        }
        for meter in ("announced", "received")
    }
    return Arrived(
        **sums,
        held={kind: documents.get(f"logs-tapline.{kind}-default", 0) for kind in COUNTS},
        counted_bytes=next((one.total for one in holdings.top(stream, AGGREGATES.name)), 0),
        held_bytes=holdings.total(stream, "network.bytes"),
    )
