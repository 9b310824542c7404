"""What a packet's headers say: from the link layer to the ports.

Only what tells flows apart is read; applications are nDPI's business. What a tunnel carries is the
packet that counts (:mod:`capture.packets.tunnels`).
Headers: IEEE 802.3 and 802.1Q, RFC 2516 (PPPoE), RFC 3032 (MPLS), RFC 791 and 8200 (IP), and the
link types of https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from capture.community_id import PORT_PROTOCOLS, icmp_ports
from capture.packets.tunnels import BRIDGED, IPV4, IPV6, PPP, UDP_PORTS, Inside, inside, of_version

ETHERNET: Final = 1
TCP: Final = 6
UDP: Final = 17

VLAN: Final = 0x8100
_TAGS: Final = frozenset({VLAN, 0x88A8, 0x9100, 0x9200})
_MPLS: Final = frozenset({0x8847, 0x8848})
_PPPOE: Final = 0x8864
_NON_IP: Final = {0x0806: "arp", 0x8035: "arp", 0x88CC: "lldp"}
_RAW: Final = frozenset({12, 14, 101, 228, 229})
_LOOPBACK: Final = frozenset({0, 108})
_ICMP, _ICMP6 = 1, 58
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS: Final = frozenset({0, 43, 60, 135, 139, 140})

_VIRTUAL_NETWORKS: Final = frozenset({"vxlan", "geneve"})

_MAX_NESTING: Final = 8
_SLL, _SLL2, _PPP_LINK, _PPP_HDLC, _HDLC = 113, 276, 9, 50, 104
KNOWN_LINKS: Final = _RAW | _LOOPBACK | {ETHERNET, _SLL, _SLL2, _PPP_LINK, _PPP_HDLC, _HDLC}
"""The link types that are understood; packets of another are ignored, with that reason."""


class Tunnel(NamedTuple):
    """The tunnel that a packet came through: the innermost, of several.

    ``version`` and the packed addresses are those of the IP header around; ``identity`` tells its tunnels apart
    (:func:`~capture.packets.tunnels.inside`). ``frame`` is the offset of the innermost Ethernet frame that a tunnel
    carried, 0 where none did.
    """

    name: str
    version: int
    source: bytes
    destination: bytes
    identity: int
    frame: int

    @property
    def network(self) -> int:
        """What else tells its flows apart: the number of a virtual network, which has addresses of its own."""
        return self.identity if self.name in _VIRTUAL_NETWORKS else 0


class Header(NamedTuple):
    """What tells a packet's flow apart from others, and where its IP packet stands.

    ``network`` is the offset of the IP header from the packet's first byte, ``transport`` of what
    follows it, where that has ports or is a later fragment (else 0). Addresses are packed; ``ports`` are
    both in four bytes (for ICMP those of the Community ID), empty for protocols without. ``vlan`` is the
    innermost tag, ``tunnel`` what the packet came through. ``fragment`` identifies the datagram of a
    fragment; ``later`` says that it is not the first one.
    """

    network: int
    version: int
    protocol: int
    source: bytes
    destination: bytes
    ports: bytes = b""
    one_way: bool = False
    transport: int = 0
    vlan: int = 0
    tunnel: Tunnel | None = None
    fragment: bytes = b""
    later: bool = False


def decode(link: int, buffer: bytes, start: int, end: int, *, tunnels: bool = True) -> Header | str:
    """The header of a packet, or the reason why it belongs to no flow.

    ``tunnels`` says whether the packet that a tunnel carries is the one that counts. Reasons: ``arp``, ``lldp``,
    ``not-ip``, ``link-type`` (not understood), ``malformed`` (an IP header that cannot be) and ``short`` (too little of
    the packet was captured).
    """
    packet = buffer[start:end]
    end = len(packet)
    nesting = 0 if tunnels else _MAX_NESTING
    try:
        if link == ETHERNET:
            return _ethernet(packet, 0, end, 0, None, nesting)
        return _by_type(*_link(link, packet), packet, end, 0, None, nesting)
    except IndexError:
        return "short"
    except ValueError as reason:
        return str(reason)


def _link(link: int, packet: bytes) -> tuple[int, int]:
    """Ethertype and offset of the payload of a link layer other than Ethernet."""
    if link in _RAW:
        return of_version(packet[0]), 0
    if link in _LOOPBACK:
        return of_version(packet[4]), 4
    if link == _SLL:
        return _word(packet, 14), 16
    if link == _SLL2:
        return _word(packet, 0), 20
    if link == _HDLC or (link in {_PPP_LINK, _PPP_HDLC} and packet[0] in {0x0F, 0x8F}):
        return _word(packet, 2), 4
    if link in {_PPP_LINK, _PPP_HDLC}:
        start = 2 if packet[:2] == b"\xff\x03" else 0
        return PPP.get(_word(packet, start), 0), start + 2
    raise ValueError("link-type")


def _ethernet(buffer: bytes, start: int, end: int, vlan: int, tunnel: Tunnel | None, nesting: int) -> Header:
    kind, offset = _word(buffer, start + 12), start + 14
    if kind <= 1500:
        if buffer[offset : offset + 6] != b"\xaa\xaa\x03\x00\x00\x00":
            raise ValueError("not-ip")
        kind, offset = _word(buffer, offset + 6), offset + 8
    return _by_type(kind, offset, buffer, end, vlan, tunnel, nesting)


def _by_type(kind: int, offset: int, buffer: bytes, end: int, vlan: int, tunnel: Tunnel | None, nesting: int) -> Header:
    while kind in _TAGS:
        vlan = _word(buffer, offset) & 0x0FFF
        kind, offset = _word(buffer, offset + 2), offset + 4
    if kind == _PPPOE:
        kind, offset = PPP.get(_word(buffer, offset + 6), 0), offset + 8
    if kind in _MPLS:
        while not buffer[offset + 2] & 1:
            offset += 4
        offset += 4
        kind = of_version(buffer[offset])
    if kind == IPV4:
        return _ipv4(buffer, offset, end, vlan, tunnel, nesting)
    if kind == IPV6:
        return _ipv6(buffer, offset, end, vlan, tunnel, nesting)
    raise ValueError(_NON_IP.get(kind, "not-ip"))


def _ipv4(buffer: bytes, offset: int, end: int, vlan: int, tunnel: Tunnel | None, nesting: int) -> Header:
    if end - offset < 20:
        raise ValueError("short")
    first = buffer[offset]
    size = (first & 15) * 4
    total = _word(buffer, offset + 2)
    # An offloading network card leaves the total length 0.
    if first >> 4 != 4 or size < 20 or 0 < total < size:
        raise ValueError("malformed")
    protocol = buffer[offset + 9]
    source, destination = buffer[offset + 12 : offset + 16], buffer[offset + 16 : offset + 20]
    position = _word(buffer, offset + 6)
    fragment, later = b"", False
    if position & 0x3FFF:
        fragment = buffer[offset + 4 : offset + 6] + buffer[offset + 9 : offset + 10] + source + destination
        later = bool(position & 0x1FFF)
    if total:
        end = min(end, offset + total)
    at = offset + size
    ports, one_way = _ports(protocol, buffer, at, end) if not later else (b"", False)
    transport = at if ports or later else 0
    header = Header(offset, 4, protocol, source, destination, ports, one_way, transport, vlan, tunnel, fragment, later)
    return header if later or nesting >= _MAX_NESTING else _inside(header, buffer, at, end, nesting)


def _ipv6(buffer: bytes, offset: int, end: int, vlan: int, tunnel: Tunnel | None, nesting: int) -> Header:
    if end - offset < 40:
        raise ValueError("short")
    if buffer[offset] >> 4 != 6:
        raise ValueError("malformed")
    payload = _word(buffer, offset + 4)
    if payload:
        end = min(end, offset + 40 + payload)
    protocol = buffer[offset + 6]
    source, destination = buffer[offset + 8 : offset + 24], buffer[offset + 24 : offset + 40]
    at = offset + 40
    fragment, later = b"", False
    while not later and at + 8 <= end:
        if protocol == _FRAGMENT:
            if _word(buffer, at + 2) & 0xFFF9:
                fragment = buffer[at + 4 : at + 8] + buffer[at : at + 1] + source + destination
                later = bool(_word(buffer, at + 2) & 0xFFF8)
            protocol, at = buffer[at], at + 8
        elif protocol == _AUTHENTICATION:
            protocol, at = buffer[at], at + (buffer[at + 1] + 2) * 4
        elif protocol in _EXTENSIONS:
            protocol, at = buffer[at], at + (buffer[at + 1] + 1) * 8
        else:
            break
    ports, one_way = _ports(protocol, buffer, at, end) if not later else (b"", False)
    transport = at if ports or later else 0
    header = Header(offset, 6, protocol, source, destination, ports, one_way, transport, vlan, tunnel, fragment, later)
    return header if later or nesting >= _MAX_NESTING else _inside(header, buffer, at, end, nesting)


def _ports(protocol: int, buffer: bytes, at: int, end: int) -> tuple[bytes, bool]:
    """Both ports, or what stands for them, and whether the packet's kind has no counterpart."""
    if protocol in PORT_PROTOCOLS:
        return (buffer[at : at + 4], False) if end - at >= 4 else (b"", False)
    if protocol in {_ICMP, _ICMP6} and end - at >= 2:
        source, destination, one_way = icmp_ports(protocol, buffer[at], buffer[at + 1])
        return source.to_bytes(2, "big") + destination.to_bytes(2, "big"), one_way
    return b"", False


