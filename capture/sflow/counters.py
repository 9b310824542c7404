"""Readings of interfaces' counters: ``if_counters`` of sFlow, which are those of SNMP's IF-MIB (RFC 2863)."""

from __future__ import annotations

from struct import Struct
from typing import Final

from topics.records import MeterKind

GROUP: Final = "sFlow Interfaces"
INTERFACE: Final = 1
"""The format of the counter record that is read."""

_unpack = Struct(">IIQIIQIIIIIIQIIIIII")
_NAMES: Final = (
    "", "", "speed", "", "status", "in_bytes", "in_packets", "in_multicasts", "in_broadcasts", "in_discards",
    "in_errors", "", "out_bytes", "out_packets", "out_multicasts", "out_broadcasts", "out_discards", "out_errors", "",
)  # fmt: skip
_GAUGES: Final = frozenset({"speed", "status"})
_UNKNOWN: Final = frozenset({0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF})
KINDS: Final[dict[str, MeterKind]] = {name: "gauge" if name in _GAUGES else "delta_rate" for name in _NAMES if name}


def interface_counters(data: bytes, start: int, end: int) -> tuple[int, dict[str, int | float]] | None:
    """The number (ifIndex) of an interface and its meters, ``None`` when the record is too short.

    ``speed`` is in bits a second, ``status`` 3 where it is up (bit 0: wanted, bit 1: is). Packets are
    unicasts. What the agent does not know is left out.
    """
    if end - start < _unpack.size:
        return None
    values = _unpack.unpack_from(data, start)
    meters: dict[str, int | float] = {
        name: value for name, value in zip(_NAMES, values, strict=True) if name and value not in _UNKNOWN
    }
    return values[0], meters
