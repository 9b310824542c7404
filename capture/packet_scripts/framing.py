"""A stream of packets, pcap or pcapng, cut where a packet ends, so that one can go on reading it there.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. The packets stay as they are.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from topics.errors import TaplineError

MOST_BYTES: Final = 1 << 24
"""The longest packet or block; what says it is longer is damaged."""

MOST_PREAMBLE: Final = 1 << 20
"""Most bytes of what has to stand before packets: every interface of a pcapng file has a block in it."""

_PCAP_HEADER: Final = 24
_PCAP: Final = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">",
}
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_BLOCK_HEAD: Final = 12
_INTERFACE: Final = 1
_PACKETS: Final = frozenset({2, 3, 6})
"""Blocks that are a packet: old, simple, enhanced."""


class Piece(NamedTuple):
    """A packet, and what a reader that begins with it has to be given before it."""

    preamble: bytes
    packet: bytes


class Framing:
    """Takes a stream bit by bit."""

    def __init__(self) -> None:
        self._left = b""
        self._known = False
        self._preamble = b""
        self._between = b""
        self._section = False
        self._pcap: Struct | None = None
        self._block: Struct | None = None

    @property
    def inside(self) -> bool:
        """True when the stream so far ends inside a packet."""
        return bool(self._left)

    def take(self, chunk: bytes) -> list[Piece]:
        """The packets that are complete with this chunk.

        :class:`TaplineError` when the stream is no capture or damaged.
        """
        data = self._left + chunk if self._left else chunk
        at = 0
        if not self._known:
            if len(data) < _PCAP_HEADER:
                self._left = data
                return []
            at = self._recognise(data)
        found: list[Piece] = []
        at = self._records(data, at, found) if self._pcap is not None else self._blocks(data, at, found)
        self._left = data[at:]
        return found

    def _recognise(self, data: bytes) -> int:
        """See what the stream is; how much of it comes before the first record."""
        order = _PCAP.get(data[:4])
        if order is None and data[:4] != _PCAPNG:
            raise TaplineError("it is neither pcap nor pcapng")
        self._known = True
        if order is None:
            return 0
        self._pcap = Struct(f"{order}8xI4x")
        self._preamble = data[:_PCAP_HEADER]
        return _PCAP_HEADER

    def _records(self, data: bytes, at: int, found: list[Piece]) -> int:
        """Packets of pcap; where the first that is not complete begins."""
        header, preamble = self._pcap, self._preamble
        assert header is not None
        size, end = header.size, len(data)
        while at + size <= end:
            (captured,) = header.unpack_from(data, at)
            if captured > MOST_BYTES:
                raise TaplineError(f"it is damaged: a packet of {captured:,} bytes")
            after = at + size + captured
            if after > end:
                break
            found.append(Piece(preamble, data[at:after]))
            at = after
        return at

    def _blocks(self, data: bytes, at: int, found: list[Piece]) -> int:
        """Blocks of pcapng; where the first that is not complete begins."""
        while at + _BLOCK_HEAD <= len(data):
            is_section = data[at : at + 4] == _PCAPNG
            if is_section:
                order = _BYTE_ORDERS.get(data[at + 8 : at + 12])
                if order is None:
                    raise TaplineError("it is damaged: a section of pcapng in no byte order")
                self._block = Struct(f"{order}II")
            assert self._block is not None
            kind, length = self._block.unpack_from(data, at)
            if not _BLOCK_HEAD <= length <= MOST_BYTES or length % 4:
                raise TaplineError(f"it is damaged: a block of {length:,} bytes")
            if at + length > len(data):
                break
            block = data[at : at + length]
            at += length
            if kind in _PACKETS:
                found.append(Piece(self._preamble, self._between + block))
                self._preamble = self._between if self._section else self._preamble + self._between
                self._between, self._section = b"", False
            elif is_section:
                self._between, self._section = block, True
            elif kind == _INTERFACE:
                self._between += block
            if len(self._preamble) + len(self._between) > MOST_PREAMBLE:
                raise TaplineError("it has more interfaces than can be")
        return at
