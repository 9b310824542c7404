"""Records of NetFlow v5, v9 and IPFIX, and the flows that come of them."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from communityid import CommunityID, FlowTuple

from capture.netflow.sequence import Sequence, Step
from tests.unit.capture_netflow.made import (
    EXPORTER,
    FLOW_FIELDS,
    FLOWS_OF_9,
    NOW,
    SECONDS,
    a_set,
    flow,
    ipfix,
    options_9,
    options_ipfix,
    record_5,
    take,
    template,
    version_5,
    version_9,
)

REVERSE = 29305 << 16
NTOP = 35632 << 16
VARIABLE = 0xFFFF


def test_a_flow_of_version_9():
    (made,) = take(FLOWS_OF_9).flows
    assert (made.source_ip, made.source_port) == ("10.0.0.1", 40_000)
    assert (made.destination_ip, made.destination_port) == ("198.51.100.7", 443)
    assert (made.transport, made.protocol_number, made.ip_version) == ("tcp", 6, 4)
    assert (made.delta_source_bytes, made.total_source_bytes, made.delta_destination_bytes) == (1500, 1500, 0)
    assert (made.delta_source_packets, made.total_source_packets) == (3, 3)
    assert (made.start, made.end, made.time) == (NOW - 5_000_000, NOW - 1_000_000, NOW - 1_000_000)
    assert (made.tcp_flags_source, made.state, made.record, made.sequence) == (0x1B, "closing", "final", 0)
    assert (made.exporter_ip, made.input_interface, made.output_interface) == (EXPORTER, 3, 7)
    assert made.sampling_rate == 1


def test_a_flow_of_version_5():
    sink = take(version_5(record_5(), record_5(octets=2000)))
    first, second = sink.flows
    assert (first.source_ip, first.destination_port, first.delta_source_bytes) == ("10.0.0.1", 443, 1500)
    assert (first.start, first.end) == (NOW - 5_000_000, NOW - 1_000_000)
    assert second.delta_source_bytes == 2000
    assert first.id != second.id
    assert first.community_id == second.community_id


def test_a_flow_of_ipfix_with_all_kinds_of_fields():
    """Fields of an enterprise, of variable length, of reduced size (RFC 7011, 6.2), and of the other direction."""
    fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 2), (1, 3), (2, 5), (152, 8), (153, 8), (136, 1)]
    fields += [(REVERSE | 1, 8), (REVERSE | 2, 2), (REVERSE | 6, 1), (NTOP | 119, VARIABLE), (82, VARIABLE), (58, 2)]
    fields += [(56, 6), (80, 6)]
    ends = ip_address("10.0.0.1").packed + ip_address("198.51.100.7").packed
    fixed = ends + struct.pack(">HHBH", 40_000, 443, 6, 0x13) + (70_000).to_bytes(3, "big") + (5).to_bytes(5, "big")
    fixed += struct.pack(">QQB", (SECONDS - 9) * 1000, (SECONDS - 2) * 1000, 3) + struct.pack(">QHB", 9000, 8, 0x11)
    macs = bytes.fromhex("02005e005301") + bytes.fromhex("02005e005302")
    names = (b"\x08TLS.Tor\0" + b"\xff\x01\x2c" + b"x" * 300, b"\x03DNS" + b"\x00")
    records = b"".join(fixed + name + struct.pack(">H", 7) + macs for name in names)
    sink = take(ipfix(a_set(2, template(300, fields)), a_set(300, records)))
    first, second = sink.flows
    assert (first.application, second.application) == ("TLS.Tor", "DNS")
    for made in (first, second):
        assert (made.delta_source_bytes, made.delta_source_packets) == (70_000, 5)
        assert (made.delta_destination_bytes, made.delta_destination_packets) == (9000, 8)
        assert (made.tcp_flags_source, made.tcp_flags_destination, made.state) == (0x13, 0x11, "closed")
        assert (made.start, made.end) == (NOW - 9_000_000, NOW - 2_000_000)
        assert (made.vlan_id, made.end_reason) == (7, "end")
        assert (made.source_mac, made.destination_mac) == ("02:00:5e:00:53:01", "02:00:5e:00:53:02")
    assert not sink.family("rejected.")


@pytest.mark.parametrize(
    ("source", "destination", "protocol", "ports"),
    [
        ("10.0.0.1", "198.51.100.7", 6, (40_000, 443)),
        ("198.51.100.7", "10.0.0.1", 6, (443, 40_000)),
        ("10.0.0.1", "10.0.0.1", 17, (7, 5)),
        ("2001:db8::1", "2001:db8::2", 17, (53, 5353)),
        ("2001:db8::2", "2001:db8::1", 132, (1, 2)),
        ("2001:db8::1:0:0:1", "2001:db8::", 6, (1, 2)),
        ("10.0.0.1", "198.51.100.7", 47, (0, 0)),
        ("10.0.0.1", "198.51.100.7", 1, (8, 0)),
        ("10.0.0.1", "198.51.100.7", 1, (3, 1)),
        ("2001:db8::1", "2001:db8::2", 58, (128, 0)),
    ],
)
def test_the_community_id_is_everybodys(source, destination, protocol, ports):
    version = ip_address(source).version
    elements = {4: (8, 12), 6: (27, 28)}[version]
    width = 4 if version == 4 else 16
    fields = [(elements[0], width), (elements[1], width), (4, 1), (7, 2), (11, 2), (1, 4)]
    record_ports = (0, ports[0] << 8 | ports[1]) if protocol in {1, 58} else ports
    record = ip_address(source).packed + ip_address(destination).packed
    record += struct.pack(">BHHI", protocol, *record_ports, 99)
    (made,) = take(version_9(a_set(0, template(256, fields)), a_set(256, record))).flows
    wanted = CommunityID().calc(FlowTuple(protocol, source, destination, *(() if protocol == 47 else ports)))
    assert made.community_id == wanted
    assert (made.source_ip, made.destination_ip, made.ip_version) == (source, destination, version)
    assert (made.source_port, made.destination_port) == (ports if protocol in {6, 17, 132} else (0, 0))


def test_icmp_by_its_own_fields():
    fields = [(8, 4), (12, 4), (4, 1), (176, 1), (177, 1), (1, 4)]
    record = flow()[:8] + struct.pack(">BBBI", 1, 8, 0, 99)
    (made,) = take(ipfix(a_set(2, template(256, fields)), a_set(256, record))).flows
    assert made.community_id == CommunityID().calc(FlowTuple(1, "10.0.0.1", "198.51.100.7", 8, 0))


def test_a_template_with_both_kinds_of_addresses():
    fields = [(8, 4), (12, 4), (27, 16), (28, 16), (1, 4)]
    sixth = bytes(8) + ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed + struct.pack(">I", 60)
    fourth = flow()[:8] + bytes(32) + struct.pack(">I", 40)
    made = take(version_9(a_set(0, template(256, fields)), a_set(256, sixth + fourth))).flows
    assert sorted((each.ip_version, each.source_ip, each.delta_source_bytes) for each in made) == [
        (4, "10.0.0.1", 40),
        (6, "2001:db8::1", 60),
    ]


def of_times(*fields: tuple[int, int, int], ipfix_boot: int = 0) -> tuple[int, int]:
    """Start and end of a flow with these time fields, before now in milliseconds."""
    elements = [(8, 4), (12, 4), (1, 4), *((element, length) for element, length, _ in fields)]
    record = flow()[:8] + struct.pack(">I", 1) + b"".join(value.to_bytes(size, "big") for _, size, value in fields)
    sets = [a_set(2, template(256, elements)), a_set(256, record)]
    if ipfix_boot:
        sets = [options_ipfix(257, [(149, 4)], [(160, 8)]), a_set(257, struct.pack(">IQ", 1, ipfix_boot)), *sets]
    (made,) = take(ipfix(*sets)).flows
    return (NOW - made.start) // 1000, (NOW - made.end) // 1000


def test_times_in_every_unit():
    ntp = (SECONDS + 2_208_988_800) << 32
    half = 1 << 31
    now = SECONDS * 1000
    assert of_times((150, 4, SECONDS - 9), (151, 4, SECONDS - 4)) == (9000, 4000)
    assert of_times((152, 8, now - 9000), (153, 8, now - 4001)) == (9000, 4001)
    assert of_times((154, 8, ntp - (9 << 32) + half), (155, 8, ntp - (4 << 32))) == (8500, 4000)
    assert of_times((156, 8, ntp - (9 << 32) + half), (157, 8, ntp - (4 << 32))) == (8500, 4000)
    assert of_times((158, 4, 9_000_000), (159, 4, 4_000_000)) == (9000, 4000)
    assert of_times((152, 8, now - 9000), (161, 4, 5000)) == (9000, 4000)
    assert of_times((153, 8, now - 4000), (162, 4, 5_000_000)) == (9000, 4000)
    assert of_times((22, 4, 1000), (21, 4, 6000), (160, 8, now - 10_000)) == (9000, 4000)
    assert of_times((22, 4, 1000), (21, 4, 6000), ipfix_boot=now - 10_000) == (9000, 4000)
    # Where nobody says when the exporter began the length is right, and the end that of the export.
    assert of_times((22, 4, 1000), (21, 4, 6000)) == (5000, 0)
    assert of_times() == (0, 0)


def test_an_uptime_that_has_wrapped():
    record = flow(first=(1 << 32) - 1000, last=500)
    datagram = version_9(a_set(0, template(256, FLOW_FIELDS)), a_set(256, record), uptime=2000)
    (made,) = take(datagram).flows
    assert (made.start, made.end) == (NOW - 3_000_000, NOW - 1_500_000)


def test_a_time_that_cannot_be_is_not_believed():
    datagram = version_9(a_set(0, template(256, FLOW_FIELDS)), a_set(256, flow()), seconds=SECONDS + 10_000)
    sink = take(datagram)
    (made,) = sink.flows
    assert (made.start, made.end) == (NOW - 4_000_000, NOW)
    assert sink.counts["time-not-believed"] == 1


def test_ends_by_the_exporters_reasons():
    fields = [(8, 4), (12, 4), (4, 1), (1, 4), (136, 1)]
    records = b"".join(flow()[:8] + struct.pack(">BIB", 6, 1, reason) for reason in range(7))
    made = take(ipfix(a_set(2, template(256, fields)), a_set(256, records))).flows
    assert [each.end_reason for each in made] == ["", "idle", "active", "end", "forced", "resources", ""]


def test_records_that_are_of_no_flow_are_ignored_by_their_reason():
    events = [(8, 4), (12, 4), (233, 1)]
    counters_alone = [(1, 4), (2, 4)]
    absurd = [(8, 4), (12, 4), (1, 8)]
    sink = take(
        version_9(
            a_set(0, template(256, events) + template(257, counters_alone) + template(258, absurd)),
            a_set(256, flow()[:8] + b"\1"),
            a_set(257, bytes(16)),
            a_set(258, flow()[:8] + b"\xff" * 8 + flow()[:8] + struct.pack(">Q", 5)),
        )
    )
    assert sink.family("ignored.") == {"no-counters": 1, "no-addresses": 2, "counters": 1}
    assert [each.delta_source_bytes for each in sink.flows] == [5]


def test_both_directions_of_a_firewalls_record():
    """Cisco's NSEL: initiator and responder."""
    fields = [(8, 4), (12, 4), (4, 1), (231, 4), (232, 4), (298, 4), (299, 4)]
    record = flow()[:8] + struct.pack(">BIIII", 6, 100, 900, 2, 3)
    (made,) = take(version_9(a_set(0, template(256, fields)), a_set(256, record))).flows
    assert (made.delta_source_bytes, made.delta_destination_bytes) == (100, 900)
    assert (made.delta_source_packets, made.delta_destination_packets) == (2, 3)


