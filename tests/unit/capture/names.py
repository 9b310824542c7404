"""Messages of DNS made by hand."""

from __future__ import annotations

import struct
from ipaddress import ip_address

A, NS, CNAME, MX, AAAA = 1, 2, 5, 15, 28
RESPONSE = 0x8180


def encoded(name: str) -> bytes:
    """A name without compression."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question(name: str, kind: int = A, number: int = 7) -> bytes:
    """Somebody asks for a name."""
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + encoded(name) + struct.pack("!HH", kind, 1)


def record(owner: bytes, kind: int, data: bytes, ttl: int = 300) -> bytes:
    """One resource record."""
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def address(ip: str, ttl: int = 300, owner: bytes = b"\xc0\x0c") -> bytes:
    """A record of an address, of the name that was asked for unless ``owner`` is another."""
    packed = ip_address(ip).packed
    return record(owner, A if len(packed) == 4 else AAAA, packed, ttl)


def answer(name: str, *records: bytes, kind: int = A, flags: int = RESPONSE, number: int = 7) -> bytes:
    """What a server answers."""
    head = struct.pack("!HHHHHH", number, flags, 1, len(records), 0, 0)
    return head + encoded(name) + struct.pack("!HH", kind, 1) + b"".join(records)


def addresses(name: str, *ips: str, ttl: int = 300) -> bytes:
    """An answer with nothing but addresses."""
    kind = AAAA if ips and ":" in ips[0] else A
    return answer(name, *(address(ip, ttl) for ip in ips), kind=kind)
