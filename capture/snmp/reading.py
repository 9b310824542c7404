"""What a device says of itself and its interfaces: SNMPv2-MIB (RFC 3418) and IF-MIB (RFC 2863)."""

from __future__ import annotations

import time
from typing import Final

from gufo.snmp.typing import ValueType
from msgspec import Struct

from capture.snmp.asking import Asking, WrongAnswer

SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
SYS_NAME: Final = "1.3.6.1.2.1.1.5.0"
ENGINE_TIME: Final = "1.3.6.1.6.3.10.2.1.3.0"
"""snmpEngineTime (RFC 3411): seconds since the agent began, which do not wrap as sysUpTime does."""

_IF: Final = "1.3.6.1.2.1.2.2.1"
_IFX: Final = "1.3.6.1.2.1.31.1.1.1"
DESCRIPTION: Final = f"{_IF}.2"
SPEED: Final = f"{_IF}.5"
ADMIN_STATUS: Final = f"{_IF}.7"
OPER_STATUS: Final = f"{_IF}.8"
NAME: Final = f"{_IFX}.1"
HIGH_SPEED: Final = f"{_IFX}.15"
ALIAS: Final = f"{_IFX}.18"
DISCONTINUITY: Final = f"{_IFX}.19"

NARROW: Final = {
    "in_discards": f"{_IF}.13",
    "in_errors": f"{_IF}.14",
    "out_discards": f"{_IF}.19",
    "out_errors": f"{_IF}.20",
}
"""Counters that have 32 bits only, by the meter they count for."""

WIDE: Final = {
    "in_bytes": (f"{_IFX}.6",),
    "in_packets": (f"{_IFX}.7", f"{_IFX}.8", f"{_IFX}.9"),
    "out_bytes": (f"{_IFX}.10",),
    "out_packets": (f"{_IFX}.11", f"{_IFX}.12", f"{_IFX}.13"),
}
"""Counters of 64 bits; packets are those to one, to several and to all."""

FORMER: Final = {
    "in_bytes": (f"{_IF}.10",),
    "in_packets": (f"{_IF}.11", f"{_IF}.12"),
    "out_bytes": (f"{_IF}.16",),
    "out_packets": (f"{_IF}.17", f"{_IF}.18"),
}
"""The counters of 32 bits in their place, for interfaces that do not have those."""

LONGEST_TEXT: Final = 255
"""Characters kept of a name (DisplayString, RFC 2579)."""

_UNBOUNDED_SPEED: Final = 4_294_967_295
"""What ifSpeed shows for an interface that is faster."""


class Reading(Struct, frozen=True):
    """A counter as it was read: ``bits`` are 32 or 64."""

    value: int
    bits: int


class Interface(Struct, frozen=True, kw_only=True):
    """What there is of one interface.

    ``readings`` are its counters by meter, several for one of packets. ``speed`` is in bit/s, 0 where it is unknown;
    ``discontinuity`` is the sysUpTime at which its counters last began anew or were changed.
    """

    name: str
    alias: str
    speed: int
    admin_status: int
    oper_status: int
    discontinuity: int
    readings: dict[str, tuple[Reading, ...]]


class DeviceReading(Struct, frozen=True, kw_only=True):
    """What there is of a device.

    ``ticks`` is its sysUpTime in hundredths of a second, which wraps after 497 days; ``uptime`` is in seconds, by a
    clock that does not wrap where it has one. ``at`` is when it said so, in seconds of a clock of this machine that
    only goes on.
    """

    name: str
    at: float
    ticks: int
    uptime: float
    interfaces: dict[int, Interface]


async def read_device(asking: Asking) -> DeviceReading:
    """Ask for everything; raises what :class:`~capture.snmp.asking.Asking` does."""
    await asking.begin()
    said = await asking.get([SYS_UPTIME, SYS_NAME, ENGINE_TIME])
    at = time.monotonic()
    ticks = said.get(SYS_UPTIME)
    if not isinstance(ticks, int):
        raise WrongAnswer("it shows no sysUpTime: let whoever asks see 1.3.6.1.2.1.1")
    engine = said.get(ENGINE_TIME)
    uptime = max(ticks / 100, engine if isinstance(engine, int) else 0)
    name = text(said.get(SYS_NAME))
    return DeviceReading(name=name, at=at, ticks=ticks, uptime=uptime, interfaces=await _read_interfaces(asking))


async def _read_interfaces(asking: Asking) -> dict[int, Interface]:
    states = await asking.column(OPER_STATUS)
    if not states:
        return {}
    columns = {name: await asking.column(name) for name in _wanted()}
    wide = columns[WIDE["in_bytes"][0]]
    if any(index not in wide for index in states):
        for names in FORMER.values():
            for name in names:
                columns[name] = await asking.column(name)
    return {index: _interface(index, state, columns) for index, state in states.items()}


def _wanted() -> list[str]:
    fixed = [DESCRIPTION, SPEED, ADMIN_STATUS, NAME, HIGH_SPEED, ALIAS, DISCONTINUITY, *NARROW.values()]
    return fixed + [name for names in WIDE.values() for name in names]


def _interface(index: int, state: ValueType, columns: dict[str, dict[int, ValueType]]) -> Interface:
    def value(column: str) -> ValueType:
        return columns[column].get(index)

    readings: dict[str, tuple[Reading, ...]] = {}
    has_wide = isinstance(value(WIDE["in_bytes"][0]), int)
    bits = 64 if has_wide else 32
    for meter, names in (WIDE if has_wide else FORMER).items():
        read = tuple(Reading(found, bits) for name in names if isinstance(found := value(name), int))
        if read:
            readings[meter] = read
    for meter, name in NARROW.items():
        found = value(name)
        if isinstance(found, int):
            readings[meter] = (Reading(found, 32),)
    return Interface(
        name=text(value(NAME)) or text(value(DESCRIPTION)) or str(index),
        alias=text(value(ALIAS)),
        speed=_speed(value(SPEED), value(HIGH_SPEED)),
        admin_status=_number(value(ADMIN_STATUS)),
        oper_status=_number(state),
        discontinuity=_number(value(DISCONTINUITY)),
        readings=readings,
    )


def _speed(plain: ValueType, high: ValueType) -> int:
    """The speed in bit/s: ifHighSpeed is in Mbit/s, and 0 for what is slower."""
    exact = _number(plain)
    if exact in (0, _UNBOUNDED_SPEED):
        return _number(high) * 1_000_000
    return exact


def _number(value: ValueType) -> int:
    return value if isinstance(value, int) else 0


def text(value: ValueType) -> str:
    """Text of a device, without what cannot be printed."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return "".join(character if character.isprintable() else " " for character in value[:LONGEST_TEXT]).strip()