def rate_of(*sets: bytes, more: tuple[int, int, int] | None = None, last: bytes = b"") -> tuple[int, int, int]:
    """Sampling rate, bytes and packets of a flow after these sets."""
    fields = [*FLOW_FIELDS] + ([more[:2]] if more else [])
    record = flow() + (more[2].to_bytes(more[1], "big") if more else b"")
    (made,) = take(version_9(*sets, a_set(0, template(256, fields)), a_set(256, record), last)).flows
    return made.sampling_rate, made.delta_source_bytes, made.delta_source_packets


def test_sampling_rates():
    assert rate_of() == (1, 1500, 3)
    everywhere = options_9(300, [(1, 4)], [(34, 4), (35, 1)]) + a_set(300, struct.pack(">IIB", 0, 100, 1))
    assert rate_of(everywhere) == (100, 150_000, 300)
    samplers = options_9(301, [(1, 4)], [(48, 1), (50, 4)])
    samplers += a_set(301, struct.pack(">IBIIBI", 0, 1, 10, 0, 2, 20))
    assert rate_of(samplers, more=(48, 1, 2)) == (20, 30_000, 60)
    assert rate_of(samplers, more=(48, 1, 9)) == (1, 1500, 3)
    assert rate_of(everywhere, samplers, more=(48, 1, 9)) == (100, 150_000, 300)
    interfaces = options_9(302, [(2, 4)], [(34, 4)]) + a_set(302, struct.pack(">IIII", 3, 7, 5, 9))
    assert rate_of(interfaces) == (7, 10_500, 21)
    # What a record says itself is worth most.
    assert rate_of(everywhere, more=(34, 4, 5)) == (5, 7500, 15)
    only = options_9(301, [(1, 4)], [(48, 1), (50, 4)]) + a_set(301, struct.pack(">IBI", 0, 1, 10))
    assert rate_of(only) == (10, 15_000, 30)


