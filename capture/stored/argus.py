"""Files of Argus 3 (https://openargus.org), read by ``ra``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from capture.exports.collected import Collected
from capture.network.addresses import plain_address
from capture.stored import ARGUS
from capture.stored.format import Ignored, Stored, StoredError
from capture.stored.values import MOST, ends_of, mac_of, transport_of

LONGEST: Final = 1 << 16
"""Bytes of a line, more than any has."""

_FIELDS: Final = (
    "stime", "ltime", "proto", "saddr", "daddr", "sport", "dport", "sbytes", "dbytes", "spkts", "dpkts", "sappbytes",
    "dappbytes", "state", "smac", "dmac", "svlan", "sas", "das", "srcid",
)  # fmt: skip
_ICMP: Final = frozenset({1, 58})
_TCP: Final = 6
_WITH_PAYLOAD: Final = frozenset({_TCP, 17})
_FLAGS: Final = "FSRPAUEC"
"""The letters of TCP flags, from the lowest bit to the highest."""

_is_mac: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}").fullmatch
_NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - as it is written for none


class ArgusFiles:
    """The :class:`~capture.stored.format.Format` of files of Argus.

    Argus tells of a flow in records of what came since the one before, both ways.
    """

    name = ARGUS
    program = "ra"
    package = "argus-client"

    def is_one(self, head: bytes) -> bool:
        """An initial management record: its type and version, the length of 128 octets, and Argus's magic number."""
        return head[:1] == b"\x83" and b"\xe5\x71\x2d\xcb" in head[:16]

    def command(self, path: Path) -> list[str]:
        # Without -X the user's own settings would have a part in it; -nn has numbers of protocols, -Zb TCP flags.
        options = ["-X", "-L", "-1", "-nn", "-u", "-p", "6", "-Zb", "-c", "|"]
        return ["ra", *options, "-r", str(path), "-s", *_FIELDS]

    def records(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LONGEST:
                yield rest
                rest = b""
        if rest:
            yield rest

    def decode(self, record: bytes) -> Stored | Ignored:
        try:
            # Behind the last field stands a bar as well.
            values = record.decode("ascii").split("|")[: len(_FIELDS)]
            (
                start, end, protocol, source, destination, source_port, destination_port,
                source_bytes, destination_bytes, source_packets, destination_packets,
                source_payload, destination_payload, state, source_mac, destination_mac,
                vlan, source_as, destination_as, probe,
            ) = values  # fmt: skip
        except ValueError as error:
            raise StoredError("fields", f"not the {len(_FIELDS)} fields that were asked for") from error
        if protocol == "man":
            # What the probe tells of itself.
            return Ignored("management")
        number = _number(protocol, 1 << 16)
        if number > 255 or _is_mac(source):
            # The type of an Ethernet frame, as ARP's 2054, or ends without addresses of IP.
            return Ignored("not-ip")
        packed = ends_of(source, destination)
        ports = (_number(source_port, 1 << 16), _number(destination_port, 1 << 16))
        flags = _flags(state) if number == _TCP else (0, 0)
        probe_address = plain_address(probe)
        return Stored(
            Collected(
                *packed,
                protocol=number,
                transport=transport_of(number),
                ports=ports,
                counts=(_number(source_bytes), _number(source_packets)),
                reverse=(_number(destination_bytes), _number(destination_packets)),
                start=_moment(start),
                end=max(_moment(start), _moment(end)),
                rate=1,
                exporter="" if probe_address == _NO_ADDRESS else probe_address,
                interfaces=(0, 0),
                macs=(mac_of(source_mac), mac_of(destination_mac)),
                vlan=_number(vlan, 1 << 16),
                tcp_flags=flags[0],
                # Type and code of ICMP stand in the place of the source's port, the code first.
                icmp=(ports[0] & 0xFF) << 8 | ports[0] >> 8 if number in _ICMP else 0,
                application="",
                reverse_flags=flags[1],
                as_numbers=(_number(source_as, 1 << 32), _number(destination_as, 1 << 32)),
                payload=(_number(source_payload), _number(destination_payload)) if number in _WITH_PAYLOAD else (0, 0),
            )
        )


def _number(text: str, limit: int = MOST) -> int:
    """A number, also as ``0x1f``; 0 where the field is empty."""
    if not text:
        return 0
    try:
        number = int(text, 16 if text.startswith("0x") else 10)
    except ValueError as error:
        raise StoredError("number", f"{text[:64]!r} is no number") from error
    if not 0 <= number < limit:
        raise StoredError("number", f"{text[:64]} is out of range")
    return number


def _moment(text: str) -> int:
    """Epoch microseconds of seconds with six places, as ``1277840495.135052``."""
    seconds, _, fraction = text.partition(".")
    if len(fraction) != 6:
        raise StoredError("time", f"{text[:64]!r} is no time")
    return _number(seconds, 1 << 40) * 1_000_000 + _number(fraction)


@lru_cache(maxsize=1 << 10)
def _flags(state: str) -> tuple[int, int]:
    """The TCP flags of both sides, which are written as ``FSPA_FSRPA``."""
    source, both, destination = state.partition("_")
    return (_bits(source), _bits(destination)) if both else (0, 0)


def _bits(letters: str) -> int:
    return sum(1 << bit for bit, letter in enumerate(_FLAGS) if letter in letters)
