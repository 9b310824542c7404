"""Community ID v1: one id for a flow that every tool computes alike.

Specification: https://github.com/corelight/community-id-spec. The ``communityid`` package holds the
ICMP tables; the hash is computed here because the package takes 28 microseconds for a flow and this
takes two. Tests compare the two.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import Final

from communityid import icmp, icmp6

_SEED: Final = b"\x00\x00"
_ICMP: Final = 1
_ICMP6: Final = 58
PORT_PROTOCOLS: Final = frozenset({6, 17, 132})
"""TCP, UDP and SCTP: the protocols whose ports are part of the id."""


def icmp_ports(protocol: int, kind: int, code: int) -> tuple[int, int, bool]:
    """What stands for the ports of an ICMP or ICMPv6 message, and whether it has no counterpart."""
    tables = icmp if protocol == _ICMP else icmp6
    source, destination, one_way = tables.get_port_equivalents(kind, code)
    return int(source), int(destination), bool(one_way)


def community_id(protocol: int, source: bytes, destination: bytes, ports: bytes = b"", *, one_way: bool = False) -> str:
    """The id of a flow between two packed addresses.

    ``ports`` are both ports as four bytes in network order (for ICMP those of :func:`icmp_ports`),
    empty for a protocol without; a ``one_way`` flow keeps its direction.
    """
    source_port, destination_port = ports[:2], ports[2:]
    if not one_way and (destination, destination_port) < (source, source_port):
        source, destination = destination, source
        source_port, destination_port = destination_port, source_port
    data = _SEED + source + destination + bytes((protocol, 0)) + source_port + destination_port
    return "1:" + b64encode(sha1(data, usedforsecurity=False).digest()).decode()