def test_a_rate_holds_from_when_it_came():
    options = options_9(300, [(1, 4)], [(34, 4)])
    flows = a_set(256, flow())
    first, second = (a_set(300, struct.pack(">II", 0, rate)) for rate in (10, 20))
    head = a_set(0, template(256, FLOW_FIELDS))
    sink = take(version_9(options, head, flows, first, flows, second, flows))
    assert [each.sampling_rate for each in sink.flows] == [1, 10, 20]


def test_sampling_of_ipfix_and_of_version_5():
    fields = a_set(2, template(256, [(8, 4), (12, 4), (1, 4), (302, 8)]))
    record = a_set(256, flow()[:8] + struct.pack(">IQ", 10, 5))
    spaced = options_ipfix(301, [(302, 8)], [(305, 4), (306, 4)]) + a_set(301, struct.pack(">QII", 5, 1, 99))
    chosen = options_ipfix(301, [(302, 8)], [(305, 4), (309, 4), (310, 4)])
    chosen += a_set(301, struct.pack(">QIII", 5, 1, 1, 256))
    assert [each.sampling_rate for each in take(ipfix(fields, spaced, record)).flows] == [100]
    assert [each.sampling_rate for each in take(ipfix(fields, chosen, record)).flows] == [256]
    (made,) = take(version_5(record_5(), sampling=1 << 14 | 50)).flows
    assert (made.sampling_rate, made.delta_source_bytes, made.delta_source_packets) == (50, 75_000, 150)


