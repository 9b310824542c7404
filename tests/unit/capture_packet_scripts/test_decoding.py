"""What tshark prints becomes packets of pyshark, with every value that it has printed."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyshark.packet.layers.ek_layer import EkLayer
from pyshark.packet.packet import Packet

from capture.packet_scripts.decoding import PacketReader
from capture.packet_scripts.program import needed_tshark
from capture.packet_scripts.relay import Printed
from capture.packet_scripts.source import PacketSource
from capture.settings import CaptureSettings
from capture.source import observe_file
from tests.unit.capture.sinks import KeepingSink, flows_of
from tests.unit.capture.wire import Frame, ethernet, icmp, ipv4, ipv6, pcap, tcp, udp
from tests.unit.capture_packet_scripts.made import START, KeepingScripts, needs_tshark

pytestmark = needs_tshark

OBSERVATION = observe_file("node", "made.pcap", "ab" * 32)


@pytest.fixture(scope="module")
def reader() -> PacketReader:
    return PacketReader(needed_tshark().path, OBSERVATION)


def line(layers: dict, *, protocols: str = "eth:ethertype:ip:udp:dns", time: str = "1700000040.123456789") -> bytes:
    frame = {
        "frame_frame_number": "7",
        "frame_frame_len": "80",
        "frame_frame_cap_len": "60",
        "frame_frame_time_epoch": time,
        "frame_frame_protocols": protocols,
    }
    return json.dumps({"timestamp": "1700000040123", "layers": {"frame": frame, **layers}}).encode()


def test_it_is_a_packet_of_pyshark(reader: PacketReader) -> None:
    read = reader.read("dns", line({"eth": {"eth_eth_src": "02:00:00:00:00:01"}, "dns": {"dns_dns_id": "0x1a2b"}}), 12)
    packet = read.packet
    assert type(packet) is Packet
    assert all(isinstance(layer, EkLayer) for layer in packet.layers)
    assert (packet.number, packet.length, packet.captured_length, len(packet)) == (12, 80, 60, 80)
    assert packet.highest_layer == "DNS"
    assert "dns" in packet
    assert packet.dns.id == 0x1A2B
    assert packet.eth.src == "02:00:00:00:00:01"
    assert packet.sniff_timestamp == "1700000040.123456789"
    assert read.time == 1_700_000_040_123_456
    with pytest.raises(AttributeError):
        _ = packet.dns.qry_name
    assert packet.dns.get("qry_name") is None


def test_a_field_is_its_value_also_where_another_begins_with_its_name(reader: PacketReader) -> None:
    fields = {"dns_dns_qry_name": "a.example", "dns_dns_qry_name_len": "9", "dns_dns_flags_response": False}
    packet = reader.read("dns", line({"dns": fields}), 1).packet
    assert packet.dns.qry_name == "a.example"
    assert packet.dns.qry_name_len == 9
    assert packet.dns.flags_response is False


def test_what_is_printed_several_times_is_all_there(reader: PacketReader) -> None:
    text = line({"ip": [{"ip_ip_src": "192.0.2.1"}, {"ip_ip_src": "10.0.0.1"}], "eth": {"eth_eth_addr": "a"}})
    text = text.replace(b'{"eth_eth_addr": "a"}', b'{"eth_eth_addr": "a", "eth_eth_addr": ["b", "c"]}')
    packet = reader.read("ip", text, 1).packet
    assert packet.eth.addr == ["a", "b", "c"]
    assert [layer.src for layer in packet.get_multiple_layers("ip")] == ["192.0.2.1", "10.0.0.1"]
    assert packet.ip.src == "192.0.2.1"


def test_a_field_without_a_value_is_true_and_layers_without_types_can_be_read(reader: PacketReader) -> None:
    packet = reader.read("tcp", line({"tcp": {"tcp_tcp_fin": None}, "own.layer": {"own_layer_x": "1"}}), 1).packet
    assert packet.tcp.fin is True
    assert packet["own.layer"].get("x") is None


@pytest.mark.parametrize(
    ("printed", "microseconds"),
    [
        ("1700000040.123456789", 1_700_000_040_123_456),
        ("2023-11-14T22:14:00.123456789Z", 1_700_000_040_123_456),
        ("2023-11-14T22:14:00Z", 1_700_000_040_000_000),
        ("-1.5", -1_500_000),
    ],
)
def test_times_of_every_version(reader: PacketReader, printed: str, microseconds: int) -> None:
    assert reader.read("dns", line({}, time=printed), 1).time == microseconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode()), st.dictionaries(st.text(), JSON)))
def test_what_is_no_packet_is_counted(reader: PacketReader, made) -> None:
    text = line(made) if isinstance(made, dict) else made
    counted: list[str] = []
    read = reader.read_all([Printed("frame", 1, text)], counted.append)
    assert len(read) + len(counted) == 1
    for each in read:
        each.ends()


def shown(path) -> list:
    """Every packet of a capture, as a source reads it."""
    scripts = KeepingScripts("frame")
    kept = []
    scripts.show = lambda packets: kept.extend(packets) or []  # type: ignore[method-assign]
    observation = observe_file("node", path.name, "cd" * 32)
    PacketSource(observation, str(path), CaptureSettings(), scripts).run(KeepingSink())
    return kept


QUOTED = ipv4("192.0.2.1", "203.0.113.9", 17, bytes(8))
PACKETS = {
    "an error of ICMP": ethernet(ipv4("192.0.2.254", "192.0.2.1", 1, b"\x03\x01\0\0\0\0\0\0" + QUOTED)),
    "udp": udp("192.0.2.1", "192.0.2.2", 5000, 53, b"x"),
    "tcp over VLANs": ethernet(tcp("192.0.2.1", "192.0.2.2", 5000, 80)[14:], 0x0800, (0x88A8, 5), (0x8100, 7)),
    "ping": icmp("192.0.2.1", "192.0.2.2", 8),
    "pong": icmp("192.0.2.2", "192.0.2.1", 0),
    "another protocol": ethernet(ipv4("192.0.2.1", "192.0.2.9", 112, bytes(20))),
    "IPv6": udp("2001:db8::1", "2001:db8::2", 5000, 53, b"x"),
    "a later fragment": ethernet(ipv4("192.0.2.1", "192.0.2.3", 17, bytes(16), identity=5, offset=800)),
    "IP in IP": ethernet(ipv4("198.51.100.1", "198.51.100.2", 4, udp("10.0.0.1", "10.0.0.2", 1, 2, b"x")[14:])),
    "GRE": ethernet(ipv4("198.51.100.1", "198.51.100.2", 47, b"\0\0\x08\0" + udp("10.0.0.1", "10.0.0.2", 1, 2)[14:])),
    "IPv6 in IPv4": ethernet(ipv4("198.51.100.1", "198.51.100.2", 41, ipv6("2001:db8::1", "2001:db8::2", 59, b""))),
}


def test_the_ends_are_those_of_the_flow(tmp_path) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap([Frame(START, packet) for packet in PACKETS.values()]))
    read = shown(path)
    assert len(read) == len(PACKETS)
    for (name, packet), each in zip(PACKETS.items(), read, strict=True):
        (flow,) = flows_of(tmp_path / "one.pcap", [Frame(START, packet)]).flows
        ends = each.ends()
        wanted = ("community_id", "transport", "protocol_number", "vlan_id", "node", "source_ip", "source_port")
        assert {field: getattr(ends, field) for field in wanted} == {field: getattr(flow, field) for field in wanted}, (
            name
        )
        assert (ends.destination_ip, ends.destination_port) == (flow.destination_ip, flow.destination_port)
        assert ends.time == START


def test_arp_has_its_addresses_and_what_is_not_ip_none(tmp_path) -> None:
    reply = bytes([0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1]) + ip_address("10.0.0.1").packed
    reply += bytes([2, 0, 0, 0, 0, 2]) + ip_address("10.0.0.2").packed
    path = tmp_path / "arp.pcap"
    path.write_bytes(pcap([Frame(START, ethernet(reply, 0x0806)), Frame(START, ethernet(bytes(46), 0x88B5))]))
    arp, other = (read.ends() for read in shown(path))
    assert (arp.source_ip, arp.destination_ip, arp.community_id) == ("10.0.0.1", "10.0.0.2", "")
    assert (other.source_ip, other.destination_ip, other.community_id) == ("", "", "")
    assert arp.id != other.id
