"""sFlow v5: sampled packets become flows, readings of counters samples, and what lies is counted."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address

import pytest
from communityid import CommunityID, FlowTuple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz_netflow import mutated
from capture.settings import FlowExportSettings
from capture.sflow.intake import SflowIntake
from capture.source import observe_live
from tests.unit.capture.wire import SYN, ethernet, ipv4, tcp, tcp_header, udp
from tests.unit.capture_netflow.made import NOW, Taken
from topics.codec import decode, encode

AGENT = "192.0.2.9"
SENDER = "198.51.100.99"


def part(kind: int, content: bytes) -> bytes:
    return struct.pack(">II", kind, len(content)) + content


def raw_packet(packet: bytes, length: int = 0, protocol: int = 1) -> bytes:
    padding = bytes(-len(packet) % 4)
    return part(1, struct.pack(">IIII", protocol, length or len(packet), 4, len(packet)) + packet + padding)


def flow_sample(*records: bytes, rate: int = 100, drops: int = 0, interfaces: tuple[int, int] = (3, 7)) -> bytes:
    head = struct.pack(">IIIIIIII", 1, 3, rate, 1000, drops, *interfaces, len(records))
    return part(1, head + b"".join(records))


def expanded_flow_sample(*records: bytes, rate: int = 100, interfaces: tuple[int, ...] = (0, 3, 0, 7)) -> bytes:
    head = struct.pack(">IIIIIIIIIII", 1, 0, 3, rate, 1000, 0, *interfaces, len(records))
    return part(3, head + b"".join(records))


def counter_sample(*records: bytes, expanded: bool = False) -> bytes:
    head = struct.pack(">IIII", 1, 0, 3, len(records)) if expanded else struct.pack(">III", 1, 3, len(records))
    return part(4 if expanded else 2, head + b"".join(records))


def interface_record(in_bytes: int = 5_000_000_000, in_errors: int = 0) -> bytes:
    counts = struct.pack(">QIIIIII", in_bytes, 10, 20, 0xFFFFFFFF, 1, in_errors, 0)
    counts += struct.pack(">QIIIIII", 700, 30, 40, 50, 2, 3, 0)
    return part(1, struct.pack(">IIQII", 5, 6, 1_000_000_000, 1, 3) + counts)


def datagram(*samples: bytes, sequence: int = 1, count: int | None = None, agent: str = AGENT) -> bytes:
    address = ip_address(agent)
    head = struct.pack(">II", 5, 1 if address.version == 4 else 2) + address.packed
    many = len(samples) if count is None else count
    return head + struct.pack(">IIII", 0, sequence, 1000, many) + b"".join(samples)


def take(*datagrams: bytes, exporters: int = 1000) -> Taken:
    """What becomes of datagrams that come now; all that was made can be published."""
    sink = Taken()
    observation = observe_live("node", "sflow:udp://127.0.0.1:6343", NOW)
    intake = SflowIntake(observation, FlowExportSettings(exporters=exporters), sink, NOW)
    intake.take([(each, SENDER, NOW) for each in datagrams])
    intake.finish()
    for topic, _, record, window in sink.put_all:
        assert decode(topic.record, encode([record])) == [record]
        assert window == NOW // 1_000_000 - 50
    assert sink.counts["packets"] == len(datagrams)
    return sink


def test_a_sampled_packet():
    packet = tcp("10.0.0.1", "198.51.100.7", 40_000, 443, SYN, b"x" * 20)
    (made,) = take(datagram(flow_sample(raw_packet(packet, length=1500)))).flows
    assert (made.source_ip, made.source_port) == ("10.0.0.1", 40_000)
    assert (made.destination_ip, made.destination_port, made.transport) == ("198.51.100.7", 443, "tcp")
    assert (made.delta_source_bytes, made.delta_source_packets) == (150_000, 100)
    assert (made.total_source_bytes, made.total_source_packets) == (150_000, 100)
    assert (made.delta_destination_bytes, made.sampling_rate, made.tcp_flags_source) == (0, 100, SYN)
    assert (made.start, made.end, made.time, made.record) == (NOW, NOW, NOW, "final")
    assert (made.exporter_ip, made.input_interface, made.output_interface) == (AGENT, 3, 7)
    assert (made.source_mac, made.destination_mac) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert made.community_id == CommunityID().calc(FlowTuple(6, "10.0.0.1", "198.51.100.7", 40_000, 443))


def test_packets_of_all_kinds():
    tagged = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp_header(1, 2)), 0x0800, (0x8100, 42))
    bare = ipv4("10.0.0.3", "10.0.0.4", 6, tcp_header(3, 4))
    switch = part(1001, struct.pack(">IIII", 77, 0, 77, 0))
    sink = take(
        datagram(
            flow_sample(raw_packet(tagged)),
            flow_sample(switch, raw_packet(udp("2001:db8::1", "2001:db8::2", 53, 5353))),
            expanded_flow_sample(raw_packet(bare, protocol=11), interfaces=(0, 3, 2, 9)),
            agent="2001:db8::99",
        )
    )
    assert [(each.source_ip, each.source_port, each.vlan_id) for each in sink.flows] == [
        ("10.0.0.1", 1, 42),
        ("2001:db8::1", 53, 77),
        ("10.0.0.3", 3, 0),
    ]
    assert [(each.input_interface, each.output_interface) for each in sink.flows] == [(3, 7), (3, 7), (3, 0)]
    assert {each.exporter_ip for each in sink.flows} == {"2001:db8::99"}


def test_packets_of_which_the_fields_were_sent():
    fourth = struct.pack(">II", 600, 17) + ip_address("10.0.0.1").packed + ip_address("10.0.0.2").packed
    sixth = struct.pack(">II", 700, 6) + ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed
    records = part(3, fourth + struct.pack(">IIII", 53, 5353, 0, 0)), part(4, sixth + struct.pack(">IIII", 1, 2, 2, 0))
    made = take(datagram(*(flow_sample(record) for record in records))).flows
    assert [(each.transport, each.source_port, each.total_bytes, each.tcp_flags_source) for each in made] == [
        ("udp", 53, 60_000, 0),
        ("tcp", 1, 70_000, 2),
    ]
    for each in made:
        ends = (each.source_ip, each.destination_ip, each.source_port, each.destination_port)
        assert each.community_id == CommunityID().calc(FlowTuple(each.protocol_number, *ends))


@pytest.mark.parametrize("expanded", [False, True])
def test_readings_of_counters(expanded):
    sink = take(datagram(counter_sample(interface_record(), expanded=expanded)))
    (sample,) = (each for each in sink.samples if each.group == "sFlow Interfaces")
    assert sample.key == f"{AGENT}/5"
    assert sample.meters == {
        "speed": 1_000_000_000, "status": 3, "in_bytes": 5_000_000_000, "in_packets": 10, "in_multicasts": 20,
        "in_discards": 1, "in_errors": 0, "out_bytes": 700, "out_packets": 30, "out_multicasts": 40,
        "out_broadcasts": 50, "out_discards": 2, "out_errors": 3,
    }  # fmt: skip
    assert sample.kinds["in_bytes"] == "delta_rate"
    assert sample.kinds["status"] == "gauge"
    assert sink.counts["counters"] == 1


def test_what_is_of_no_flow_is_ignored_by_its_reason():
    packet = raw_packet(tcp("10.0.0.1", "10.0.0.2", 1, 2))
    sink = take(
        datagram(
            flow_sample(raw_packet(ethernet(b"\0" * 40, 0x0806))),
            flow_sample(raw_packet(b"x" * 20, protocol=3)),
            flow_sample(part(1, struct.pack(">IIII", 1, 64, 4, 900) + b"x" * 20)),
            flow_sample(),
            flow_sample(packet, rate=1 << 31),
            part(7, b"unknown sample."),
            counter_sample(part(2, b"x" * 52)),
            flow_sample(packet),
        )
    )
    assert sink.family("ignored.") == {
        "arp": 1, "link-type": 1, "malformed": 1, "no-packet": 1, "counters": 1, "sample": 1, "counter-record": 1,
    }  # fmt: skip
    assert len(sink.flows) == sink.counts["flows"] == 1


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("length", b""),
        ("version", struct.pack(">II", 4, 1) + bytes(40)),
        ("agent", struct.pack(">II", 5, 3) + bytes(40)),
        ("length", struct.pack(">II", 5, 1) + bytes(10)),
        ("samples", datagram(count=1)),
        ("samples", datagram(count=0xFFFFFFFF)),
        ("sample-length", datagram(struct.pack(">II", 1, 4000))),
        ("sample-length", datagram(part(1, b"x" * 8))),
        ("sample-length", datagram(b"\0\0\0\1")),
        ("record-length", datagram(part(2, struct.pack(">III", 1, 3, 2)))),
        ("record-length", datagram(part(2, struct.pack(">IIIII", 1, 3, 1, 1, 5000)))),
        ("records", datagram(part(2, struct.pack(">III", 1, 3, 0xFFFFFFFF)))),
    ],
)
def test_what_lies_is_rejected(reason, content):
    right = datagram(flow_sample(raw_packet(tcp("10.0.0.1", "10.0.0.2", 1, 2))), sequence=2)
    sink = take(content, right)
    assert sink.family("rejected.") == {reason: 1}
    assert len(sink.flows) == 1
    assert [letter.topic for letter in sink.letters] == ["sflow"]


def test_what_did_not_come():
    sample = raw_packet(tcp("10.0.0.1", "10.0.0.2", 1, 2))
    sink = take(datagram(flow_sample(sample, drops=5), sequence=1), datagram(flow_sample(sample, drops=9), sequence=4))
    assert (sink.counts["sequence.gap"], sink.counts["missing"], sink.counts["drops"]) == (1, 2, 4)
    (sums,) = sink.samples
    assert (sums.group, sums.key) == ("Flow Exporters", AGENT)
    assert sums.meters == {"datagrams": 2, "flows": 2, "gap": 1, "missing": 2, "drops": 4}


def test_agents_are_bounded():
    datagrams = [datagram(counter_sample(), agent=f"10.0.{number}.1") for number in range(200)]
    sink = take(*datagrams, exporters=50)
    assert sink.counts["evicted.exporters"] == 150
    assert len({sample.key for sample in sink.samples}) == 51
    assert sum(sample.meters["datagrams"] for sample in sink.samples) == 200


REAL = [
    datagram(flow_sample(raw_packet(tcp("10.0.0.1", "10.0.0.2", 1, 2))), counter_sample(interface_record())),
    datagram(expanded_flow_sample(raw_packet(udp("2001:db8::1", "2001:db8::2", 53, 5353))), agent="2001:db8::9"),
]


def test_mutated_datagrams():
    source = random.Random(1)
    for _ in range(1500):
        take(*(mutated(source, REAL) for _ in range(3)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes(content, samples):
    take(content, datagram(content, count=samples))
