"""Flows of goflow2 and nProbe, as they stand in messages of Kafka."""

from __future__ import annotations

import json
from typing import Any

import pytest
from communityid import CommunityID, FlowTuple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.collectors import messages
from capture.collectors.intake import CollectorIntake
from capture.open import open_capture
from capture.settings import CaptureSettings, FlowExportSettings
from capture.source import observe_live
from tests.unit.capture_netflow.made import NOW, SECONDS, Taken
from topics.codec import decode, encode
from topics.errors import TaplineError

GOFLOW2 = {
    "type": "NETFLOW_V9", "time_received_ns": NOW * 1000, "sequence_num": 7, "sampling_rate": 10,
    "sampler_address": "192.0.2.1", "time_flow_start_ns": (NOW - 5_000_000) * 1000,
    "time_flow_end_ns": (NOW - 1_000_000) * 1000, "bytes": 1500, "packets": 3, "src_addr": "10.0.0.1",
    "dst_addr": "198.51.100.7", "etype": "IPv4", "proto": "TCP", "src_port": 40_000, "dst_port": 443, "in_if": 3,
    "out_if": 7, "src_mac": "02:00:5E:00:53:01", "dst_mac": "00:00:00:00:00:00", "src_vlan": 0, "vlan_id": 42,
    "tcp_flags": 27, "icmp_type": 0, "icmp_code": 0, "as_path": [], "layer_stack": [],
}  # fmt: skip
NPROBE = {
    "IPV4_SRC_ADDR": "10.0.0.1", "IPV4_DST_ADDR": "198.51.100.7", "IPV6_SRC_ADDR": "::", "IPV6_DST_ADDR": "::",
    "L4_SRC_PORT": 40_000, "L4_DST_PORT": 443, "PROTOCOL": 6, "IN_BYTES": 1500, "IN_PKTS": 3, "OUT_BYTES": 9000,
    "OUT_PKTS": 8, "FIRST_SWITCHED": SECONDS - 5, "LAST_SWITCHED": SECONDS - 1, "TCP_FLAGS": 27, "INPUT_SNMP": 3,
    "OUTPUT_SNMP": 7, "L7_PROTO": "91", "L7_PROTO_NAME": "TLS.Google", "EXPORTER_IPV4_ADDRESS": "192.0.2.1",
}  # fmt: skip


def take(*values: Any, first: int = 0) -> Taken:
    """What becomes of messages, which are bytes or what JSON is to be written of."""
    sink = Taken()
    observation = observe_live("node", "netflow:kafka:flows", NOW)
    intake = CollectorIntake(observation, FlowExportSettings(), sink, "flows", NOW)
    for offset, value in enumerate(values):
        intake.take(value if isinstance(value, bytes | None) else json.dumps(value).encode(), 2, first + offset)
    intake.finish()
    for topic, _, record, window in sink.put_all:
        assert decode(topic.record, encode([record])) == [record]
        assert window <= NOW // 1_000_000
    return sink


def test_a_flow_of_goflow2():
    (made,) = take(GOFLOW2).flows
    assert (made.source_ip, made.source_port, made.transport) == ("10.0.0.1", 40_000, "tcp")
    assert (made.destination_ip, made.destination_port, made.vlan_id) == ("198.51.100.7", 443, 42)
    assert (made.start, made.end) == (NOW - 5_000_000, NOW - 1_000_000)
    assert (made.sampling_rate, made.delta_source_bytes, made.delta_source_packets) == (10, 15_000, 30)
    assert (made.exporter_ip, made.input_interface, made.output_interface) == ("192.0.2.1", 3, 7)
    assert (made.source_mac, made.destination_mac) == ("02:00:5e:00:53:01", "")
    assert (made.tcp_flags_source, made.state) == (27, "closing")
    assert made.community_id == CommunityID().calc(FlowTuple(6, "10.0.0.1", "198.51.100.7", 40_000, 443))


@pytest.mark.parametrize(
    ("proto", "number", "transport"),
    [("UDP", 17, "udp"), ("ICMP", 1, "icmp"), ("IPv6-ICMP", 58, "ipv6-icmp"), (47, 47, "gre"), ("250", 250, None)],
)
def test_protocols_of_goflow2(proto, number, transport):
    (made,) = take(GOFLOW2 | {"proto": proto, "icmp_type": 8}).flows
    assert (made.protocol_number, made.transport) == (number, transport or "protocol-250")
    assert made.tcp_flags_source == 0


