"""Files of nfcapd, nfpcapd and sfcapd (https://github.com/phaag/nfdump), versions 1.6 and 1.7, read by ``nfdump``.

Its JSON is read: the other formats, which are not faster to make, have times to the second (``csv``) or say less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from capture.exports.collected import Collected
from capture.stored import NFDUMP
from capture.stored.format import Ignored, Stored, StoredError
from capture.stored.values import MOST, ends_of, mac_of, transport_of

LONGEST: Final = 1 << 20
"""Bytes of a record, more than any has."""

_MAGICS: Final = (b"\x0c\xa5", b"\xa5\x0c")
_FLAGS: Final = "CEUAPRSF"
"""The letters of TCP flags, from the highest bit to the lowest; a dot stands for one that is not set."""

_Counter = Annotated[int, Meta(ge=0, lt=MOST)]
_Port = Annotated[int, Meta(ge=0, le=65_535)]
_Octet = Annotated[int, Meta(ge=0, le=255)]
_Number = Annotated[int, Meta(ge=0, lt=1 << 32)]


class _Record(Struct, gc=False):
    """The members that are read. Counters are multiplied by the sampling rate already: nfcapd does that."""

    first: str
    last: str
    received: str = ""
    sampled: int = 0
    in_packets: _Counter = 0
    in_bytes: _Counter = 0
    out_packets: _Counter = 0
    out_bytes: _Counter = 0
    proto: _Octet = 0
    tcp_flags: str = ""
    src_port: _Port = 0
    dst_port: _Port = 0
    icmp_type: _Octet = 0
    icmp_code: _Octet = 0
    src4_addr: str = ""
    dst4_addr: str = ""
    src6_addr: str = ""
    dst6_addr: str = ""
    input_snmp: _Number = 0
    output_snmp: _Number = 0
    src_vlan: _Port = 0
    dst_vlan: _Port = 0
    src_as: _Number = 0
    dst_as: _Number = 0
    in_src_mac: str = ""
    out_dst_mac: str = ""
    in_dst_mac: str = ""
    ip4_router: str = ""
    ip6_router: str = ""


class NfdumpFiles:
    """The :class:`~capture.stored.format.Format` of nfdump's files."""

    name = NFDUMP
    program = "nfdump"
    package = "nfdump"

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Record)

    def is_one(self, head: bytes) -> bool:
        return head.startswith(_MAGICS)

    def command(self, path: Path) -> list[str]:
        # A database of places, where the machine has one, would only slow it down.
        return ["nfdump", "-G", "none", "-q", "-r", str(path), "-o", "json"]

    def records(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n}")
            for each in whole:
                yield each[each.find(b"{") :] + b"\n}"
            if len(rest) > LONGEST:
                yield rest
                rest = b""

    def decode(self, record: bytes) -> Stored | Ignored:
        if len(record) > LONGEST:
            raise StoredError("long", f"longer than {LONGEST:,} bytes")
        try:
            read = self._decoder.decode(record)
        except msgspec.ValidationError as error:
            raise StoredError("type", str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise StoredError("json", str(error)) from error
        if not (read.in_packets or read.in_bytes or read.out_packets or read.out_bytes):
            return Ignored("no-counters")
        source, destination = read.src4_addr or read.src6_addr, read.dst4_addr or read.dst6_addr
        if not source or not destination:
            return Ignored("no-addresses")
        packed = ends_of(source, destination)
        flow = Collected(
            *packed,
            protocol=read.proto,
            transport=transport_of(read.proto),
            ports=(read.src_port, read.dst_port),
            counts=(read.in_bytes, read.in_packets),
            reverse=(read.out_bytes, read.out_packets),
            start=_moment(read.first),
            end=_moment(read.last),
            rate=0 if read.sampled else 1,
            exporter=read.ip4_router or read.ip6_router,
            interfaces=(read.input_snmp, read.output_snmp),
            macs=(mac_of(read.in_src_mac), mac_of(read.in_dst_mac) or mac_of(read.out_dst_mac)),
            vlan=read.src_vlan or read.dst_vlan,
            tcp_flags=_flags(read.tcp_flags),
            icmp=read.icmp_type << 8 | read.icmp_code,
            application="",
            as_numbers=(read.src_as, read.dst_as),
        )
        return Stored(flow, _moment(read.received) if read.received else 0)


def _moment(text: str) -> int:
    """Epoch microseconds of a time in UTC with milliseconds, as ``2026-01-02T03:04:05.678``."""
    whole, point, fraction = text.partition(".")
    if not point or len(fraction) != 3 or not fraction.isdecimal():
        raise StoredError("time", f"{text[:64]!r} is no time")
    return _second(whole) + int(fraction) * 1000


@lru_cache(maxsize=1 << 14)
def _second(text: str) -> int:
    try:
        seconds = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise StoredError("time", f"{text[:64]!r} is no time") from error
    return round(seconds) * 1_000_000


@lru_cache(maxsize=1 << 10)
def _flags(letters: str) -> int:
    return sum(1 << bit for bit, letter in enumerate(reversed(_FLAGS)) if letter in letters)
