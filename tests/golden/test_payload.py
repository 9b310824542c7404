"""What TCP and UDP carried, and zero windows, of each direction of a flow against what tshark says of the same capture.

tshark's figures are ``tcp.len``, ``udp.length`` without the UDP header, and ``tcp.analysis.zero_window``; those of a
datagram that came in fragments are told with its last one.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.golden.test_segments import flows_of
from tests.unit.capture.wire import ACK, FIN, PSH, RST, SYN, Frame, ethernet, ipv4, ipv6, pcap, udp_header

_ROOT = Path(__file__).parents[2]
_SHARED = _ROOT.parent / "shared" / "captures"

_CUT = "an IP header tells of more bytes than there were on the wire, which tshark believes"
_BROKEN = "headers were changed at random: tshark believes a length, or takes what is no transport header for one"
_GAPS = "datagrams of which a fragment is missing, which tshark does not put together"
_INSIDE = "tshark tells of the datagrams inside (sFlow samples, AYIYA, GTP'), or of IPv4 in IPv6 the ends of both"
_PPPOE = "an IP header and that of PPPoE differ by 6 bytes, and tshark believes the shorter"

EXCEPTIONS: dict[str, tuple[int, str]] = {
    "badpackets.pcap": (93, _CUT),
    "fuzzed-2594.pcap": (36, _BROKEN),
    "ip-frag-3000.pcap": (2, _GAPS),
    "pppoe-qinq.pcap": (1, _PPPOE),
    "sflow-1140.pcap": (1, _INSIDE),
    "sflow.pcap": (1, _INSIDE),
    "syslog-mix.pcap": (1, _CUT),
    "tunnels-mix.pcap": (8, _INSIDE),
}
"""How many directions of flows differ, and why."""

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

A, B = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"

Direction = tuple[str, str]
"""A Community ID and the address that sends."""


def stated(path: Path) -> tuple[Counter[Direction], Counter[Direction]]:
    """Bytes of payload and zero windows by direction, as tshark has them."""
    fields = "communityid ip.src ipv6.src tcp.len udp.length tcp.analysis.zero_window"
    output = subprocess.run(
        ["tshark", "-n", "-r", str(path), "--enable-protocol", "communityid", "-Y", "tcp || udp", "-T", "fields"]
        + [part for field in fields.split() for part in ("-e", field)],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    payload: Counter[Direction] = Counter()
    zero_windows: Counter[Direction] = Counter()
    for line in output.splitlines():
        community, four, six, tcp, udp, zero = (each.split(",")[-1] for each in line.split("\t"))
        # Where there are both, IPv6 is carried in IPv4.
        direction = community, six or four
        payload[direction] += int(tcp) if tcp else int(udp or 8) - 8
        zero_windows[direction] += bool(zero)
    return payload, zero_windows


def read(path: Path) -> tuple[Counter[Direction], Counter[Direction]]:
    """The same of our own flows."""
    payload: Counter[Direction] = Counter()
    zero_windows: Counter[Direction] = Counter()
    for flow in flows_of(path, {"tcp", "udp"}):
        if flow.record == "final":
            source, destination = (flow.community_id, flow.source_ip), (flow.community_id, flow.destination_ip)
            payload[source] += flow.total_source_payload_bytes
            payload[destination] += flow.total_destination_payload_bytes
            zero_windows[source] += flow.total_source_zero_windows
            zero_windows[destination] += flow.total_destination_zero_windows
    return payload, zero_windows


def _captures() -> list[Path]:
    shared = sorted(path for path in _SHARED.glob("*.pcap*")) if _SHARED.is_dir() else []
    return [_ROOT / "tapline" / "demo" / "demo.pcap", *shared]


@pytest.mark.parametrize("path", _captures(), ids=lambda path: path.name)
def test_payload_is_what_tshark_says(path: Path) -> None:
    (theirs, their_zeros), (ours, our_zeros) = stated(path), read(path)
    different = {
        direction: (ours[direction], theirs[direction]) for direction in ours if ours[direction] != theirs[direction]
    }
    assert len(different) == EXCEPTIONS.get(path.name, (0, ""))[0], different
    assert {direction for direction in ours if our_zeros[direction] != their_zeros[direction]} == set()


def _segment(window: int, size: int = 0, flags: int = ACK, *, number: int = 1000, options: bytes = b"") -> bytes:
    offset = (5 + len(options) // 4) << 4
    return struct.pack("!HHIIBBHHH", 40000, 80, number, 1, offset, flags, window, 0, 0) + options + b"x" * size


def _with_ip_options(segment: bytes) -> bytes:
    plain = ipv4(A, B, 6, b"\x01\x01\x01\x00" + segment)
    return b"\x46" + plain[1:]


def _with_extensions(segment: bytes) -> bytes:
    hop_by_hop = b"\x3c\x00\x01\x04\x00\x00\x00\x00"
    destination = b"\x06\x00\x01\x04\x00\x00\x00\x00"
    return ipv6(A6, B6, 0, hop_by_hop + destination + segment)


def _in_fragments(datagram: bytes, size: int) -> list[bytes]:
    pieces = [datagram[at : at + size] for at in range(0, len(datagram), size)]
    return [
        ipv4(A, B, 17, piece, identity=7, offset=at * size, more=at < len(pieces) - 1)
        for at, piece in enumerate(pieces)
    ]


def _in_fragments6(datagram: bytes, size: int) -> list[bytes]:
    pieces = [datagram[at : at + size] for at in range(0, len(datagram), size)]
    return [
        ipv6(A6, B6, 44, struct.pack("!BBHI", 17, 0, at * size | (at < len(pieces) - 1), 9) + piece)
        for at, piece in enumerate(pieces)
    ]


def test_payload_and_zero_windows_of_odd_headers_are_what_tshark_says(tmp_path: Path) -> None:
    stamps = b"\x01\x01\x08\x0a" + bytes(8)
    datagram = udp_header(5000, 5001, b"x" * 3000)
    packets = [
        ethernet(ipv4(A, B, 6, _segment(500, flags=SYN))),
        ethernet(ipv4(A, B, 6, _segment(0, flags=RST, number=1001))),
        ethernet(ipv4(A, B, 6, _segment(0, 7, PSH | ACK, number=1001, options=stamps))),
        # A frame is padded to 60 bytes.
        ethernet(ipv4(A, B, 6, _segment(0, number=1008))).ljust(60, b"\0"),
        ethernet(ipv4(A, B, 6, _segment(0, 3, number=1008))).ljust(60, b"\0"),
        ethernet(ipv4(A, B, 6, _segment(0, 30, number=1011)), 0x0800, (0x8100, 7)),
        ethernet(ipv4(A, B, 6, _segment(0, 31, number=1041)), 0x0800, (0x88A8, 7), (0x8100, 8)),
        ethernet(_with_ip_options(_segment(0, 32, number=1072))),
        ethernet(ipv4(A, B, 6, _segment(0, flags=FIN | ACK, number=1104))),
        ethernet(ipv6(A6, B6, 6, _segment(0, 33)), 0x86DD),
        ethernet(_with_extensions(_segment(0, 34, number=1033)), 0x86DD),
        ethernet(ipv6(A6, B6, 6, _segment(0, 35, number=1067)), 0x86DD, (0x8100, 7)),
        ethernet(ipv4(A, B, 17, udp_header(5000, 5002, b"x"))).ljust(60, b"\0"),
        ethernet(ipv6(A6, B6, 17, udp_header(5000, 5002, b"x" * 40)), 0x86DD),
        ethernet(ipv4(A, B, 17, udp_header(5000, 5002, b"x" * 100)), 0x0800, (0x8100, 7)),
        *(ethernet(packet) for packet in _in_fragments(datagram, 1480)),
        *(ethernet(packet, 0x86DD) for packet in _in_fragments6(datagram, 1448)),
    ]
    frames = [Frame(1_700_000_000_000_000 + at * 1000, packet) for at, packet in enumerate(packets)]
    path = tmp_path / "odd.pcap"
    path.write_bytes(pcap(frames))
    (theirs, their_zeros), (ours, our_zeros) = stated(path), read(path)

    assert +ours == +theirs
    assert +our_zeros == +their_zeros
    assert our_zeros.total() == 9
    assert ours.total() == 7 + 3 + 30 + 31 + 32 + 33 + 34 + 35 + 1 + 40 + 100 + 3000 + 3000