def test_a_flow_of_nprobe_by_names_and_by_numbers():
    numbers = {
        "8": "10.0.0.1", "12": "198.51.100.7", "7": 40_000, "11": "443", "4": 6, "1": 1500, "2": 3, "23": 9000, "24": 8,
        "22": SECONDS - 5, "21": SECONDS - 1, "6": 27, "10": 3, "14": 7, "130": "192.0.2.1", "57591": "TLS.Google",
    }  # fmt: skip
    named, numbered = take([NPROBE], numbers).flows
    assert (named.delta_source_bytes, named.delta_destination_bytes) == (1500, 9000)
    assert (named.delta_source_packets, named.delta_destination_packets) == (3, 8)
    assert (named.start, named.end) == ((SECONDS - 5) * 1_000_000, (SECONDS - 1) * 1_000_000)
    assert (named.application, named.exporter_ip, named.sampling_rate) == ("TLS.Google", "192.0.2.1", 1)
    assert decode(type(named), encode([numbered]).replace(numbered.id.encode(), named.id.encode())) == [named]


def test_an_ipv6_flow_of_nprobe():
    flow = NPROBE | {"IPV4_SRC_ADDR": "0.0.0.0", "IPV4_DST_ADDR": "0.0.0.0", "IPV6_SRC_ADDR": "2001:db8::1"}
    (made,) = take(flow | {"IPV6_DST_ADDR": "2001:db8::2"}).flows
    assert (made.source_ip, made.destination_ip, made.ip_version) == ("2001:db8::1", "2001:db8::2", 6)


def test_records_are_named_after_their_place_in_kafka():
    again, other = take(GOFLOW2, [NPROBE, NPROBE]), take(GOFLOW2, first=1)
    assert [flow.id for flow in take(GOFLOW2, [NPROBE, NPROBE]).flows] == [flow.id for flow in again.flows]
    assert len({flow.id for flow in again.flows}) == 3
    assert other.flows[0].id != again.flows[0].id


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("json", b"{"),
        ("json", b"\xff"),
        ("json", None),
        ("json-type", 5),
        ("json-type", ["text"]),
        ("json-type", GOFLOW2 | {"bytes": "many"}),
        ("json-type", GOFLOW2 | {"src_port": 65_536}),
        ("json-type", GOFLOW2 | {"packets": -1}),
        ("json-type", NPROBE | {"PROTOCOL": 256}),
        ("json-type", NPROBE | {"IPV4_SRC_ADDR": 7}),
        ("json-fields", {"hello": "world"}),
        ("json-address", GOFLOW2 | {"src_addr": "somewhere"}),
        ("json-address", GOFLOW2 | {"src_addr": "2001:db8::1"}),
        ("counters", GOFLOW2 | {"bytes": (1 << 56) - 1}),
    ],
)
def test_what_cannot_be_used_is_rejected(reason, value):
    sink = take(value, GOFLOW2)
    assert sink.family("rejected.") == {reason: 1}
    assert len(sink.flows) == 1
    (letter,) = sink.letters
    assert letter.error.startswith("from flows/2/0: ")


def test_a_message_of_too_many_flows(monkeypatch):
    monkeypatch.setattr(messages, "MOST_FLOWS", 2)
    assert take([NPROBE] * 3).family("rejected.") == {"json-flows": 1}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from([*GOFLOW2, *NPROBE, "8", "27", "other"]), inner, max_size=8),
        ),
        max_leaves=20,
    ),
    st.sampled_from(sorted(GOFLOW2)),
)
def test_any_json(value, name):
    sink = take(value, GOFLOW2 | {name: value}, NPROBE | {"IN_BYTES": value})
    assert sink.counts["flows"] + sum(sink.family("rejected.").values()) >= 2


def test_names_that_are_no_source():
    with pytest.raises(TaplineError, match="netflow:kafka: names no topic"):
        open_capture("netflow:kafka:", CaptureSettings())
    with pytest.raises(TaplineError, match="use `tapline capture netflow:kafka:flows`"):
        open_capture("netflow:kafka:flows", CaptureSettings())
