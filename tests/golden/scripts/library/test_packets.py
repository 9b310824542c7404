"""Packet scripts of the library, against what tshark says of the captures."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tapline.testing import Result, run
from tests.golden.scripts.library.places import library
from tests.golden.scripts.samples import needs_tshark, shared, tshark
from tests.unit.capture.wire import Frame, ethernet, pcap
from workers.settings import LOCAL_NETWORKS

pytestmark = needs_tshark

MISSING = "dns.flags.response == 1 && dns.flags.rcode == 3 && !mdns"
UNNAMED = "tls.handshake.type == 1 && !tls.handshake.extensions_server_name"
CLAIMS = "(arp.opcode == 2 || arp.isgratuitous) && arp.src.hw_mac && arp.src.proto_ipv4"
LOCAL = [ip_network(each) for each in LOCAL_NETWORKS]


def sums(told: Result, meter: str) -> dict[str, float]:
    found: Counter[str] = Counter()
    for each in told.counters:
        found[each.key] += each.meters[meter]
    return dict(found)


def is_local(address: str) -> bool:
    return any(ip_address(address) in network for network in LOCAL)


@pytest.mark.parametrize("name", ["scan-nmap-vsn.pcap", "badpackets.pcap"])
def test_names_that_do_not_exist_are_counted_by_who_asks(name: str) -> None:
    capture = shared(name)
    answers = tshark(capture, MISSING, "ip.dst", "ipv6.dst")
    told = run(library("nxdomain"), capture)
    assert not told.errors
    assert told.called("on_packet") == len(answers) > 0, "Python sees what tshark lets through"
    assert sums(told, "answers") == Counter((four or six).split(",")[0] for four, six in answers)


def test_many_names_that_do_not_exist_are_told_once_a_window() -> None:
    told = run(library("nxdomain"), shared("http-browsing-4k6.pcap"), params={"most": 1})
    assert told.alerts
    assert {alert.type for alert in told.alerts} == {"nxdomain"}
    places = [(alert.attributes["client"], alert.window) for alert in told.alerts]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", ["tls-expired-cert.pcap", "quic-v2-http3.pcap"])
def test_clients_that_name_no_server_are_told(name: str) -> None:
    capture = shared(name)
    hellos = tshark(capture, UNNAMED, "ip.src", "ipv6.src", "ip.dst", "ipv6.dst")
    told = run(library("no_server_name"), capture, params={"local": True})
    assert not told.errors
    assert told.called("on_packet") == len(hellos) > 0
    assert [(alert.source_ip, alert.destination_ip) for alert in told.alerts] == [
        (source or source_six, destination or destination_six)
        for source, source_six, destination, destination_six in hellos
    ]
    assert sum(sums(told, "hellos").values()) == len(hellos)
    assert {each.value for each in told.annotations} == {"no-server-name"}
    outside = [alert for alert in told.alerts if not is_local(alert.destination_ip)]
    assert run(library("no_server_name"), capture).alerts == outside


def test_tls_that_names_its_server_is_not_told() -> None:
    told = run(library("no_server_name"), shared("tls-subjectaltname.pcap"))
    assert told.called("on_packet") == 0
    assert told.alerts == []


def claim(address: str, card: int) -> bytes:
    """A reply of ARP that claims an address for a network card."""
    mac = bytes([2, 0, 0, 0, 0, card])
    sender = mac + ip_address(address).packed
    return ethernet(bytes([0, 1, 8, 0, 6, 4, 0, 2]) + sender + bytes(6) + ip_address("10.0.0.9").packed, 0x0806)


def test_an_address_that_changes_its_network_card_is_told(tmp_path: Path) -> None:
    path = tmp_path / "arp.pcap"
    claims = [("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.1", 1), ("10.0.0.1", 6), ("10.0.0.1", 6), ("10.0.0.2", 2)]
    path.write_bytes(
        pcap([Frame(1_700_000_050_000_000 + n, claim(address, card)) for n, (address, card) in enumerate(claims)])
    )
    told = run(library("arp_spoof"), path)
    assert not told.errors
    assert told.called("on_packet") == len(claims)
    (alert,) = told.alerts
    assert (alert.type, alert.entity, alert.time) == ("arp-spoof", "10.0.0.1", 1_700_000_050_000_003)
    assert alert.message == "10.0.0.1 was at 02:00:00:00:00:01 and is now claimed by 02:00:00:00:00:06"


@pytest.mark.parametrize("name", ["icmp-tunnel.pcap", "fuzzed-2594.pcap"])
def test_addresses_that_stay_where_they_are_are_not_told(name: str) -> None:
    capture = shared(name)
    claims = tshark(capture, CLAIMS, "arp.src.proto_ipv4", "arp.src.hw_mac")
    cards: dict[str, set[str]] = {}
    for address, card in claims:
        cards.setdefault(address, set()).add(card)
    moved = {address for address, each in cards.items() if len(each) > 1 and int(ip_address(address))}
    told = run(library("arp_spoof"), capture)
    assert not told.errors
    assert told.called("on_packet") == len(claims) > 0
    assert {alert.entity for alert in told.alerts} == moved
