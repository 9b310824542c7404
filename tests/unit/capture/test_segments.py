"""The time a handshake takes, and segments that were sent again."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.unit.capture.sinks import flows_of
from tests.unit.capture.wire import ACK, FIN, PSH, RST, SYN, Frame, ethernet, ipv4, ipv6
from topics.records import Flow

A, B = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
START = 1_700_000_050_000_000
RTT = 20_000
"""Microseconds from SYN to the ACK that ends the handshake of :func:`handshake`."""


def segment(
    at: int,
    number: int,
    size: int = 0,
    flags: int = ACK,
    *,
    back: bool = False,
    six: bool = False,
    tagged: bool = False,
) -> Frame:
    """A segment ``at`` so many microseconds, beginning at a sequence number, with ``size`` bytes of data."""
    ports = (80, 40000) if back else (40000, 80)
    header = struct.pack("!HHIIBBHHH", *ports, number & 0xFFFFFFFF, 1, 0x80, flags, 1024, 0, 0) + bytes(12)
    ends = (A6, B6) if six else (A, B)
    source, destination = reversed(ends) if back else ends
    packet = (ipv6 if six else ipv4)(source, destination, 6, header + b"x" * size)
    tags = ((0x8100, 7),) if tagged else ()
    return Frame(START + at, ethernet(packet, 0x86DD if six else 0x0800, *tags))


def handshake(number: int = 1000, **form: bool) -> list[Frame]:
    return [
        segment(0, number, flags=SYN, **form),
        segment(RTT // 2, 5000, flags=SYN | ACK, back=True, **form),
        segment(RTT, number + 1, **form),
    ]


def flow_of(folder: Path, frames: list[Frame]) -> Flow:
    (flow,) = flows_of(folder / "in.pcap", frames).flows
    return flow


@pytest.mark.parametrize("form", [{}, {"six": True}, {"tagged": True}, {"six": True, "tagged": True}])
@pytest.mark.parametrize("number", [1000, 0xFFFFFFFF - 150])
def test_segments_in_order_are_no_retransmissions(tmp_path: Path, form: dict[str, bool], number: int) -> None:
    frames = handshake(number, **form)
    for each in range(10):
        frames.append(segment(30_000 + each * 1000, number + 1 + each * 100, 100, ACK | PSH, **form))
        frames.append(segment(30_500 + each * 1000, 5001, back=True, **form))
    frames.append(segment(90_000, number + 1001, flags=FIN | ACK, **form))
    flow = flow_of(tmp_path, frames)
    assert flow.setup_rtt_us == RTT
    assert flow.total_retransmissions == 0
    frames.append(segment(95_000, number + 1 + 900, 100, ACK | PSH, **form))
    frames.append(segment(96_000, number + 1001, flags=FIN | ACK, **form))
    frames.append(segment(97_000, 5001, 40, back=True, **form))
    flow = flow_of(tmp_path, frames)
    assert (flow.total_source_retransmissions, flow.total_destination_retransmissions) == (2, 0)


def test_a_segment_that_fills_a_gap_is_overtaken_within_half_a_round_trip_and_sent_again_after(tmp_path: Path) -> None:
    ahead = [*handshake(), segment(30_000, 1101, 100), segment(30_100, 1301, 100)]
    overtaken = [segment(30_000 + RTT // 2 - 1, 1001, 100), segment(30_100 + RTT // 2 - 1, 1201, 100)]
    assert flow_of(tmp_path, [*ahead, *overtaken]).total_retransmissions == 0
    late = [segment(30_000 + RTT // 2, 1001, 100), segment(30_100 + RTT // 2, 1201, 100)]
    assert flow_of(tmp_path, [*ahead, *late]).total_retransmissions == 2
    twice = [*overtaken, segment(30_200 + RTT, 1201, 100)]
    assert flow_of(tmp_path, [*ahead, *twice]).total_retransmissions == 1, "the gap is closed the first time"
    parts = [segment(30_001, 1001, 50), segment(30_002, 1051, 50), segment(30_003, 1051, 50)]
    assert flow_of(tmp_path, [*ahead, *parts]).total_retransmissions == 1


def test_an_acknowledgement_shows_that_segments_were_lost_on_the_way_here(tmp_path: Path) -> None:
    frames = [*handshake(), segment(30_000, 1301), segment(90_000, 1001, 300)]
    assert flow_of(tmp_path, frames).total_source_retransmissions == 1


def test_probes_and_resets_are_no_retransmissions(tmp_path: Path) -> None:
    frames = [
        *handshake(),
        segment(30_000, 1001, 100),
        segment(40_000, 1100),
        segment(50_000, 1100, 1),
        segment(60_000, 1100, 101),
        segment(70_000, 0, 0, RST),
        segment(80_000, 1201, 10),
    ]
    assert flow_of(tmp_path, frames).total_retransmissions == 0


def test_a_repeated_request_for_a_connection_counts_and_the_last_one_is_timed(tmp_path: Path) -> None:
    frames = [segment(-1_000_000, 1000, flags=SYN), *handshake()]
    flow = flow_of(tmp_path, frames)
    assert (flow.setup_rtt_us, flow.total_source_retransmissions) == (RTT, 1)


def test_there_is_no_time_without_a_whole_handshake(tmp_path: Path) -> None:
    refused = [segment(0, 1000, flags=SYN), segment(500, 0, flags=RST | ACK, back=True)]
    assert flow_of(tmp_path, refused).setup_rtt_us == 0
    assert flow_of(tmp_path, handshake()[1:]).setup_rtt_us == 0
    assert flow_of(tmp_path, [handshake()[0], handshake()[2]]).setup_rtt_us == 0


def test_every_record_of_a_flow_tells_what_came_since_the_one_before(tmp_path: Path) -> None:
    minute = 60_000_000
    frames = [
        *handshake(),
        segment(30_000, 1001, 100),
        segment(60_000, 1001, 100),
        segment(minute, 1101, 100),
        segment(minute + 1, 1101, 100),
        segment(minute + 2, 1101, 100),
        segment(minute + 3, 5001, 100, back=True),
        segment(minute + 60_000, 5001, 100, back=True),
    ]
    first, last = flows_of(tmp_path / "in.pcap", frames).flows
    assert (first.delta_source_retransmissions, first.total_source_retransmissions) == (1, 1)
    assert (last.delta_source_retransmissions, last.total_source_retransmissions) == (2, 3)
    assert (last.delta_destination_retransmissions, last.total_destination_retransmissions) == (1, 1)
    assert last.delta_retransmissions == 3
    assert last.total_retransmissions == 4
    assert first.setup_rtt_us == last.setup_rtt_us == RTT


def test_a_large_segment_of_an_offloading_card_counts_by_its_length_on_the_wire(tmp_path: Path) -> None:
    def without_length(frame: Frame) -> Frame:
        return frame._replace(data=frame.data[:16] + bytes(2) + frame.data[18:])

    frames = [
        *handshake(),
        without_length(segment(30_000, 1001, 30_000)),
        segment(30_001, 31_001, 100),
        without_length(segment(90_000, 1001, 30_000)),
    ]
    assert flow_of(tmp_path, frames).total_source_retransmissions == 1
