"""Writes messages of SNMPv3 (RFC 3412, 6) in BER."""

from __future__ import annotations

from typing import Final

from capture.snmptrap.ber import INTEGER, OBJECT, OCTETS, SEQUENCE
from capture.snmptrap.security import CODE_LENGTHS, Known, code_of, encrypt

AUTHENTICATED: Final = 1
ENCRYPTED: Final = 2
REPORTABLE: Final = 4
"""``msgFlags`` of RFC 3412, 6.4."""

USER_BASED: Final = 3
"""The security model of RFC 3414."""

REPORT: Final = 0xA8
_COUNTER: Final = 0x41
_VERSION: Final = 3
_LARGEST: Final = 65_507


def element(tag: int, *content: bytes) -> bytes:
    """An element of BER with this content."""
    octets = b"".join(content)
    size = len(octets)
    if size < 128:
        return bytes((tag, size)) + octets
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + octets


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An integer in two's complement, as short as it goes."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def identifier(name: str) -> bytes:
    """An object identifier, named in numbers."""
    first, second, *rest = map(int, name.split("."))
    octets = b""
    for arc in (first * 40 + second, *rest):
        # Seven bits an octet; all but the last say that another one comes.
        shifts = range((max(arc.bit_length(), 1) - 1) // 7 * 7, -1, -7)
        octets += bytes(arc >> shift & 0x7F | (0x80 if shift else 0) for shift in shifts)
    return element(OBJECT, octets)


def report(engine: bytes, request: int, counter: str, value: int) -> bytes:
    """A scoped PDU that says how often a message was refused for one reason (RFC 3412, 7.1, 3)."""
    variable = element(SEQUENCE, identifier(counter), integer(value & 0xFFFFFFFF, _COUNTER))
    pdu = element(REPORT, integer(request), integer(0), integer(0), element(SEQUENCE, variable))
    return element(SEQUENCE, element(OCTETS, engine), element(OCTETS), pdu)


def message(
    number: int,
    flags: int,
    engine: bytes,
    boots: int,
    at: int,
    name: bytes,
    known: Known | None,
    salt: bytes,
    pdu: bytes,
) -> bytes:
    """A message with a scoped PDU, authenticated and encrypted as its ``flags`` say with the keys of ``known``."""
    header = element(
        SEQUENCE, integer(number), integer(_LARGEST), element(OCTETS, bytes((flags,))), integer(USER_BASED)
    )
    code = b""
    if known is not None and flags & AUTHENTICATED:
        code = bytes(CODE_LENGTHS[known.user.authentication])
    if known is not None and flags & ENCRYPTED:
        pdu = element(OCTETS, encrypt(known, engine, pdu, boots, at, salt))
    else:
        salt = b""

    def written(code: bytes) -> bytes:
        parameters = element(
            SEQUENCE,
            element(OCTETS, engine),
            integer(boots),
            integer(at),
            element(OCTETS, name),
            element(OCTETS, code),
            element(OCTETS, salt),
        )
        return element(SEQUENCE, integer(_VERSION), header, element(OCTETS, parameters), pdu)

    if known is None or not code:
        return written(b"")
    return written(code_of(known, engine, written(code)))
