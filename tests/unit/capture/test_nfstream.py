"""The flow engine: nothing is lost, nothing counted twice, and the same file gives the same records."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.nfstream_engine.source import NfstreamSource
from capture.settings import CaptureSettings
from capture.source import CutShort, observe_file
from tests.unit.capture.sinks import KeepingSink, flows_of
from tests.unit.capture.wire import ACK, FIN, PSH, RST, SYN, Frame, ethernet, icmp, ipv4, pcap, tcp, udp, udp_header
from topics.codec import encode

A, B, C = "192.0.2.1", "198.51.100.2", "203.0.113.3"
SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_700_000_040 * SECOND
"""The beginning of a window."""
WINDOW = START // SECOND


def at(seconds: float, data: bytes, length: int = 0) -> Frame:
    return Frame(START + round(seconds * SECOND), data, length)


def session(begin: float, port: int = 40000) -> list[Frame]:
    """A TCP session of 0.6 s: handshake, a request and its answer, FIN both ways."""
    steps = [(A, SYN), (B, SYN | ACK), (A, ACK), (A, ACK | PSH), (B, ACK | PSH), (A, FIN | ACK), (B, FIN | ACK)]
    return [
        at(
            begin + 0.1 * number,
            tcp(A, B, port, 80, flags, b"x" * 10 if flags & PSH else b"")
            if sender == A
            else tcp(B, A, 80, port, flags, b"y" * 100 if flags & PSH else b""),
        )
        for number, (sender, flags) in enumerate(steps)
    ]


def test_a_flow_inside_one_window_has_its_final_record_alone(tmp_path):
    frames = session(1)
    sink = flows_of(tmp_path / "in.pcap", frames)
    (flow,) = sink.flows
    assert (flow.record, flow.sequence, flow.state, flow.end_reason) == ("final", 0, "closed", "end")
    assert (flow.source_ip, flow.source_port, flow.destination_ip, flow.destination_port) == (A, 40000, B, 80)
    assert (flow.transport, flow.protocol_number, flow.ip_version) == ("tcp", 6, 4)
    assert (flow.start, flow.end, flow.time) == (frames[0].time, frames[-1].time, frames[-1].time)
    assert (flow.total_source_packets, flow.total_destination_packets) == (4, 3)
    assert (flow.total_source_bytes, flow.total_destination_bytes) == (4 * 54 + 10, 3 * 54 + 100)
    assert (flow.tcp_flags_source, flow.tcp_flags_destination) == (SYN | ACK | PSH | FIN, SYN | ACK | PSH | FIN)
    assert (flow.source_mac, flow.destination_mac) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert sink.windows() == [WINDOW]


def test_a_long_flow_is_reported_once_a_window_and_its_deltas_add_up(tmp_path):
    frames = [at(second, udp(A, B, 5000, 6000, b"z" * second)) for second in range(5, 200, 10)]
    sink = flows_of(tmp_path / "in.pcap", frames)
    flows = sink.flows
    assert [flow.record for flow in flows] == ["update", "update", "update", "final"]
    assert sink.windows() == [WINDOW, WINDOW + 60, WINDOW + 120, WINDOW + 180]
    assert [flow.sequence for flow in flows] == [0, 1, 2, 3]
    assert len({flow.id for flow in flows}) == 4
    assert len({(flow.flow_id, flow.community_id, flow.start) for flow in flows}) == 1
    assert [flow.delta_packets for flow in flows] == [6, 6, 6, 2]
    assert [flow.total_packets for flow in flows] == [6, 12, 18, 20]
    assert sum(flow.delta_bytes for flow in flows) == flows[-1].total_bytes == sum(len(frame.data) for frame in frames)
    assert flows[-1].end_reason == "forced"


def test_a_window_without_packets_of_a_flow_has_no_record_of_it(tmp_path):
    frames = [at(1, udp(A, B, 5000, 6000)), at(115, udp(A, C, 1, 2)), at(119, udp(A, B, 5000, 6000))]
    sink = flows_of(tmp_path / "in.pcap", [*frames, at(121, udp(A, C, 1, 2)), at(181, udp(A, C, 1, 2))])
    windows = [put.window for put in sink.put_all if getattr(put.record, "source_port", 0) == 5000]
    assert windows == [WINDOW, WINDOW + 60, WINDOW + 180]


def test_the_edge_belongs_to_the_window_it_begins(tmp_path):
    sink = flows_of(tmp_path / "in.pcap", [at(59.999999, udp(A, B, 1, 2)), at(60, udp(A, B, 3, 4))])
    assert [(flow.source_port, window) for flow, window in zip(sink.flows, sink.windows(), strict=True)] == [
        (1, WINDOW),
        (1, WINDOW + 60),
        (3, WINDOW + 60),
    ]
    assert [flow.delta_packets for flow in sink.flows] == [1, 0, 1]


def test_silence_ends_a_flow(tmp_path):
    frames = [at(0, udp(A, B, 1, 2)), at(121, udp(A, B, 1, 2)), at(130, udp(A, B, 1, 2))]
    flows = flows_of(tmp_path / "in.pcap", frames).flows
    assert [(flow.record, flow.end_reason, flow.total_packets) for flow in flows] == [
        ("update", "", 1),
        ("final", "idle", 1),
        ("final", "forced", 2),
    ]
    assert flows[0].flow_id == flows[1].flow_id != flows[2].flow_id
    assert len({flow.community_id for flow in flows}) == 1


def test_how_much_silence_is_a_setting(tmp_path):
    frames = [at(0, udp(A, B, 1, 2)), at(11, udp(A, B, 1, 2))]
    assert len(flows_of(tmp_path / "a.pcap", frames, CaptureSettings(idle_timeout=10)).flows) == 2
    assert len(flows_of(tmp_path / "b.pcap", frames, CaptureSettings(idle_timeout=12)).flows) == 1


def test_too_many_flows_at_once_end_the_oldest(tmp_path):
    frames = [at(n, udp(A, B, n % 7 + 1, 53)) for n in range(14)]
    sink = flows_of(tmp_path / "in.pcap", frames, CaptureSettings(max_flows=5))
    assert [flow.end_reason for flow in sink.flows] == ["resources"] * 9 + ["forced"] * 5
    assert [flow.start for flow in sink.flows] == [frame.time for frame in frames]
    assert sum(flow.delta_packets for flow in sink.flows) == 14
    assert sink.counts["evicted_flows"] == 9


def test_a_reset_ends_a_flow(tmp_path):
    frames = [at(1, tcp(A, B, 1000, 80, SYN)), at(1.1, tcp(B, A, 80, 1000, RST | ACK)), at(30, udp(A, C, 1, 2))]
    flow = flows_of(tmp_path / "in.pcap", frames).flows[0]
    assert (flow.state, flow.end_reason, flow.record) == ("reset", "end", "final")


def test_the_last_acknowledgement_belongs_to_the_flow_it_closes(tmp_path):
    frames = [*session(1), at(2, tcp(A, B, 40000, 80, ACK))]
    (flow,) = flows_of(tmp_path / "in.pcap", frames).flows
    assert flow.total_packets == len(frames)


def test_a_port_used_again_is_another_flow(tmp_path):
    flows = flows_of(tmp_path / "in.pcap", session(1) + session(2)).flows
    assert [flow.total_packets for flow in flows] == [7, 7]
    assert len({flow.flow_id for flow in flows}) == 2


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        (session(1)[:1], "syn"),
        (session(1)[:2], "syn-ack"),
        (session(1)[:3], "established"),
        (session(1)[3:5], "established"),
        (session(1)[:6], "closing"),
        ([at(1, udp(A, B, 1, 2))], ""),
    ],
)
def test_the_state_follows_the_flags(tmp_path, frames, state):
    (flow,) = flows_of(tmp_path / "in.pcap", frames).flows
    assert flow.state == state


def test_a_ping_is_one_flow(tmp_path):
    (flow,) = flows_of(tmp_path / "in.pcap", [at(1, icmp(A, B, 8)), at(2, icmp(B, A, 0))]).flows
    assert (flow.total_source_packets, flow.total_destination_packets) == (1, 1)
    assert (flow.transport, flow.source_port, flow.destination_port) == ("icmp", 0, 0)


def test_errors_of_both_sides_are_two_flows(tmp_path):
    flows = flows_of(tmp_path / "in.pcap", [at(1, icmp(A, B, 3, 1)), at(2, icmp(B, A, 3, 1))]).flows
    assert [flow.total_packets for flow in flows] == [1, 1]
    assert len({flow.community_id for flow in flows}) == 2


def test_a_vlan_is_told_apart(tmp_path):
    datagram = ipv4(A, B, 17, udp_header(1, 2))
    frames = [at(n, ethernet(datagram, 0x0800, *tags)) for n, tags in enumerate([(), ((0x8100, 5),), ((0x8100, 6),)])]
    flows = flows_of(tmp_path / "in.pcap", frames + frames).flows
    assert [(flow.vlan_id, flow.total_packets) for flow in flows] == [(0, 2), (5, 2), (6, 2)]
    assert len({flow.community_id for flow in flows}) == 1
    assert len({flow.flow_id for flow in flows}) == 3


def test_fragments_belong_to_the_flow_of_the_first(tmp_path):
    parts = udp_header(5000, 53, bytes(3000))
    frames = [
        at(1, ethernet(ipv4(A, B, 17, parts[:1480], identity=5, more=True))),
        at(1.1, ethernet(ipv4(A, B, 17, parts[1480:2960], identity=5, offset=1480, more=True))),
        at(1.2, ethernet(ipv4(A, B, 17, parts[2960:], identity=5, offset=2960))),
        at(1.3, ethernet(ipv4(A, B, 17, parts[2960:], identity=6, offset=2960))),
    ]
    flows = flows_of(tmp_path / "in.pcap", frames).flows
    assert [(flow.destination_port, flow.total_packets) for flow in flows] == [(53, 3), (0, 1)]


def test_time_never_runs_backwards(tmp_path):
    frames = [at(70, udp(A, B, 1, 2)), at(10, udp(A, B, 1, 2)), at(71, udp(A, B, 1, 2))]
    sink = flows_of(tmp_path / "in.pcap", frames)
    (flow,) = sink.flows
    assert (flow.start, flow.end, flow.total_packets) == (frames[0].time, frames[2].time, 3)
    assert sink.windows() == [WINDOW + 60]


def test_years_of_nothing_are_no_windows(tmp_path):
    later = 5 * 365 * 24 * 3600
    sink = flows_of(tmp_path / "in.pcap", [at(1, udp(A, B, 1, 2)), at(later, udp(A, B, 1, 2))])
    assert len(sink.flows) == 3
    assert len(sink.advanced) < 5
    assert max(sink.advanced) == (WINDOW + later) // 60 * 60 - 60


def test_time_may_begin_with_the_epoch(tmp_path):
    sink = flows_of(tmp_path / "in.pcap", [Frame(0, udp(A, B, 1, 2)), Frame(61 * SECOND, udp(A, B, 1, 2))])
    assert sink.windows() == [0, 60]


def test_equal_flows_at_the_same_moment_have_ids_of_their_own(tmp_path):
    datagram = ipv4(A, B, 17, udp_header(1, 2))
    frames = [at(1, ethernet(datagram, 0x0800, *tags)) for tags in [(), ((0x8100, 5),), ((0x8100, 6),)]]
    assert len({flow.flow_id for flow in flows_of(tmp_path / "in.pcap", frames).flows}) == 3


def test_each_window_has_its_sums(tmp_path):
    arp = ethernet(bytes(28), 0x0806)
    frames = [at(1, udp(A, B, 1, 2)), at(2, arp), at(61, udp(A, B, 1, 2), 1500), at(62, ethernet(bytes(40), 0x88CC))]
    sink = flows_of(tmp_path / "in.pcap", frames)
    assert [(sample.group, sample.key, sample.source) for sample in sink.samples] == [
        ("Capture", "in.pcap", "packet")
    ] * 2
    assert [sample.meters for sample in sink.samples] == [
        {"packets": 2, "bytes": 84, "ignored": 1, "ignored_bytes": 42, "dropped": 0, "evicted_flows": 0},
        {"packets": 2, "bytes": 1554, "ignored": 1, "ignored_bytes": 54, "dropped": 0, "evicted_flows": 0},
    ]
    assert sink.counts == Counter(
        {"packets": 4, "bytes": 1638, "ignored_bytes": 96, "ignored.arp": 1, "ignored.lldp": 1}
    )


def same_family(source: str, destination: str) -> str:
    return destination if (":" in source) == (":" in destination) else "2001:db8::9"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    traffic=st.lists(
        st.tuples(
            st.integers(0, 400 * SECOND),
            st.sampled_from([A, B, "2001:db8::1"]),
            st.sampled_from([B, C]),
            st.sampled_from([53, 80, 4000]),
            st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST]),
            st.sampled_from(["tcp", "udp", "icmp", "junk"]),
            st.booleans(),
            st.integers(0, 2000),
        ),
        max_size=80,
    )
)
def test_every_packet_is_in_one_flow_or_ignored(tmp_path, traffic):
    frames = []
    for time, source, destination, port, flags, kind, back, extra in traffic:
        ends = (source, same_family(source, destination))
        one, other = reversed(ends) if back else ends
        data = {
            "tcp": lambda one=one, other=other, port=port, flags=flags: tcp(one, other, port, 80, flags),
            "udp": lambda one=one, other=other, port=port: udp(one, other, 53, port),
            "icmp": lambda one=one, other=other, port=port: icmp(one, other, port % 12),
            "junk": lambda port=port: bytes(port % 70),
        }[kind]()
        frames.append(Frame(START + time, data, len(data) + extra))
    sink = flows_of(tmp_path / "in.pcap", frames)
    flows, last = sink.flows, {flow.flow_id: flow for flow in sink.flows}
    ignored = sum(amount for counter, amount in sink.counts.items() if counter.startswith("ignored."))
    assert sum(flow.delta_packets for flow in flows) + ignored == len(frames)
    assert sum(flow.delta_bytes for flow in flows) + sink.counts["ignored_bytes"] == sum(f.length for f in frames)
    assert sum(flow.total_packets for flow in last.values()) == sum(flow.delta_packets for flow in flows)
    assert all(flow.record == "final" for flow in last.values())
    assert Counter(flow.flow_id for flow in flows if flow.record == "final") == Counter(last.keys())
    assert len({flow.id for flow in flows}) == len(flows)
    assert sum(sample.meters["packets"] for sample in sink.samples) == len(frames)


def test_the_same_file_gives_the_same_records_in_the_same_order(tmp_path):
    frames = sorted(
        [
            *session(1),
            *session(58, 41000),
            *(at(n, udp(A, B, n, 53, b"\x12\x34\x01\x00\x00\x01")) for n in range(1, 200)),
        ],
        key=lambda frame: frame.time,
    )
    first, second = (flows_of(tmp_path / "in.pcap", frames) for _ in range(2))
    assert encode([put.record for put in first.put_all]) == encode([put.record for put in second.put_all])
    assert [put[1:2] + put[3:] for put in first.put_all] == [put[1:2] + put[3:] for put in second.put_all]


def test_flows_of_one_community_stay_together(tmp_path):
    sink = flows_of(tmp_path / "in.pcap", session(1) + session(30, 41000))
    assert all(put.key == put.record.community_id for put in sink.put_all if put.record in sink.flows)


def test_an_application_is_recognised_and_kept(tmp_path):
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
    frames = [at(1, udp(A, B, 5000, 53, query)), at(59, udp(A, B, 5000, 53, query)), at(61, udp(A, B, 5000, 53, query))]
    flows = flows_of(tmp_path / "in.pcap", frames).flows
    assert [(flow.application, flow.server_name) for flow in flows] == [("DNS", "example.org")] * 2


def test_a_file_cut_short_is_told_after_all_of_it_was_put(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap(session(1))[:-3])
    sink = KeepingSink()
    with pytest.raises(CutShort, match="cut short after 6 packets"):
        NfstreamSource(observe_file("node", "cut.pcap", "ab" * 32), str(path), CaptureSettings()).run(sink)
    assert sum(flow.total_packets for flow in sink.flows) == 6


def test_a_file_whose_reading_is_stopped_gets_no_records_made_up(tmp_path):
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap([at(n, udp(A, B, 1, 2)) for n in range(500)]))
    source = NfstreamSource(observe_file("node", "in.pcap", "ab" * 32), str(path), CaptureSettings())

    class StoppingSink(KeepingSink):
        def advance(self, source_name: str, window: int) -> None:
            super().advance(source_name, window)
            source.stop()

    sink = StoppingSink()
    source.run(sink)
    whole = flows_of(path, [at(n, udp(A, B, 1, 2)) for n in range(500)])
    assert [flow.id for flow in sink.flows] == [flow.id for flow in whole.flows[: len(sink.flows)]]
    assert len(sink.flows) < len(whole.flows)
    assert all(flow.end_reason != "forced" for flow in sink.flows)
