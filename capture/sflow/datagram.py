"""Datagrams of sFlow v5 taken apart (https://sflow.org/sflow_version_5.txt); all is XDR, in units of four bytes."""

from __future__ import annotations

from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import Final, NamedTuple

VERSION: Final = 5
FLOW, COUNTERS, EXPANDED_FLOW, EXPANDED_COUNTERS = 1, 2, 3, 4
"""Formats of samples of the enterprise 0."""

_head = Struct(">II").unpack_from
_rest = Struct(">IIII").unpack_from
_flow = Struct(">IIIIIIII").unpack_from
_expanded_flow = Struct(">IIIIIIIIIII").unpack_from
_counters = Struct(">III").unpack_from
_expanded_counters = Struct(">IIII").unpack_from
_ADDRESSES: Final = {1: (AF_INET, 4), 2: (AF_INET6, 16)}
_INTERFACE: Final = 0x3FFF_FFFF
"""As an interface: not known."""

_MOST_RECORDS: Final = 64
"""How many records a sample may have: those of real agents have less than ten."""


class SflowError(ValueError):
    """A part of a datagram that does not keep to its format; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Head(NamedTuple):
    """The head of a datagram: the agent's address and part, its number, and how many samples follow, and where."""

    agent: str
    part: int
    sequence: int
    samples: int
    offset: int


class FlowSample(NamedTuple):
    """One packet of ``rate`` was looked at.

    ``interface`` is where (``ds_index``); ``input`` and ``output`` are the packet's own, 0 where they are not known or
    are several. ``drops`` counts packets that the agent should have looked at and could not, since it began.
    ``records`` are the records of it: the format and where each is.
    """

    interface: int
    rate: int
    drops: int
    input: int
    output: int
    records: list[tuple[int, int, int]]


class CounterSample(NamedTuple):
    """Readings of the counters of something; ``records`` as of :class:`FlowSample`."""

    records: list[tuple[int, int, int]]


def read_head(data: bytes) -> Head:
    """The head of a datagram; :class:`SflowError` when it is none of sFlow v5."""
    if len(data) < 8:
        raise SflowError("length", f"a datagram of {len(data)} bytes is too short for a header")
    version, kind = _head(data)
    if version != VERSION:
        raise SflowError("version", f"version {version} is not sFlow 5")
    if kind not in _ADDRESSES:
        raise SflowError("agent", f"an agent's address of type {kind}")
    family, size = _ADDRESSES[kind]
    if len(data) < 8 + size + 16:
        raise SflowError("length", f"a datagram of {len(data)} bytes is too short for a header")
    part, sequence, _, samples = _rest(data, 8 + size)
    return Head(inet_ntop(family, data[8 : 8 + size]), part, sequence, samples, 8 + size + 16)


def samples_of(head: Head, data: bytes) -> Iterator[FlowSample | CounterSample | None]:
    """The samples of a datagram, ``None`` for one of another kind; :class:`SflowError` at one that cannot be."""
    position, end = head.offset, len(data)
    for _ in range(head.samples):
        if position == end:
            raise SflowError("samples", f"there are fewer than the {head.samples} samples that the datagram announces")
        kind, start, position = _part(data, position, end, "sample")
        if kind == FLOW and position - start >= 32:
            _, source, rate, _, drops, ingress, egress, records = _flow(data, start)
            found = _records(data, start + 32, position, records)
            yield FlowSample(source & 0xFFFFFF, rate, drops, _interface(ingress), _interface(egress), found)
        elif kind == EXPANDED_FLOW and position - start >= 44:
            _, _, index, rate, _, drops, in_kind, ingress, out_kind, egress, records = _expanded_flow(data, start)
            found = _records(data, start + 44, position, records)
            yield FlowSample(index, rate, drops, _single(in_kind, ingress), _single(out_kind, egress), found)
        elif kind == COUNTERS and position - start >= 12:
            yield CounterSample(_records(data, start + 12, position, _counters(data, start)[2]))
        elif kind == EXPANDED_COUNTERS and position - start >= 16:
            yield CounterSample(_records(data, start + 16, position, _expanded_counters(data, start)[3]))
        elif kind in {FLOW, COUNTERS, EXPANDED_FLOW, EXPANDED_COUNTERS}:
            raise SflowError("sample-length", f"a sample of {position - start} bytes is too short for its kind")
        else:
            yield None


def _records(data: bytes, position: int, end: int, count: int) -> list[tuple[int, int, int]]:
    if count > _MOST_RECORDS:
        raise SflowError("records", f"a sample of {count} records, more than {_MOST_RECORDS}")
    found = []
    for _ in range(count):
        kind, start, position = _part(data, position, end, "record")
        found.append((kind, start, position))
    return found


def _part(data: bytes, position: int, end: int, what: str) -> tuple[int, int, int]:
    """The format of a sample or record, where its content begins, and where it ends."""
    if end - position < 8:
        raise SflowError(f"{what}-length", f"a {what} ends before its length")
    kind, size = _head(data, position)
    start = position + 8
    if size > end - start:
        raise SflowError(f"{what}-length", f"a {what} of {size} bytes where {end - start} are left")
    return kind, start, start + size


def _interface(value: int) -> int:
    """An interface of a compact sample, whose upper two bits are 0 where it is a single one."""
    return 0 if value >> 30 or value == _INTERFACE else value


def _single(kind: int, value: int) -> int:
    """An interface of an expanded sample, whose kind is 0 where it is a single one."""
    return 0 if kind or value == 0xFFFF_FFFF else value
