"""The two ends of a connection."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Final

from capture.community_id import PORT_PROTOCOLS, community_id, icmp_ports
from capture.eve.ends import NAMES
from capture.zeek.errors import ZeekError
from capture.zeek.logs import AnyEnds, Ends

_NUMBERS: Final = {"tcp": 6, "udp": 17, "sctp": 132}
_ICMP: Final = {4: 1, 16: 58}
"""Zeek calls both ICMPs ``icmp``: the number by the length of the addresses."""


def ends_of(line: Ends | AnyEnds, *, transport: str = "", number: int | None = None, vlan: int = 0) -> dict[str, Any]:
    """The fields of :class:`~topics.records.Endpoints`; none where the line is about no connection.

    ``transport`` is that of a line that does not say it, ``number`` the IP protocol's where the name does not tell.
    The community id is Zeek's own where it gives one.
    """
    if not line.orig_h or not line.resp_h:
        return {}
    source, source_text = address(line.orig_h)
    destination, destination_text = address(line.resp_h)
    name = line.proto or transport
    protocol = _ICMP[len(source)] if name == "icmp" else _NUMBERS.get(name, number)
    community, with_ports = line.community_id, protocol in PORT_PROTOCOLS
    if not community and protocol is not None and len(source) == len(destination):
        if with_ports:
            ports = line.orig_p.to_bytes(2, "big") + line.resp_p.to_bytes(2, "big")
            community = community_id(protocol, source, destination, ports)
        elif name == "icmp":
            first, second, one_way = icmp_ports(protocol, line.orig_p, line.resp_p)
            ports = first.to_bytes(2, "big") + second.to_bytes(2, "big")
            community = community_id(protocol, source, destination, ports, one_way=one_way)
        else:
            community = community_id(protocol, source, destination)
    return {
        "community_id": community,
        "source_ip": source_text,
        "destination_ip": destination_text,
        "source_port": line.orig_p if with_ports else 0,
        "destination_port": line.resp_p if with_ports else 0,
        "transport": "" if protocol is None else NAMES.get(protocol) or f"protocol-{protocol}",
        "protocol_number": protocol or 0,
        "vlan_id": vlan,
    }


def hosts(source: str, destination: str) -> dict[str, Any]:
    """The fields of a record of which the two hosts are known and nothing else."""
    return {
        "source_ip": address(source)[1] if source else "",
        "destination_ip": address(destination)[1] if destination else "",
    }


@lru_cache(maxsize=1 << 14)
def address(text: str) -> tuple[bytes, str]:
    """An IP address, packed and as it is usually written."""
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError) as error:
        raise ZeekError("zeek-address", f"{text[:64]!r} is no IP address") from error
    return packed, inet_ntop(family, packed)
