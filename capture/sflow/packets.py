"""Sampled packets: what stands in the records of a flow sample."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import Final, NamedTuple

from capture.community_id import PORT_PROTOCOLS, community_id
from capture.packets.decode import ETHERNET, TCP, decode

RAW_PACKET, ETHERNET_FRAME, IPV4_PACKET, IPV6_PACKET, SWITCH = 1, 2, 3, 4, 1001
"""Formats of flow records that are read; ``SWITCH`` tells of VLANs."""

_LINKS: Final = {1: ETHERNET, 7: 9, 11: 228, 12: 229}
"""Link types by sFlow's ``header_protocol``: Ethernet, PPP, IPv4, IPv6."""

_raw = Struct(">IIII").unpack_from
_words = Struct(">II").unpack_from
_ports = Struct(">III").unpack_from


class Sampled(NamedTuple):
    """The packet of a sample; ``length`` is that of its frame on the wire, in bytes."""

    length: int
    version: int
    protocol: int
    source_ip: str
    destination_ip: str
    community_id: str
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    vlan: int = 0
    source_mac: str = ""
    destination_mac: str = ""
    tunnel: str = ""
    tunnel_source_ip: str = ""
    tunnel_destination_ip: str = ""
    tunnel_id: int = 0


def sampled_packet(data: bytes, records: list[tuple[int, int, int]]) -> Sampled | str:
    """The packet that the records of a sample tell of, else the reason why there is none.

    Reasons are those of :func:`~capture.packets.decode.decode`, and ``no-packet`` where no record tells of one.
    """
    reason = "no-packet"
    vlan = 0
    found: Sampled | None = None
    for kind, start, end in records:
        if kind == SWITCH and end - start >= 16:
            vlan = _words(data, start)[0] & 0x0FFF
        elif found is None:
            made: Sampled | str | None = None
            if kind == RAW_PACKET and end - start >= 16:
                made = _of_header(data, start, end)
            elif kind == IPV4_PACKET and end - start >= 32:
                made = _of_fields(data, start, AF_INET, 4)
            elif kind == IPV6_PACKET and end - start >= 56:
                made = _of_fields(data, start, AF_INET6, 16)
            if isinstance(made, str):
                reason = made
            else:
                found = made
    if found is None:
        return reason
    return found._replace(vlan=vlan) if vlan and not found.vlan else found


def _of_header(data: bytes, start: int, end: int) -> Sampled | str:
    """A packet of which the first bytes were sent."""
    protocol, length, _, size = _raw(data, start)
    begin = start + 16
    if size > end - begin:
        return "malformed"
    link = _LINKS.get(protocol)
    if link is None:
        return "link-type"
    packet = data[begin : begin + size]
    header = decode(link, packet, 0, size)
    if isinstance(header, str):
        return header
    ports, flags = header.ports, 0
    number = header.protocol
    with_ports = number in PORT_PROTOCOLS and bool(ports)
    if number == TCP and with_ports and size > header.transport + 13:
        flags = packet[header.transport + 13]
    ethernet = link == ETHERNET
    family, tunnel = _family(header.version), header.tunnel
    # The frame that a tunnel carries is the one that the packet was in.
    frame = tunnel.frame if tunnel else 0
    ethernet = ethernet or frame > 0
    return Sampled(
        length,
        header.version,
        number,
        _address(family, header.source),
        _address(family, header.destination),
        community_id(number, header.source, header.destination, ports, one_way=header.one_way),
        ports[0] << 8 | ports[1] if with_ports else 0,
        ports[2] << 8 | ports[3] if with_ports else 0,
        flags,
        header.vlan,
        _mac(packet[frame + 6 : frame + 12]) if ethernet else "",
        _mac(packet[frame : frame + 6]) if ethernet else "",
        tunnel.name if tunnel else "",
        _address(_family(tunnel.version), tunnel.source) if tunnel else "",
        _address(_family(tunnel.version), tunnel.destination) if tunnel else "",
        tunnel.identity if tunnel else 0,
    )


def _of_fields(data: bytes, start: int, family: int, width: int) -> Sampled:
    """A packet of which the fields were sent; its length is that of the IP packet."""
    length, protocol = _words(data, start)
    protocol &= 0xFF
    source = data[start + 8 : start + 8 + width]
    destination = data[start + 8 + width : start + 8 + 2 * width]
    first, second, flags = _ports(data, start + 8 + 2 * width)
    with_ports = protocol in PORT_PROTOCOLS
    ports = (first & 0xFFFF).to_bytes(2, "big") + (second & 0xFFFF).to_bytes(2, "big") if with_ports else b""
    return Sampled(
        length,
        4 if family == AF_INET else 6,
        protocol,
        _address(family, source),
        _address(family, destination),
        community_id(protocol, source, destination, ports),
        first & 0xFFFF if with_ports else 0,
        second & 0xFFFF if with_ports else 0,
        flags & 0xFF if protocol == TCP else 0,
    )


def _family(version: int) -> int:
    return AF_INET if version == 4 else AF_INET6


@lru_cache(maxsize=1 << 14)
def _address(family: int, packed: bytes) -> str:
    return inet_ntop(family, packed)


@lru_cache(maxsize=1 << 14)
def _mac(octets: bytes) -> str:
    return octets.hex(":") if any(octets) else ""