def test_names_of_applications():
    options = options_9(300, [(1, 4)], [(95, 4), (96, 24)])
    names = [(b"\x0d\x00\x00\x01", b"secure-http"), (b"\x0d\x00\x00\x02", b"dns"), (b"\x0d\x00\x00\x03", b"unknown")]
    table = a_set(300, b"".join(bytes(4) + key + name.ljust(24, b"\0") for key, name in names))
    fields = [(8, 4), (12, 4), (1, 4), (95, 4)]
    keys = [key for key, _ in names] + [b"\x0d\x00\x00\x09"]
    records = a_set(256, b"".join(flow()[:8] + bytes(4) + key for key in keys))
    sink = take(version_9(options, table, a_set(0, template(256, fields)), records))
    assert [each.application for each in sink.flows] == ["TLS", "DNS", "", ""]


def test_sequence_numbers():
    numbers = Sequence()
    assert [numbers.follow(*each) for each in ((5, 1), (6, 1), (9, 1), (8, 1), (10, 1))] == [
        Step(),
        Step(),
        Step("gap", 2),
        Step("reordered"),
        Step(),
    ]
    assert numbers.follow(0, 1) == Step("restart")
    assert numbers.follow(1 << 31, 1) == Step("restart")
    assert numbers.follow((1 << 32) - 1, 3) == Step("restart")
    assert numbers.follow(2, None) == Step()
    assert numbers.follow(77, 1) == Step()


def test_gaps_are_counted_by_exporter():
    datagrams = [version_9(sequence=1), version_9(sequence=4), version_9(sequence=2, source=2)]
    datagrams += [ipfix(a_set(2, template(256, FLOW_FIELDS)), a_set(256, flow() * 2), sequence=10)]
    datagrams += [ipfix(sequence=12), ipfix(sequence=15), version_5(record_5(), sequence=1), version_5(sequence=9)]
    sink = take(*datagrams)
    assert sink.counts["sequence.gap"] == 3
    assert sink.counts["missing"] == 2 + 3 + 7
    (sample,) = (each for each in sink.samples if each.key == EXPORTER)
    assert sample.group == "Flow Exporters"
    assert sample.meters == {"datagrams": 8, "flows": 3, "gap": 3, "missing": 12}


def test_the_same_datagrams_make_the_same_records():
    datagrams = [FLOWS_OF_9, version_5(record_5()), version_9(a_set(256, flow(octets=7)), sequence=1)]
    assert take(*datagrams).put_all == take(*datagrams).put_all
