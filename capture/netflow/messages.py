"""Datagrams taken apart: NetFlow v5, NetFlow v9 (RFC 3954) and IPFIX (RFC 7011)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct as Layout
from typing import Final, NamedTuple

from capture.netflow.errors import NetflowError
from capture.netflow.templates import IPFIX, VERSION_5, VERSION_9, Field, Template

_head5 = Layout(">HHIIIIBBH")
_head9 = Layout(">HHIIII")
_head10 = Layout(">HHIII")
_set = Layout(">HH").unpack_from
_SAMPLING_INTERVAL: Final = 0x3FFF

_PADDING: Final = (0, 210)
FLOW_OF_VERSION_5: Final = Template(
    VERSION_5,
    0,
    tuple(
        Field(element if isinstance(element, tuple) else (0, element), length)
        for element, length in (
            (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2),
            (_PADDING, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (_PADDING, 2),
        )
    ),
    0,
    b"",
)  # fmt: skip
"""The record of NetFlow v5, which has no templates, as if it had one."""


class Message(NamedTuple):
    """What the header of a datagram says.

    ``exported`` is when it was sent (epoch microseconds) and ``uptime`` how long its sender had run then
    (milliseconds, -1 where it does not say). ``domain`` is the observation domain, the source id, or the engine.
    ``sequence`` counts data records (v5, IPFIX) or datagrams (v9); ``size`` is how many bytes belong to it;
    ``sampling`` says that one packet of so many was looked at, 0 where the header does not.
    """

    version: int
    exported: int
    uptime: int
    sequence: int
    domain: int
    size: int
    sampling: int = 0


def read_message(data: bytes) -> Message:
    """The header of a datagram; :class:`NetflowError` when it is of no version that is known, or too short."""
    version = int.from_bytes(data[:2], "big")
    length = len(data)
    if version == VERSION_9 and length >= _head9.size:
        _, _, uptime, seconds, sequence, source = _head9.unpack_from(data)
        return Message(version, seconds * 1_000_000, uptime, sequence, source, length)
    if version == IPFIX and length >= _head10.size:
        _, size, seconds, sequence, domain = _head10.unpack_from(data)
        if not _head10.size <= size <= length:
            raise NetflowError("length", f"a message of {size} bytes in a datagram of {length}")
        return Message(version, seconds * 1_000_000, -1, sequence, domain, size)
    if version == VERSION_5 and length >= _head5.size:
        _, count, uptime, seconds, nanoseconds, sequence, kind, number, sampling = _head5.unpack_from(data)
        size = _head5.size + count * FLOW_OF_VERSION_5.layout.size
        if size > length:
            raise NetflowError("length", f"{count} records do not fit into a datagram of {length} bytes")
        exported = seconds * 1_000_000 + nanoseconds // 1000
        interval = sampling & _SAMPLING_INTERVAL
        return Message(version, exported, uptime, sequence, kind << 8 | number, size, interval)
    if version in {VERSION_5, VERSION_9, IPFIX}:
        raise NetflowError("length", f"a datagram of {length} bytes is too short for a header")
    raise NetflowError("version", f"version {version} is neither NetFlow 5 or 9 nor IPFIX (10)")


def records_of_version_5(message: Message, data: bytes) -> bytes:
    """The records of a datagram of NetFlow v5."""
    return data[_head5.size : message.size]


def sets_of(message: Message, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The sets of a datagram, by their numbers; :class:`NetflowError` at one whose length cannot be."""
    position = _head9.size if message.version == VERSION_9 else _head10.size
    end = message.size
    while end - position >= 4:
        number, size = _set(data, position)
        if size < 4 or position + size > end:
            if not data[position:end].strip(b"\0"):
                # Padding behind the last set, which some exporters send.
                return
            raise NetflowError("set-length", f"a set of {size} bytes where {end - position} are left")
        yield number, data[position + 4 : position + size]
        position += size
