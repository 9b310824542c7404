"""What is read inside tunnels against what tshark says of the same packets: which flow, and which tunnel."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from capture.settings import CaptureSettings
from tests.unit.capture.sinks import flows_of
from tests.unit.capture.wire import Frame, ethernet, ip, ipv4, ipv6, tcp_header, udp, udp_header

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

A, B, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
TEREDO = "2001:0:4137:9e76::1"
BRIDGED, ERSPAN, ERSPAN_III = 0x6558, 0x88BE, 0x22EB
SEQUENCE, KEY, CHECKSUM = 0x1000, 0x2000, 0x8000


def packet(number: int) -> bytes:
    """An IPv4 packet whose flow is another for each number."""
    return ipv4(f"10.0.{number}.1", "10.9.9.9", 6, tcp_header(1000 + number, 80, payload=b"x" * number))


def packet6(number: int) -> bytes:
    """An IPv6 packet whose flow is another for each number."""
    return ipv6(f"fd00:{number}::1", "fd00::9", 17, udp_header(1000 + number, 5000, b"x" * number))


def gre(payload: bytes, kind: int, flags: int = 0, key: int = 0) -> bytes:
    """GRE with the parts that its flags name."""
    options = b"\xff\xff\0\0" if flags & CHECKSUM else b""
    options += struct.pack("!I", key) if flags & KEY else b""
    options += struct.pack("!I", 7) if flags & SEQUENCE else b""
    return struct.pack("!HH", flags, kind) + options + payload


def erspan_ii(payload: bytes, session: int) -> bytes:
    """ERSPAN type II in GRE."""
    return gre(struct.pack("!HHI", 1 << 12 | 5, session, 3) + payload, ERSPAN, SEQUENCE)


def erspan_iii(payload: bytes, session: int, *, subheader: bool = False) -> bytes:
    """ERSPAN type III in GRE."""
    header = struct.pack("!HHIHH", 2 << 12 | 5, session, 1000, 0, int(subheader))
    return gre(header + (bytes(8) if subheader else b"") + payload, ERSPAN_III, SEQUENCE)


def vxlan(payload: bytes, network: int) -> bytes:
    """An Ethernet frame with one in VXLAN."""
    return udp(A, B, 50000, 4789, struct.pack("!II", 0x08000000, network << 8) + payload)


def geneve(payload: bytes, network: int, kind: int = BRIDGED, options: bytes = b"") -> bytes:
    """An Ethernet frame with what Geneve carries."""
    return udp(A, B, 50000, 6081, struct.pack("!BBHI", len(options) // 4, 0, kind, network << 8) + options + payload)


def gtp(payload: bytes, tunnel: int, source: str = A, destination: str = B) -> bytes:
    """An Ethernet frame with a packet in GTP-U."""
    return udp(source, destination, 2152, 2152, struct.pack("!BBHI", 0x30, 0xFF, len(payload), tunnel) + payload)


MADE: dict[str, tuple[bytes, str, int]] = {
    "4in4": (ip(A, B, 4, packet(1)), "ipip", 0),
    "6in4": (ip(A, B, 41, packet6(2)), "6in4", 0),
    "4in6": (ip(A6, B6, 4, packet(3)), "4in6", 0),
    "6in6": (ip(A6, B6, 41, packet6(4)), "6in6", 0),
    "GRE": (ip(A, B, 47, gre(packet(5), 0x0800)), "gre", 0),
    "GRE over IPv6": (ip(A6, B6, 47, gre(packet6(6), 0x86DD)), "gre", 0),
    "GRE with all": (
        ip(A, B, 47, gre(packet(7), 0x0800, CHECKSUM | KEY | SEQUENCE, 4_000_000_000)),
        "gre",
        4_000_000_000,
    ),
    "GRE, bridged": (ip(A, B, 47, gre(ethernet(packet(8)), BRIDGED, KEY, 77)), "gre", 77),
    "GRE, bridged and tagged": (ip(A, B, 47, gre(ethernet(packet(9), 0x0800, (0x8100, 42)), BRIDGED)), "gre", 0),
    "GRE, MPLS": (ip(A, B, 47, gre(struct.pack("!I", 16 << 12 | 0x100 | 64) + packet(10), 0x8847)), "gre", 0),
    "GRE, PPTP": (
        ip(A, B, 47, struct.pack("!HHHHI", 0x3001, 0x880B, 64, 513, 9) + b"\xff\x03\x00\x21" + packet(11)),
        "gre",
        513,
    ),
    "ERSPAN I": (ip(A, B, 47, gre(ethernet(packet(12)), ERSPAN)), "erspan", 0),
    "ERSPAN II": (ip(A, B, 47, erspan_ii(ethernet(packet(13)), 100)), "erspan", 100),
    "ERSPAN III": (ip(A, B, 47, erspan_iii(ethernet(packet(14)), 1023)), "erspan", 1023),
    "ERSPAN III with a subheader": (ip(A, B, 47, erspan_iii(ethernet(packet(15)), 3, subheader=True)), "erspan", 3),
    "VXLAN": (vxlan(ethernet(packet(16)), 16_000_000), "vxlan", 16_000_000),
    "VXLAN, tagged": (vxlan(ethernet(packet6(17), 0x86DD, (0x8100, 9)), 5), "vxlan", 5),
    "Geneve": (geneve(ethernet(packet(18)), 6000), "geneve", 6000),
    "Geneve with options": (geneve(packet(19), 6001, 0x0800, bytes((0, 1, 1, 1, 1, 2, 3, 4))), "geneve", 6001),
    "GTP-U": (gtp(packet(20), 4_000_000_001), "gtp", 4_000_000_001),
    "Teredo": (udp(A, B, 50000, 3544, ipv6(TEREDO, B6, 17, udp_header(1021, 5000, b"x"))), "teredo", 0),
    "Teredo, told whence": (
        udp(A, B, 3544, 50000, b"\0\0" + bytes(6) + ipv6(B6, TEREDO, 17, udp_header(1022, 5000, b"x"))),
        "teredo",
        0,
    ),
    "GTP-U in VXLAN": (vxlan(gtp(packet(23), 9, "172.16.0.1", "172.16.0.2"), 8), "gtp", 9),
    "6in4 in GRE in GRE": (
        ip(A, B, 47, gre(ipv4("172.16.0.1", "172.16.0.2", 47, gre(ipv4(A, B, 41, packet6(24)), 0x0800)), 0x0800)),
        "6in4",
        0,
    ),
    "under tags": (ethernet(ipv4(A, B, 47, gre(packet(25), 0x0800)), 0x0800, (0x88A8, 100), (0x8100, 7)), "gre", 0),
}
"""Frames by what they are, with the name and the number of their innermost tunnel."""

_ENDS = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst")
_NUMBERS = ("gre.key", "gre.key.call_id", "erspan.spanid", "vxlan.vni", "geneve.vni", "gtp.teid")
_FIELDS = ("communityid", "frame.protocols", *_ENDS, *_NUMBERS)


def _stated(path: Path) -> list[dict[str, list[str]]]:
    command = ["tshark", "-n", "-r", str(path), "--enable-protocol", "communityid", "-T", "fields"]
    for name in _FIELDS:
        command += ["-e", name]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [
        dict(zip(_FIELDS, (value.split(",") for value in line.split("\t")), strict=True))
        for line in output.splitlines()
    ]


def test_flows_in_tunnels_are_those_that_tshark_names(tmp_path: Path) -> None:
    frames = [Frame(1_700_000_000_000_000 + at, frame) for at, (frame, _, _) in enumerate(MADE.values())]
    path = tmp_path / "tunnels.pcap"
    flows = sorted(flows_of(path, frames).flows, key=lambda flow: flow.start)
    stated = _stated(path)
    assert len(flows) == len(stated) == len(MADE)

    wrong = {}
    for name, flow, said, (frame, tunnel, number) in zip(MADE, flows, stated, MADE.values(), strict=True):
        found = (flow.tunnel, flow.tunnel_id, flow.total_bytes)
        ends = {flow.source_ip, flow.destination_ip, flow.tunnel_source_ip, flow.tunnel_destination_ip}
        numbers = {int(value, 0) for field in _NUMBERS for value in said[field] if value} | {0}
        if (
            found != (tunnel, number, len(frame))
            or flow.community_id != said["communityid"][-1]
            or not ends <= {address for field in _ENDS for address in said[field]}
            or number not in numbers
        ):
            wrong[name] = (found, flow, said)
    assert not wrong


def test_outside_of_tunnels_the_flow_is_that_of_the_first_header(tmp_path: Path) -> None:
    frames = [Frame(1_700_000_000_000_000 + at, frame) for at, (frame, _, _) in enumerate(MADE.values())]
    path = tmp_path / "tunnels.pcap"
    flows = flows_of(path, frames, CaptureSettings(tunnels="outer")).flows
    stated = _stated(path)

    outer = set()
    for said in stated:
        first = next(name for name in said["frame.protocols"][0].split(":") if name in {"ip", "ipv6"})
        outer.add((said[f"{first}.src"][0], said[f"{first}.dst"][0]))
    assert {(flow.source_ip, flow.destination_ip) for flow in flows} == outer
    assert sum(flow.total_packets for flow in flows) == len(MADE)
    assert {flow.tunnel for flow in flows} == {""}
