"""The two ends of an event."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from msgspec import Struct

from capture.community_id import PORT_PROTOCOLS, community_id, icmp_ports
from capture.eve.errors import EveError
from capture.eve.events import Event

NAMES: Final = {
    0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipv4", 6: "tcp", 17: "udp", 41: "ipv6", 46: "rsvp", 47: "gre", 50: "esp",
    51: "ah", 58: "ipv6-icmp", 88: "eigrp", 89: "ospf", 94: "ipip", 103: "pim", 112: "vrrp", 115: "l2tp", 132: "sctp",
}  # fmt: skip
_NUMBERS: Final = {name: number for number, name in NAMES.items()} | {
    "icmpv6": 58, "ospfigp": 89, "ospf-igp": 89, "ipencap": 4, "ip": 0,
}  # fmt: skip
"""Numbers by the names of ``/etc/protocols``, from which Suricata has them."""

_ICMP: Final = frozenset({1, 58})


class Ends(Struct, frozen=True, gc=False):
    """The fields of :class:`~topics.records.Endpoints`, in their order."""

    community_id: str = ""
    source_ip: str = ""
    destination_ip: str = ""
    source_port: int = 0
    destination_port: int = 0
    transport: str = ""
    protocol_number: int = 0
    vlan_id: int = 0


def ends_of(event: Event) -> Ends:
    """The ends of an event; the community id is Suricata's own where it gives one."""
    if not event.src_ip or not event.dest_ip:
        return Ends(event.community_id)
    source, source_text = _address(event.src_ip)
    destination, destination_text = _address(event.dest_ip)
    protocol, transport, with_ports = _transport(event.proto)
    community = event.community_id
    if not community and protocol is not None and len(source) == len(destination):
        community = _community(event, protocol, source, destination)
    return Ends(
        community,
        source_text,
        destination_text,
        event.src_port if with_ports else 0,
        event.dest_port if with_ports else 0,
        transport,
        protocol or 0,
        event.vlan[-1] if event.vlan else 0,
    )


def _community(event: Event, protocol: int, source: bytes, destination: bytes) -> str:
    if protocol in PORT_PROTOCOLS:
        ports = event.src_port.to_bytes(2, "big") + event.dest_port.to_bytes(2, "big")
        return community_id(protocol, source, destination, ports)
    if protocol in _ICMP and event.icmp_type is not None:
        first, second, one_way = icmp_ports(protocol, event.icmp_type, event.icmp_code)
        ports = first.to_bytes(2, "big") + second.to_bytes(2, "big")
        return community_id(protocol, source, destination, ports, one_way=one_way)
    return community_id(protocol, source, destination)


@lru_cache(maxsize=1024)
def _transport(name: str) -> tuple[int | None, str, bool]:
    """The number of an IP protocol, what it is called here, and whether it has ports."""
    protocol = _number(name)
    called = "" if protocol is None else NAMES.get(protocol) or f"protocol-{protocol}"
    return protocol, called, protocol in PORT_PROTOCOLS


def _number(protocol: str) -> int | None:
    """The IP protocol's number; Suricata writes those without a name as ``002``."""
    name = protocol.lower()
    if name.isascii() and name.isdigit() and int(name) < 256:
        return int(name)
    return _NUMBERS.get(name)


def is_address(text: str) -> bool:
    """True for what is an IP address."""
    try:
        _address(text)
    except EveError:
        return False
    return True


@lru_cache(maxsize=65_536)
def _address(text: str) -> tuple[bytes, str]:
    """An address as bytes, and in the form that all records have it in."""
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError) as error:
        raise EveError("eve-address", f"{text[:64]!r} is no IP address") from error
    return packed, inet_ntop(family, packed)
