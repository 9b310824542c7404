"""What is read of headers: every link layer, tunnels, fragments, and packets that are none of ours."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.packets.decode import KNOWN_LINKS, Header, decode
from tests.unit.capture.wire import ethernet, icmp, ipv4, ipv6, tcp_header, udp, udp_header

A, B = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
PORTS = struct.pack("!HH", 1000, 2000)
DATAGRAM = ipv4(A, B, 17, udp_header(1000, 2000, b"hello"))
DATAGRAM6 = ipv6(A6, B6, 17, udp_header(1000, 2000, b"hello"))
REASONS = {"arp", "lldp", "not-ip", "link-type", "malformed", "short"}


def header_of(frame: bytes, link: int = 1) -> Header:
    header = decode(link, frame, 0, len(frame))
    assert isinstance(header, Header), header
    return header


def assert_is_datagram(header: Header, version: int = 4) -> None:
    source, destination = (A, B) if version == 4 else (A6, B6)
    assert (header.version, header.protocol, header.ports) == (version, 17, PORTS)
    assert (header.source, header.destination) == (ip_address(source).packed, ip_address(destination).packed)


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (1, ethernet(b"")),
        (1, ethernet(b"", 0x0800, (0x8100, 7))),
        (1, ethernet(struct.pack("!BBHHH", 0x11, 0, 1, len(DATAGRAM) + 2, 0x0021), 0x8864)),
        (1, ethernet(struct.pack("!II", 16 << 12 | 64, 17 << 12 | 0x100 | 64), 0x8847)),
        (1, ethernet(b"\xaa\xaa\x03\x00\x00\x00\x08\x00", 8 + len(DATAGRAM))),
        (12, b""),
        (101, b""),
        (228, b""),
        (0, b"\x02\x00\x00\x00"),
        (108, b"\x00\x00\x00\x02"),
        (113, struct.pack("!HHH8sH", 0, 1, 6, b"\x02\x00\x00\x00\x00\x01", 0x0800)),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"\x02\x00\x00\x00\x00\x01")),
        (9, b"\x00\x21"),
        (50, b"\xff\x03\x00\x21"),
        (104, b"\x0f\x00\x08\x00"),
    ],
)
def test_every_link_layer_leads_to_the_same_packet(link, before):
    assert_is_datagram(header_of(before + DATAGRAM, link))


@pytest.mark.parametrize(
    ("link", "before"), [(1, ethernet(b"", 0x86DD)), (229, b""), (101, b""), (0, b"\x1e\x00\x00\x00"), (9, b"\x00\x57")]
)
def test_ip_version_6_is_found_the_same_way(link, before):
    assert_is_datagram(header_of(before + DATAGRAM6, link), 6)


def test_of_several_tags_the_innermost_counts():
    assert header_of(ethernet(DATAGRAM, 0x0800, (0x88A8, 100), (0x8100, 7))).vlan == 7


@pytest.mark.parametrize(
    ("frame", "tunnel", "version"),
    [
        (ethernet(ipv4("10.0.0.1", "10.0.0.2", 4, DATAGRAM)), "ipip", 4),
        (ethernet(ipv4("10.0.0.1", "10.0.0.2", 41, DATAGRAM6)), "6in4", 6),
        (ethernet(ipv6("fd00::1", "fd00::2", 4, DATAGRAM), 0x86DD), "4in6", 4),
        (
            udp("10.0.0.1", "10.0.0.2", 2152, 2152, struct.pack("!BBHI", 0x30, 0xFF, len(DATAGRAM), 1) + DATAGRAM),
            "gtp",
            4,
        ),
        (
            udp(
                "10.0.0.1",
                "10.0.0.2",
                2152,
                2152,
                # A sequence number and one extension header (PDU session container).
                struct.pack("!BBHIHBB", 0x36, 0xFF, len(DATAGRAM) + 8, 1, 9, 0, 0x85)
                + struct.pack("!BHB", 1, 0x0901, 0)
                + DATAGRAM,
            ),
            "gtp",
            4,
        ),
    ],
)
def test_tunnels_are_looked_into(frame, tunnel, version):
    header = header_of(frame)
    assert header.tunnel is not None
    assert header.tunnel.name == tunnel
    assert_is_datagram(header, version)


@pytest.mark.parametrize("inner", [b"\x00" * 40, b"\x45" * 3, b""])
def test_a_tunnel_with_nothing_to_read_inside_is_a_flow_itself(inner):
    header = header_of(ethernet(ipv4("10.0.0.1", "10.0.0.2", 4, inner)))
    assert (header.protocol, header.tunnel, header.source) == (4, None, ip_address("10.0.0.1").packed)


def test_ipv6_extension_headers_are_passed_over():
    chain = bytes((43, 0)) + bytes(6) + bytes((60, 0)) + bytes(6) + bytes((17, 0)) + bytes(6)
    frame = ethernet(ipv6(A6, B6, 0, chain + udp_header(1000, 2000)), 0x86DD)
    assert_is_datagram(header_of(frame), 6)


def test_fragments_say_which_datagram_they_are_of():
    first = header_of(ethernet(ipv4(A, B, 17, udp_header(1000, 2000, bytes(16)), identity=9, more=True)))
    later = header_of(ethernet(ipv4(A, B, 17, bytes(16), identity=9, offset=24)))
    other = header_of(ethernet(ipv4(A, B, 17, bytes(16), identity=10, offset=24)))
    assert (first.ports, first.later, later.ports, later.later) == (PORTS, False, b"", True)
    assert first.fragment == later.fragment != other.fragment


def test_ipv6_fragments_too():
    def fragment(offset: int, more: int, payload: bytes) -> bytes:
        return ethernet(ipv6(A6, B6, 44, struct.pack("!BBHI", 17, 0, offset | more, 77) + payload), 0x86DD)

    first = header_of(fragment(0, 1, udp_header(1000, 2000, bytes(8))))
    later = header_of(fragment(16, 0, bytes(8)))
    assert (first.protocol, first.ports, first.later) == (17, PORTS, False)
    assert (later.protocol, later.ports, later.later) == (17, b"", True)
    assert first.fragment == later.fragment != b""


def test_icmp_has_its_type_for_ports():
    request, answer = header_of(icmp(A, B, 8)), header_of(icmp(B, A, 0))
    assert request.ports == answer.ports[2:] + answer.ports[:2]
    assert not request.one_way
    assert header_of(icmp(A, B, 3, 1)).one_way


def test_padding_is_not_taken_for_ports():
    frame = ethernet(ipv4(A, B, 6, b"")) + bytes(26)
    assert header_of(frame).ports == b""


def test_an_offloaded_packet_has_no_total_length():
    packet = bytearray(ipv4(A, B, 6, tcp_header(1000, 2000)))
    packet[2:4] = b"\0\0"
    assert header_of(ethernet(bytes(packet))).ports == PORTS


@pytest.mark.parametrize(
    ("link", "frame", "reason"),
    [
        (1, ethernet(bytes(28), 0x0806), "arp"),
        (1, ethernet(bytes(28), 0x88CC), "lldp"),
        (1, ethernet(b"\x42\x42\x03" + bytes(35), 38), "not-ip"),
        (1, ethernet(bytes(40), 0x88B5), "not-ip"),
        (1, ethernet(DATAGRAM)[:30], "short"),
        (1, b"", "short"),
        (1, ethernet(b"\x55" + DATAGRAM[1:]), "malformed"),
        (1, ethernet(b"\x44" + DATAGRAM[1:]), "malformed"),
        (127, bytes(60), "link-type"),
    ],
)
def test_what_belongs_to_no_flow_has_a_reason(link, frame, reason):
    assert decode(link, frame, 0, len(frame)) == reason


@given(st.sampled_from(sorted(KNOWN_LINKS)), st.binary(max_size=120))
def test_no_bytes_are_too_strange(link, data):
    result = decode(link, b"before" + data + b"after", 6, 6 + len(data))
    assert isinstance(result, Header) or result in REASONS


@given(st.data())
def test_no_change_of_a_good_packet_is_too_strange(data):
    frame = bytearray(
        data.draw(
            st.sampled_from(
                [
                    ethernet(DATAGRAM, 0x0800, (0x8100, 7)),
                    ethernet(DATAGRAM6, 0x86DD),
                    ethernet(ipv4("10.0.0.1", "10.0.0.2", 41, DATAGRAM6)),
                    udp(
                        "10.0.0.1",
                        "10.0.0.2",
                        2152,
                        2152,
                        struct.pack("!BBHI", 0x36, 0xFF, 60, 1) + bytes(4) + DATAGRAM,
                    ),
                ]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    result = decode(1, bytes(frame), 0, data.draw(st.integers(0, len(frame))))
    assert isinstance(result, Header) or result in REASONS
