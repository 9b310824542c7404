"""The fields of flow records that are read, by their numbers.

Numbers are those of IANA's registry of IPFIX information elements, whose first 127 are NetFlow v9's (RFC 3954, 8);
enterprise fields are those of RFC 5103 (29305, the other direction), CERT's YAF (6871) and ntop (35632).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Element = tuple[int, int]
"""A field: the enterprise (0 for IANA's own) and the number."""

REVERSE: Final = 29305
"""RFC 5103: the enterprise under which IANA's numbers tell of the other direction."""

NTOP: Final = 35632
NTOP_IN_VERSION_9: Final = 57472
"""In NetFlow v9, which has no enterprises, ntop's numbers begin here."""

_YAF: Final = 6871
_YAF_REVERSE: Final = 0x4000

TEXT_LENGTH: Final = 64
"""How many bytes of a text are kept."""


class Column(NamedTuple):
    """Something that is read of a record: the fields it may stand in, the best first.

    ``kind``: ``number`` (1 to 8 bytes), ``address4``, ``address6``, ``mac``, ``text``, or ``key`` (bytes that are
    compared with others).
    """

    elements: tuple[Element, ...]
    kind: Literal["number", "address4", "address6", "mac", "text", "key"] = "number"


def _iana(*numbers: int) -> tuple[Element, ...]:
    return tuple((0, number) for number in numbers)


COLUMNS: Final[dict[str, Column]] = {
    "source4": Column(_iana(8), "address4"),
    "destination4": Column(_iana(12), "address4"),
    "source6": Column(_iana(27), "address6"),
    "destination6": Column(_iana(28), "address6"),
    "source_port": Column(_iana(7, 180, 182)),
    "destination_port": Column(_iana(11, 181, 183)),
    "protocol": Column(_iana(4)),
    "bytes": Column(_iana(1, 85, 231, 23, 352)),
    "packets": Column(_iana(2, 86, 298, 24)),
    "reverse_bytes": Column(((REVERSE, 1), (REVERSE, 85), (0, 232))),
    "reverse_packets": Column(((REVERSE, 2), (REVERSE, 86), (0, 299))),
    "flags": Column(_iana(6)),
    "reverse_flags": Column(((REVERSE, 6),)),
    "first_flags": Column(((_YAF, 14),)),
    "more_flags": Column(((_YAF, 15),)),
    "first_reverse_flags": Column(((_YAF, 14 | _YAF_REVERSE), (REVERSE, 14))),
    "more_reverse_flags": Column(((_YAF, 15 | _YAF_REVERSE), (REVERSE, 15))),
    "start_uptime": Column(_iana(22)),
    "end_uptime": Column(_iana(21)),
    "boot_ms": Column(_iana(160)),
    "start_s": Column(_iana(150)),
    "end_s": Column(_iana(151)),
    "start_ms": Column(_iana(152)),
    "end_ms": Column(_iana(153, 323)),
    "start_us": Column(_iana(154)),
    "end_us": Column(_iana(155)),
    "start_ns": Column(_iana(156)),
    "end_ns": Column(_iana(157)),
    "start_before": Column(_iana(158)),
    "end_before": Column(_iana(159)),
    "duration_ms": Column(_iana(161)),
    "duration_us": Column(_iana(162)),
    "input": Column(_iana(10, 252)),
    "output": Column(_iana(14, 253)),
    "vlan": Column(_iana(58, 243)),
    "source_mac": Column(_iana(56, 81), "mac"),
    "destination_mac": Column(_iana(80, 57), "mac"),
    "icmp": Column(_iana(32, 139)),
    "icmp_type": Column(_iana(176, 178)),
    "icmp_code": Column(_iana(177, 179)),
    "end_reason": Column(_iana(136)),
    "sampler": Column(_iana(48, 302)),
    "interval": Column(_iana(34, 50, 305)),
    "application_key": Column(_iana(95), "key"),
    "application": Column(((NTOP, 119), (0, 96)), "text"),
}
"""Everything that is read of a flow record."""

SAMPLER: Final = _iana(48, 302)
INTERVAL: Final = _iana(34, 50)
SAMPLED, NOT_SAMPLED = (0, 305), (0, 306)
CHOSEN, POPULATION = (0, 309), (0, 310)
BOOT: Final = (0, 160)
APPLICATION_KEY, APPLICATION_NAME = (0, 95), (0, 96)
INGRESS: Final = (0, 10)
SCOPE_INTERFACE: Final = (-1, 2)
"""NetFlow v9's scope ``interface`` (RFC 3954, 6.1); scopes of v9 are kept apart from fields by the enterprise -1."""