def _inside(header: Header, buffer: bytes, at: int, end: int, nesting: int) -> Header:
    """The header of the packet that this one carries, if it is a tunnel's and that can be read; else its own."""
    if header.protocol == TCP or (header.protocol == UDP and not may_carry_packets(header)):
        return header
    buffer = buffer[:end]
    try:
        found = inside(header.version, header.protocol, header.ports, buffer, at, end)
        if found is None:
            return header
        inner = _carried(header, found, buffer, end, nesting + 1)
    except (IndexError, ValueError):
        return header
    return inner._replace(fragment=header.fragment) if header.fragment else inner


def _carried(header: Header, found: Inside, buffer: bytes, end: int, nesting: int) -> Header:
    kind, offset, name, identity = found
    frame = offset if kind == BRIDGED else header.tunnel.frame if header.tunnel else 0
    tunnel = Tunnel(name, header.version, header.source, header.destination, identity, frame)
    if kind == BRIDGED:
        return _ethernet(buffer, offset, end, header.vlan, tunnel, nesting)
    return _by_type(kind, offset, buffer, end, header.vlan, tunnel, nesting)


def may_carry_packets(header: Header) -> bool:
    """True for UDP on a port whose packets are looked into, each by itself."""
    return header.protocol == UDP and (header.ports[:2] in UDP_PORTS or header.ports[2:] in UDP_PORTS)


def _word(buffer: bytes, offset: int) -> int:
    return buffer[offset] << 8 | buffer[offset + 1]
