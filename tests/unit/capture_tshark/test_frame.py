"""Which flow a frame belongs to: the one the flow engine sees."""

from __future__ import annotations

import struct

import pytest

from capture.settings import CaptureSettings
from capture.tshark.frame import Unusable, conversation_of, microseconds
from tests.unit.capture.sinks import flows_of
from tests.unit.capture.wire import Frame, ethernet, ip, ipv4, ipv6, udp, udp_header
from tests.unit.capture_tshark.conversations import CLIENT, SERVER, START, dns_query, see

INNER4 = ipv4("172.16.0.1", "172.16.0.2", 17, udp_header(50000, 53, dns_query("inner.example")))
INNER6 = ipv6("2001:db8::1", "2001:db8::2", 17, udp_header(50000, 53, dns_query("inner.example")))
GTP = struct.pack("!BBHI", 0x30, 0xFF, len(INNER4), 1) + INNER4
VXLAN = struct.pack("!II", 0x08000000, 0x100) + ethernet(INNER4)
GRE = struct.pack("!HH", 0, 0x0800) + INNER4
TAGGED = ethernet(INNER4, 0x0800, (0x8100, 9))
ERSPAN = struct.pack("!HHIHHI", 0x1000, 0x88BE, 7, 1 << 12, 100, 0) + TAGGED
TEREDO = ipv6("2001:0:4137:9e76::1", "2001:db8::2", 17, udp_header(50000, 53, dns_query("inner.example")))


@pytest.mark.parametrize(
    ("frame", "transport", "vlan"),
    [
        pytest.param(ethernet(INNER4), "udp", 0, id="plain"),
        pytest.param(ethernet(INNER6, 0x86DD), "udp", 0, id="ipv6"),
        pytest.param(ethernet(INNER4, 0x0800, (0x88A8, 100), (0x8100, 30)), "udp", 30, id="two tags"),
        pytest.param(ip(CLIENT, SERVER, 4, INNER4), "udp", 0, id="ip in ip"),
        pytest.param(ip(CLIENT, SERVER, 41, INNER6), "udp", 0, id="6in4"),
        pytest.param(udp(CLIENT, SERVER, 2152, 2152, GTP), "udp", 0, id="gtp-u"),
        pytest.param(udp(CLIENT, SERVER, 33000, 4789, VXLAN), "udp", 0, id="vxlan"),
        pytest.param(ip(CLIENT, SERVER, 47, GRE), "udp", 0, id="gre"),
        pytest.param(ip(CLIENT, SERVER, 47, ERSPAN), "udp", 9, id="erspan"),
        pytest.param(udp(CLIENT, SERVER, 33000, 4789, VXLAN[:8] + TAGGED), "udp", 9, id="vxlan, tagged inside"),
        pytest.param(udp(CLIENT, SERVER, 33000, 3544, TEREDO), "udp", 0, id="teredo"),
        pytest.param(ip(CLIENT, SERVER, 47, GRE[:4] + ipv4(CLIENT, SERVER, 47, GRE)), "udp", 0, id="gre in gre"),
    ],
)
def test_records_belong_to_the_flow_that_the_flow_engine_reports(tmp_path, frame, transport, vlan):
    frames = [Frame(START, frame)]
    (flow,) = flows_of(tmp_path / "flows.pcap", frames, CaptureSettings()).flows

    (record,) = see(tmp_path / "x.pcap", frames).resources("dns")

    assert record.dns.query_name == "inner.example"
    assert record.community_id == flow.community_id
    assert (record.source_ip, record.source_port) == (flow.source_ip, flow.source_port)
    assert (record.destination_ip, record.destination_port) == (flow.destination_ip, flow.destination_port)
    assert record.transport == flow.transport == transport
    assert record.protocol_number == flow.protocol_number
    assert record.vlan_id == flow.vlan_id == vlan


@pytest.mark.parametrize(
    ("frame", "transport"),
    [
        pytest.param(ip(CLIENT, SERVER, 4, INNER4), "ipv4", id="ip in ip"),
        pytest.param(ip(CLIENT, SERVER, 41, INNER6), "ipv6", id="6in4"),
        pytest.param(ip(CLIENT, SERVER, 47, ERSPAN), "gre", id="erspan"),
        pytest.param(udp(CLIENT, SERVER, 33000, 4789, VXLAN[:8] + TAGGED), "udp", id="vxlan"),
    ],
)
def test_of_tunnels_the_flow_outside_may_be_the_one(tmp_path, frame, transport):
    frames, settings = [Frame(START, frame)], CaptureSettings(tunnels="outer")
    (flow,) = flows_of(tmp_path / "flows.pcap", frames, settings).flows

    (record,) = see(tmp_path / "x.pcap", frames, settings).resources("dns")

    assert record.dns.query_name == "inner.example"
    assert (record.source_ip, record.destination_ip) == (flow.source_ip, flow.destination_ip) == (CLIENT, SERVER)
    assert (record.community_id, record.vlan_id) == (flow.community_id, flow.vlan_id)
    assert record.transport == flow.transport == transport


@pytest.mark.parametrize(
    ("protocols", "reason"),
    [
        ("eth:ethertype:ip:icmp:ip:udp:dns", "quoted-by-icmp"),
        ("eth:ethertype:ip:udp:sflow:eth:ethertype:ip:udp:dns", "sampled-by-sflow"),
        ("eth:llc:stp", "not-ip"),
        ("eth:ethertype:ip:pim", "transport"),
        ("eth:ethertype:ip:udp:dns", "addresses"),
    ],
)
def test_frames_without_a_flow_say_why(protocols, reason):
    with pytest.raises(Unusable, match=reason):
        conversation_of({"frame_protocols": [protocols]})


@pytest.mark.parametrize(
    ("text", "time"),
    [("1700000040.123456789", 1_700_000_040_123_456), ("0.000001000", 1), ("12", 12_000_000), ("1.5", 1_500_000)],
)
def test_times_lose_nothing(text, time):
    assert microseconds(text) == time
