"""Flows inside tunnels: which packets are one flow, what it says of its tunnel, and what is not looked into."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.packets.decode import Header, decode
from capture.settings import CaptureSettings
from tests.unit.capture.sinks import flows_of
from tests.unit.capture.wire import Frame, ethernet, ip, ipv4, ipv6, udp, udp_header

START = 1_700_000_040_000_000
A, B = "192.0.2.1", "192.0.2.2"
REASONS = {"arp", "lldp", "not-ip", "link-type", "malformed", "short"}


def between(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    return ipv4(source, destination, 17, udp_header(source_port, destination_port, b"hello"))


FORTH, BACK = between("10.0.0.1", "10.0.0.2", 1000, 2000), between("10.0.0.2", "10.0.0.1", 2000, 1000)


def with_macs(payload: bytes, source: str, destination: str) -> bytes:
    return bytes.fromhex(destination + source) + b"\x08\x00" + payload


def vxlan(payload: bytes, network: int, source: str = A, destination: str = B, flags: int = 8) -> bytes:
    return udp(source, destination, 50000, 4789, struct.pack("!BxxxI", flags, network << 8) + payload)


def gtp(payload: bytes, tunnel: int, source: str = A, destination: str = B) -> bytes:
    return udp(source, destination, 2152, 2152, struct.pack("!BBHI", 0x30, 0xFF, len(payload), tunnel) + payload)


def gre(payload: bytes, source: str = A, destination: str = B, kind: int = 0x0800) -> bytes:
    return ip(source, destination, 47, struct.pack("!HH", 0, kind) + payload)


def flows(tmp_path, *frames, tunnels="inner"):
    made = [Frame(START + at * 1000, frame) for at, frame in enumerate(frames)]
    return flows_of(tmp_path / "x.pcap", made, CaptureSettings(tunnels=tunnels)).flows


def test_both_directions_of_a_tunnel_are_one_flow_that_names_it(tmp_path):
    (flow,) = flows(tmp_path, gtp(FORTH, 17), gtp(BACK, 18, B, A), gtp(FORTH, 17))
    assert (flow.total_source_packets, flow.total_destination_packets) == (2, 1)
    assert (flow.source_ip, flow.destination_port) == ("10.0.0.1", 2000)
    assert (flow.tunnel, flow.tunnel_source_ip, flow.tunnel_destination_ip, flow.tunnel_id) == ("gtp", A, B, 17)
    assert flow.total_bytes == 2 * len(gtp(FORTH, 17)) + len(gtp(BACK, 18))


def test_virtual_networks_have_addresses_of_their_own(tmp_path):
    inner, answer = ethernet(FORTH), ethernet(BACK)
    found = flows(tmp_path, vxlan(inner, 1), vxlan(inner, 2), vxlan(answer, 2, B, A))
    assert sorted((flow.tunnel_id, flow.total_packets) for flow in found) == [(1, 1), (2, 2)]
    assert len({flow.community_id for flow in found}) == 1
    assert len({flow.flow_id for flow in found}) == 2


def test_the_cards_are_those_of_the_frame_inside(tmp_path):
    frame = with_macs(FORTH, "0a0000000001", "0a0000000002")
    bridged = vxlan(frame, 1)
    routed = gre(FORTH)
    (first,) = flows(tmp_path, bridged)
    (second,) = flows(tmp_path, routed)
    assert (first.source_mac, first.destination_mac) == ("0a:00:00:00:00:01", "0a:00:00:00:00:02")
    assert (second.source_mac, second.destination_mac) == (routed[6:12].hex(":"), routed[:6].hex(":"))


def test_what_a_tunnel_carries_that_is_not_ip_is_of_the_flow_outside(tmp_path):
    arp = ethernet(bytes(28), 0x0806)
    (flow,) = flows(tmp_path, vxlan(arp, 1), vxlan(ethernet(FORTH), 1, flags=0))
    assert (flow.destination_port, flow.tunnel, flow.total_packets) == (4789, "", 2)


def test_another_datagram_on_a_tunnels_port_is_a_flow_itself(tmp_path):
    looks_like_ipv6 = b"\x60" + bytes(60)
    found = flows(tmp_path, udp(A, B, 3544, 443, looks_like_ipv6), udp(B, A, 443, 3544, looks_like_ipv6))
    assert [(flow.tunnel, flow.total_packets) for flow in found] == [("", 2)]


def test_the_flow_outside_counts_where_that_is_wanted(tmp_path):
    (flow,) = flows(tmp_path, gre(FORTH), gre(BACK, B, A), tunnels="outer")
    assert (flow.source_ip, flow.transport, flow.tunnel, flow.total_packets) == (A, "gre", "", 2)


def test_fragments_of_a_tunnel_are_of_the_flow_inside(tmp_path):
    inner = ipv4("10.0.0.1", "10.0.0.2", 17, udp_header(1000, 2000, bytes(40)))
    datagram = struct.pack("!HH", 0, 0x0800) + inner
    first = ethernet(ipv4(A, B, 47, datagram[:40], identity=5, more=True))
    later = ethernet(ipv4(A, B, 47, datagram[40:], identity=5, offset=40))
    (flow,) = flows(tmp_path, first, later)
    assert (flow.source_ip, flow.source_port, flow.total_packets, flow.tunnel) == ("10.0.0.1", 1000, 2, "gre")


def test_fragments_inside_a_tunnel_are_of_the_flow_of_their_datagram(tmp_path):
    datagram = udp_header(1000, 2000, bytes(40))
    first = gre(ipv4("10.0.0.1", "10.0.0.2", 17, datagram[:24], identity=6, more=True))
    later = gre(ipv4("10.0.0.1", "10.0.0.2", 17, datagram[24:], identity=6, offset=24))
    (flow,) = flows(tmp_path, first, later)
    assert (flow.source_port, flow.total_packets, flow.tunnel) == (1000, 2, "gre")


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_tunnels_in_tunnels_are_followed_to_the_innermost(depth):
    packet = FORTH
    for level in range(depth):
        packet = ipv4(f"172.16.{level}.1", f"172.16.{level}.2", 47, struct.pack("!HH", 0, 0x0800) + packet)
    header = decode(1, ethernet(packet), 0, len(packet) + 14)
    assert isinstance(header, Header)
    assert (header.protocol, header.ports) == (17, struct.pack("!HH", 1000, 2000))


def test_tunnels_in_tunnels_without_end_are_given_up():
    packet = FORTH
    for _ in range(200):
        packet = ipv4(A, B, 4, packet)
    header = decode(1, ethernet(packet), 0, len(packet) + 14)
    assert isinstance(header, Header)
    assert header.protocol == 4


KINDS = (
    gre(FORTH),
    gre(ethernet(FORTH), kind=0x6558),
    gre(struct.pack("!HHIHH", 2 << 12, 5, 0, 0, 1) + bytes(8) + ethernet(FORTH), kind=0x22EB),
    ip(A, B, 47, struct.pack("!HHIHHI", 0x1000, 0x88BE, 1, 1 << 12, 9, 0) + ethernet(FORTH)),
    ip(A, B, 47, struct.pack("!HHHHI", 0x3001, 0x880B, 64, 513, 9) + b"\xff\x03\x00\x21" + FORTH),
    vxlan(ethernet(FORTH), 1),
    udp(A, B, 50000, 6081, struct.pack("!BBHI", 1, 0, 0x6558, 256) + bytes(4) + ethernet(FORTH)),
    udp(A, B, 50000, 3544, bytes(8) + ipv6("2001:0:1::1", "2001:db8::1", 17, udp_header(1, 2))),
    gtp(FORTH, 1),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_change_of_a_tunnels_packet_is_too_strange(data):
    frame = bytearray(data.draw(st.sampled_from(KINDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    result = decode(1, bytes(frame), 0, data.draw(st.integers(0, len(frame))))
    assert isinstance(result, Header) or result in REASONS


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(KINDS), st.data())
def test_a_tunnels_packet_that_is_cut_off_is_still_counted(frame, data):
    size = data.draw(st.integers(34, len(frame)))
    header = decode(1, frame, 0, size)
    assert isinstance(header, Header)
    assert header.tunnel is None or header.tunnel.source in {b"\xc0\0\2\1", b"\xc0\0\2\2"}
