"""Packets and capture files made by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ETHERNET = 1


class Frame(NamedTuple):
    """One packet: its time in epoch microseconds, its bytes, and its length on the wire where that is more."""

    time: int
    data: bytes
    length: int = 0
    interface: int = 0


def ethernet(payload: bytes, kind: int = 0x0800, *tags: tuple[int, int]) -> bytes:
    """An Ethernet frame; ``tags`` are (ethertype, VLAN id), outermost first."""
    head = b"\x02\x00\x00\x00\x00\x02" + b"\x02\x00\x00\x00\x00\x01"
    for tag, number in tags:
        head += struct.pack("!HH", tag, number)
    return head + struct.pack("!H", kind) + payload


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    identity: int = 0,
    offset: int = 0,
    more: bool = False,
) -> bytes:
    """An IPv4 packet; ``offset`` is the fragment offset in bytes."""
    flags = (0x2000 if more else 0) | offset // 8
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), identity, flags, 64, protocol, 0)
        + ip_address(source).packed
        + ip_address(destination).packed
        + payload
    )


def ipv6(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet without extension headers."""
    return (
        struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        + ip_address(source).packed
        + ip_address(destination).packed
        + payload
    )


def ip(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An Ethernet frame with an IP packet of the addresses' version."""
    if ":" in source:
        return ethernet(ipv6(source, destination, protocol, payload), 0x86DD)
    return ethernet(ipv4(source, destination, protocol, payload))


def udp(source: str, destination: str, source_port: int, destination_port: int, payload: bytes = b"") -> bytes:
    """An Ethernet frame with a UDP datagram."""
    return ip(source, destination, 17, udp_header(source_port, destination_port, payload))


def udp_header(source_port: int, destination_port: int, payload: bytes = b"") -> bytes:
    """A UDP datagram."""
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def tcp(
    source: str, destination: str, source_port: int, destination_port: int, flags: int = ACK, payload: bytes = b""
) -> bytes:
    """An Ethernet frame with a TCP segment."""
    return ip(source, destination, 6, tcp_header(source_port, destination_port, flags, payload))


def tcp_header(source_port: int, destination_port: int, flags: int = ACK, payload: bytes = b"") -> bytes:
    """A TCP segment."""
    return struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 1, 0x50, flags, 1024, 0, 0) + payload


def icmp(source: str, destination: str, kind: int, code: int = 0) -> bytes:
    """An Ethernet frame with an ICMP or ICMPv6 message."""
    return ip(source, destination, 58 if ":" in source else 1, struct.pack("!BBHHH", kind, code, 0, 1, 1) + b"x" * 24)


def pcap(frames: Iterable[Frame], *, link: int = ETHERNET, order: str = "<", nanoseconds: bool = False) -> bytes:
    """A pcap file."""
    factor = 1000 if nanoseconds else 1
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)]
    for frame in frames:
        seconds, fraction = divmod(frame.time, 1_000_000)
        length = frame.length or len(frame.data)
        parts += [struct.pack(order + "IIII", seconds, fraction * factor, len(frame.data), length), frame.data]
    return b"".join(parts)


def pcapng(
    frames: Iterable[Frame], *, interfaces: Sequence[tuple[int, int]] = ((ETHERNET, 6),), order: str = "<"
) -> bytes:
    """A pcapng file; ``interfaces`` are (link type, decimal digits of the times' fraction)."""
    parts = [_block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for link, digits in interfaces:
        option = struct.pack(order + "HHB3xHH", 9, 1, digits, 0, 0)
        parts.append(_block(order, 1, struct.pack(order + "HHI", link, 0, 65535) + option))
    for frame in frames:
        time = frame.time * 10 ** interfaces[frame.interface][1] // 1_000_000
        head = struct.pack(
            order + "IIIII",
            frame.interface,
            time >> 32,
            time & 0xFFFFFFFF,
            len(frame.data),
            frame.length or len(frame.data),
        )
        parts.append(_block(order, 6, head + frame.data))
    return b"".join(parts)


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    total = 12 + len(body)
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)
