"""The addresses that an answer of DNS gives for a name: RFC 1035, 4.1, and RFC 3596."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

PORT: Final = 53

_HEADER: Final = 12
_FLAGS: Final = 0xF80F
_ANSWER: Final = 0x8000
"""Of the flags: it is an answer (QR), to a standard query (OPCODE 0), and there was no error (RCODE 0)."""

_INTERNET: Final = 1
_CNAME: Final = 5
_LENGTHS: Final = {1: 4, 28: 16}
"""A and AAAA, and the octets of their data."""

_LONGEST_NAME: Final = 255
_LONGEST_TTL: Final = (1 << 31) - 1
_is_host_name = re.compile(rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*").fullmatch


class DnsError(ValueError):
    """A message that breaks off, or whose names cannot be."""


class Answer(NamedTuple):
    """The name that was asked for, in lower case, and its addresses: each packed, with the seconds that it is valid."""

    name: str
    addresses: list[tuple[bytes, int]]


def read_answer(message: bytes) -> Answer | None:
    """What a message answers; ``None`` where that is no address of one host name. :class:`DnsError` when it is broken.

    Addresses of names that the question's name is an alias of (CNAME) are its own, valid as long as all aliases are.
    """
    if len(message) < _HEADER:
        raise DnsError("it is shorter than a header")
    if _word(message, 2) & _FLAGS != _ANSWER or _word(message, 4) != 1:
        return None
    try:
        name, at = _name(message, _HEADER)
        kind, kind_class = _word(message, at), _word(message, at + 2)
        if kind not in _LENGTHS or kind_class != _INTERNET or not _is_host_name(name):
            return None
        return Answer(name.decode("ascii"), _addresses(message, at + 4, _word(message, 6), name))
    except IndexError as error:
        raise DnsError("it breaks off") from error


def _addresses(message: bytes, at: int, records: int, name: bytes) -> list[tuple[bytes, int]]:
    aliases = {name: _LONGEST_TTL}
    found = []
    for _ in range(records):
        owner, at = _name(message, at)
        kind, kind_class, length = _word(message, at), _word(message, at + 2), _word(message, at + 8)
        ttl = _word(message, at + 4) << 16 | _word(message, at + 6)
        data, at = at + 10, at + 10 + length
        if at > len(message):
            raise DnsError("it breaks off")
        valid = aliases.get(owner)
        if valid is None or kind_class != _INTERNET:
            continue
        # RFC 2181, 8: a time with the first bit set is none.
        valid = min(valid, ttl if ttl <= _LONGEST_TTL else 0)
        if kind == _CNAME:
            aliases.setdefault(_name(message, data)[0], valid)
        elif _LENGTHS.get(kind) == length:
            found.append((message[data:at], valid))
    return found


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name in lower case, its labels with dots between, and where what follows it begins (RFC 1035, 4.1.4)."""
    labels: list[bytes] = []
    following, before, octets = -1, at, 0
    while length := message[at]:
        if length >= 0xC0:
            if following < 0:
                following = at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            # What is pointed to always stands before, so that no name goes round in circles.
            if at >= before:
                raise DnsError("a name points to what is not before it")
            before = at
            continue
        octets += length + 1
        if length > 63 or octets > _LONGEST_NAME:
            raise DnsError("a name is too long")
        labels.append(message[at + 1 : at + 1 + length])
        at += length + 1
    return b".".join(labels).lower(), following if following >= 0 else at + 1


def _word(message: bytes, at: int) -> int:
    return message[at] << 8 | message[at + 1]
