"""What the headers of tunnels say: where the packet inside begins, and in which tunnel it is.

Headers: RFC 2003, 2473 and 4213 (IP in IP), RFC 2784, 2890 and 2637 (GRE), draft-foschiano-erspan-03 (ERSPAN), RFC 7348
(VXLAN), RFC 8926 (Geneve), RFC 4380 (Teredo), 3GPP TS 29.281 (GTP-U).
"""

from __future__ import annotations

from typing import Final, NamedTuple

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
BRIDGED: Final = 0x6558
"""The ethertype that says that an Ethernet frame follows."""

PPP: Final = {0x0021: IPV4, 0x0057: IPV6}
"""Ethertypes by the protocol numbers of PPP."""

_UDP: Final = 17
_GRE: Final = 47
_IN_IP: Final = {4: (IPV4, {4: "ipip", 6: "4in6"}), 41: (IPV6, {4: "6in4", 6: "6in6"})}

_GTP_U, _TEREDO, _VXLAN, _GENEVE = ((port).to_bytes(2, "big") for port in (2152, 3544, 4789, 6081))
UDP_PORTS: Final = frozenset({_GTP_U, _TEREDO, _VXLAN, _GENEVE})
"""The ports, as two bytes, on which UDP may carry packets."""

_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGED = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
_ERSPAN, _ERSPAN_III, _PPP_IN_GRE = 0x88BE, 0x22EB, 0x880B
_TEREDO_ADDRESSES: Final = frozenset({b"\x20\x01\0\0", b"\xfe\x80\0\0"})
"""How an address of Teredo's begins, and one of the link, which its routers have."""

_PPP_UNCOMPRESSED: Final = b"\xff\x03"


class Inside(NamedTuple):
    """What a tunnel's header says: the ethertype of what it carries, where that begins, whose it is."""

    kind: int
    offset: int
    tunnel: str
    identity: int = 0


def inside(version: int, protocol: int, ports: bytes, buffer: bytes, at: int, end: int) -> Inside | None:
    """What a packet carries after its IP header, which ended at ``at``; None where it is no tunnel's.

    ``version`` is that of its IP header, ``ports`` both of UDP's. IndexError when its headers are cut off. Names are
    ``ipip``, ``4in6``, ``6in4``, ``6in6``, ``gre``, ``erspan``, ``vxlan``, ``geneve``, ``teredo`` and ``gtp``;
    ``identity`` is GRE's key or call, ERSPAN's session, the virtual network of VXLAN or Geneve, GTP's TEID.
    """
    if protocol == _UDP:
        return _in_udp(ports, buffer, at + 8, end)
    if protocol == _GRE:
        return _in_gre(buffer, at, end)
    found = _IN_IP.get(protocol)
    return Inside(found[0], at, found[1][version]) if found else None


def of_version(first: int) -> int:
    """The ethertype of a packet known only by the first byte of its IP header; 0 for another."""
    return {4: IPV4, 6: IPV6}.get(first >> 4, 0)


def _in_udp(ports: bytes, buffer: bytes, at: int, end: int) -> Inside | None:
    destination = ports[2:]
    if destination == _VXLAN:
        # The flag says that there is a network's identifier.
        return Inside(BRIDGED, at + 8, "vxlan", _number(buffer, at + 4, 3)) if buffer[at] & 0x08 else None
    if destination == _GENEVE:
        if buffer[at] >> 6:
            return None
        start = at + 8 + (buffer[at] & 0x3F) * 4
        return Inside(_number(buffer, at + 2, 2), start, "geneve", _number(buffer, at + 4, 3))
    if _GTP_U in (destination, ports[:2]):
        start = _gtp_payload(buffer, at, end)
        return Inside(of_version(buffer[start]), start, "gtp", _number(buffer, at + 4, 4)) if start < end else None
    if _TEREDO in (destination, ports[:2]):
        start = _teredo_payload(buffer, at)
        # Its first byte alone would fit much else that comes from this port.
        known = {buffer[start + 8 : start + 12], buffer[start + 24 : start + 28]} & _TEREDO_ADDRESSES
        return Inside(of_version(buffer[start]), start, "teredo") if known else None
    return None


def _in_gre(buffer: bytes, at: int, end: int) -> Inside | None:
    flags, kind = _number(buffer, at, 2), _number(buffer, at + 2, 2)
    # Source routes are of RFC 1701 alone, and none has been seen for decades.
    if flags & _GRE_ROUTING or flags & 7 > 1:
        return None
    start, identity = at + 4, 0
    if flags & _GRE_CHECKSUM:
        start += 4
    if flags & _GRE_KEY:
        # In version 1 (PPTP) the first half is a length and the second the number of the call.
        identity = _number(buffer, start + 2, 2) if flags & 7 else _number(buffer, start, 4)
        start += 4
    if flags & _GRE_SEQUENCE:
        start += 4
    if flags & 7:
        if flags & _GRE_ACKNOWLEDGED:
            start += 4
        return _in_ppp(buffer, start, identity) if kind == _PPP_IN_GRE and start < end else None
    if kind == _ERSPAN:
        # Type I has no header of its own, and is told from type II by GRE's sequence number, which it has not.
        if not flags & _GRE_SEQUENCE:
            return Inside(BRIDGED, start, "erspan")
        return Inside(BRIDGED, start + 8, "erspan", _number(buffer, start + 2, 2) & 0x03FF)
    if kind == _ERSPAN_III:
        return _in_erspan_iii(buffer, start)
    return Inside(kind, start, "gre", identity)


def _in_ppp(buffer: bytes, at: int, identity: int) -> Inside:
    if buffer[at : at + 2] == _PPP_UNCOMPRESSED:
        at += 2
    # The first byte of the protocol's number is even; one that is odd is the second, where the first was left out.
    width = 1 if buffer[at] & 1 else 2
    return Inside(PPP.get(_number(buffer, at, width), 0), at + width, "gre", identity)


def _in_erspan_iii(buffer: bytes, at: int) -> Inside | None:
    session, last = _number(buffer, at + 2, 2) & 0x03FF, _number(buffer, at + 10, 2)
    start = at + 12
    if last & 1:
        # A platform's own part follows.
        start += 8
    frame_type = last >> 10 & 0x1F
    if frame_type == 0:
        return Inside(BRIDGED, start, "erspan", session)
    return Inside(of_version(buffer[start]), start, "erspan", session) if frame_type == 2 else None


def _gtp_payload(buffer: bytes, at: int, end: int) -> int:
    """Where the packet in a GTPv1-U message begins; ``end`` when it carries none."""
    if end - at < 28 or buffer[at] >> 5 != 1 or buffer[at + 1] != 0xFF:
        return end
    flags, at = buffer[at], at + 8
    if not flags & 7:
        return at
    following, at = buffer[at + 3], at + 4
    while flags & 4 and following and at < end:
        size = buffer[at] * 4
        if not size:
            return end
        at += size
        following = buffer[at - 1] if at <= end else 0
    return at


def _teredo_payload(buffer: bytes, at: int) -> int:
    """Where the IPv6 packet begins: after who sends it and whence it came, where that is told."""
    if buffer[at] == 0 and buffer[at + 1] == 1:
        at += 4 + buffer[at + 2] + buffer[at + 3] + 9
    if buffer[at] == 0 and buffer[at + 1] == 0:
        at += 8
    return at


def _number(buffer: bytes, offset: int, width: int) -> int:
    if offset + width > len(buffer):
        raise IndexError
    return int.from_bytes(buffer[offset : offset + width], "big")
