"""Behaviour and contacts against a plain count of the same flows, however they are spread over partitions."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topics.codec import decode, encode
from topics.partitions import partition_of_pair
from topics.records import Flow, Partial
from workers.counting.behaviour import FlowBehaviour, is_multicast
from workers.counting.behaviour_groups import CODED, CONTACTS, FLOW_BEHAVIOUR
from workers.counting.contacts import address_number, domain_of, mac_number
from workers.counting.counter_sums import CounterSums
from workers.counting.flow_counters import subnet_of
from workers.counting.flow_kinds import ACK, FIN, RST, SYN, KindTable
from workers.counting.meters import sustained
from workers.counting.numbered_counters import NumberedFlowCounters

MINUTE = 1_700_000_040
ALL = frozenset(group.name for group in FLOW_BEHAVIOUR)
Meters = dict[tuple[str, str], dict[str, float]]


def is_local(ip: str) -> bool:
    return ip.startswith("10.")


def counted(parts: list[list[Flow]], wanted: frozenset[str] = ALL) -> Meters:
    """The meters of each group and key, of flows that several partitions have counted."""
    sums = CounterSums()
    for part in parts:
        behaviour = FlowBehaviour(NumberedFlowCounters(), wanted, is_local, 24, 64)
        for start in range(0, len(part), 7):
            behaviour.add(part[start : start + 7])
        sums.add(behaviour.partials())
    return {
        place: dict(CODED[place[0]]([values])[0])  # one by one
        for place, values in sums.plain.items()
    }


def flow(**fields: Any) -> Flow:
    second = fields.pop("second", 5)
    time = (MINUTE + second) * 1_000_000
    values = {
        "id": "x", "time": time, "start": time, "end": time, "record": "final", "transport": "tcp",
        "source_ip": "10.0.0.1", "destination_ip": "192.0.2.1", "destination_port": 443,
        "delta_source_packets": 1, "tcp_flags_source": SYN,
    }  # fmt: skip
    found: dict[str, Any] = {**values, **fields}
    found.setdefault("total_destination_packets", found.get("delta_destination_packets", 0))
    return Flow(**found)


SOURCES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.7", "2001:db8::5"])
DESTINATIONS = st.sampled_from(["10.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "224.0.0.251", "10.0.0.255"])
FLAGS = st.integers(0, 31)
FLOWS = st.builds(
    flow,
    source_ip=SOURCES,
    destination_ip=DESTINATIONS,
    destination_port=st.sampled_from([22, 53, 443]),
    destination_mac=st.sampled_from(["", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"]),
    source_mac=st.sampled_from(["", "02:00:00:00:00:01", "02:00:00:00:00:03"]),
    transport=st.sampled_from(["tcp", "udp", "icmp", "ipv6-icmp", "sctp"]),
    application=st.sampled_from(["", "DNS", "DNS.Google", "NTP", "SNMP", "SMTP", "SSH", "TLS.Google"]),
    server_name=st.sampled_from(["", "www.example.org", "mail.example.org", "a.b.example.co.uk"]),
    source_country=st.sampled_from(["", "CH"]),
    destination_country=st.sampled_from(["", "CH", "US"]),
    record=st.sampled_from(["update", "final"]),
    sequence=st.integers(0, 2),
    second=st.integers(0, 12),
    tcp_flags_source=FLAGS,
    tcp_flags_destination=FLAGS,
    delta_source_packets=st.integers(0, 9),
    delta_destination_packets=st.integers(0, 9),
    delta_source_retransmissions=st.integers(0, 2),
    total_destination_out_of_order=st.integers(0, 2),
)


@settings(max_examples=60, deadline=None)
@given(flows=st.lists(FLOWS, max_size=40), partitions=st.integers(1, 5), draw=st.data())
def test_partitions_come_to_the_same_in_any_spreading_and_order(
    flows: list[Flow], partitions: int, draw: st.DataObject
) -> None:
    # Whether an address stands for a group is told by the flow in which a partition first meets it: by address here.
    flows = [f for f in flows if (f.destination_mac == "ff:ff:ff:ff:ff:ff") == f.destination_ip.endswith(".255")]
    parts: list[list[Flow]] = [[] for _ in range(partitions)]
    for each in flows:
        parts[draw.draw(st.integers(0, partitions - 1))].append(each)
    countries = {"192.0.2.1": "US"}
    parts = [[country_of(each, countries) for each in part] for part in parts]
    shuffled = draw.draw(st.permutations(parts))
    whole = counted([[country_of(each, countries) for each in flows]])
    assert counted(shuffled) == whole == counted(parts)


def country_of(each: Flow, countries: dict[str, str]) -> Flow:
    """A flow whose countries are those of its addresses, as capture nodes give them."""
    fields = {name: getattr(each, name) for name in each.__struct_fields__}
    fields["source_country"] = countries.get(each.source_ip, "")
    fields["destination_country"] = countries.get(each.destination_ip, "")
    return Flow(**fields)


@settings(max_examples=60, deadline=None)
@given(flows=st.lists(FLOWS, max_size=40))
def test_sums_and_peaks_are_those_of_a_plain_count(flows: list[Flow]) -> None:
    found = counted([flows])
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[tuple[str, str], dict[float, float]] = defaultdict(lambda: defaultdict(int))
    for each in flows:
        for role, ip in (("client", each.source_ip), ("server", each.destination_ip)):
            sums = expected[ip]
            sums[f"{role}_flows"] += 1
            if each.sequence == 0:
                sums[f"{role}_new_flows"] += 1
                seconds[ip, role][each.start // 1_000_000 % 60] += 1
            if each.transport in ("icmp", "ipv6-icmp"):
                sums[f"{role}_icmp_packets"] += each.delta_source_packets
            if each.transport == "udp" and each.application.startswith("DNS"):
                sums[f"{role}_dns_requests"] += each.delta_source_packets
                sums[f"{role}_dns_replies"] += each.delta_destination_packets
        if each.transport == "tcp":
            ways = ((each.source_ip, "sent", "received"), (each.destination_ip, "received", "sent"))
            for ip, out, back in ways:
                expected[ip][f"tcp_packets_{out}"] += each.delta_source_packets
                expected[ip][f"tcp_packets_{back}"] += each.delta_destination_packets
                expected[ip][f"retransmissions_{out}"] += each.delta_source_retransmissions
                if each.record == "final":
                    expected[ip][f"out_of_order_{back}"] += each.total_destination_out_of_order
    for ip, sums in expected.items():
        meters = found["Behaviour", ip]
        for name, amount in sums.items():
            assert meters.get(name, 0) == amount, (ip, name)
        for role in ("client", "server"):
            assert meters.get(f"{role}_flows_per_second", 0) == sustained(seconds[ip, role]), (ip, role)
        assert all(meters.values()), "what is 0 is left out"
    for key in {subnet_of(ip, 24, 64) for ip in expected}:
        total: Counter[str] = Counter()
        for ip, sums in expected.items():
            if subnet_of(ip, 24, 64) == key:
                total.update(sums)
        assert {name: found["Subnet Behaviour", key].get(name, 0) for name in total} == total


@settings(max_examples=60, deadline=None)
@given(flows=st.lists(FLOWS, max_size=40))
def test_contacts_are_those_of_a_plain_count(flows: list[Flow]) -> None:
    found = counted([flows])
    sets: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for each in flows:
        one, other = each.source_ip, each.destination_ip
        sets[one, "servers"].add(other)
        sets[other, "clients"].add(one)
        if each.transport in ("tcp", "udp"):
            sets[one, "server_ports"].add((each.transport, each.destination_port))
            if each.delta_destination_packets:
                sets[other, "own_ports"].add((each.transport, each.destination_port))
        for application in ("DNS", "NTP", "SMTP"):
            if each.application.startswith(application):
                sets[one, f"{application.lower()}_servers"].add(other)
        if each.server_name:
            sets[one, "domain_names"].add(domain_of(each.server_name))
        if each.source_mac:
            sets[one, "macs"].add(each.source_mac)
        if each.destination_mac and each.delta_destination_packets:
            sets[other, "macs"].add(each.destination_mac)
    for (ip, name), members in sets.items():
        assert found["Contacts", ip][name] == len(members)
        if name == "macs":
            assert ("mac" in found["Contacts", ip]) == (len(members) == 1)
    for mac in {each.source_mac for each in flows} - {""}:
        mine = {each.source_ip for each in flows if each.source_mac == mac}
        assert found["MACs", mac]["addresses"] >= len(mine)


def test_sets_are_exact_up_to_their_limit_and_then_at_least_that() -> None:
    flows = [flow(destination_ip=f"198.18.{number >> 8}.{number & 255}") for number in range(1200)]
    parts = [flows[:900], flows[700:]]
    assert counted([flows[:999]])["Contacts", "10.0.0.1"]["servers"] == 999
    assert counted(parts)["Contacts", "10.0.0.1"]["servers"] == 1000
    assert counted(parts[::-1]) == counted(parts)


@pytest.mark.parametrize(
    ("seconds", "peak"),
    [
        ({5: 10_000}, 0),
        ({5: 10_000, 6: 10_000}, 0),
        ({5: 257, 6: 900, 7: 300}, 257),
        ({5: 257, 7: 300, 8: 900}, 0),
        ({1: 5, 2: 5, 3: 5, 30: 9, 31: 8, 32: 7, 33: 10}, 7),
        ({58: 3, 59: 3, 0: 3}, 0),
    ],
)
def test_a_peak_is_sustained_for_three_seconds(seconds: dict[int, int], peak: int) -> None:
    flows = [flow(second=second) for second, count in seconds.items() for _ in range(count)]
    meters = counted([flows[::2], flows[1::2]])["Behaviour", "10.0.0.1"]
    assert meters.get("client_syn_per_second", 0) == meters.get("client_flows_per_second", 0) == peak


ANSWERED = {"tcp_flags_destination": SYN | ACK, "delta_destination_packets": 1}


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({}, {"tcp_syn", "tcp_unanswered"}),
        ({"record": "update"}, {"tcp_syn"}),
        ({"tcp_flags_destination": RST | ACK, "delta_destination_packets": 1}, {"tcp_syn", "tcp_refused"}),
        (ANSWERED, {"tcp_syn", "tcp_answered", "tcp_half_open"}),
        ({**ANSWERED, "tcp_flags_source": SYN | RST}, {"tcp_syn", "tcp_answered", "tcp_half_open"}),
        ({**ANSWERED, "tcp_flags_source": SYN | ACK}, {"tcp_syn", "tcp_answered", "tcp_completed"}),
        ({"tcp_flags_source": FIN}, {"tcp_fin_scan"}),
        ({"tcp_flags_source": FIN | ACK}, set()),
        ({"tcp_flags_source": SYN | ACK}, set()),
        ({"sequence": 1}, {"tcp_unanswered"}),
        ({**ANSWERED, "tcp_flags_source": SYN | ACK, "sequence": 1}, {"tcp_answered", "tcp_completed"}),
        ({**ANSWERED, "tcp_flags_source": SYN | ACK, "sequence": 1, "total_destination_packets": 9}, set()),
    ],
)
def test_what_became_of_a_handshake(fields: dict[str, Any], events: set[str]) -> None:
    found = counted([[flow(**fields)]])
    for role, ip in (("client", "10.0.0.1"), ("server", "192.0.2.1")):
        meters = found["Behaviour", ip]
        assert {name for name in meters if name.startswith(f"{role}_tcp_")} == {f"{role}_{event}" for event in events}


def test_one_way_udp_is_counted_at_its_end_between_two_hosts() -> None:
    udp = {"transport": "udp", "tcp_flags_source": 0}
    alone = [
        flow(**udp),
        flow(**udp, sequence=3),
        flow(**udp, record="update"),
        flow(**udp, sequence=1, total_destination_packets=1),
        flow(**udp, delta_destination_packets=1),
        flow(**udp, destination_ip="239.1.2.3"),
        flow(**udp, destination_ip="10.0.0.255", destination_mac="ff:ff:ff:ff:ff:ff"),
    ]
    meters = counted([alone])["Behaviour", "10.0.0.1"]
    assert meters["client_udp_one_way"] == 2
    assert (meters["multicast_packets"], meters["broadcast_packets"]) == (1, 1)


def test_icmp_packets_are_spread_over_the_seconds_of_their_record() -> None:
    start, end = (MINUTE + 2) * 1_000_000, (MINUTE + 6) * 1_000_000
    ping = flow(transport="icmp", tcp_flags_source=0, start=start, end=end, delta_source_packets=1504)
    meters = counted([[ping]])["Behaviour", "192.0.2.1"]
    assert (meters["server_icmp_packets"], meters["server_icmp_packets_per_second"]) == (1504, 301)
    assert "client_icmp_packets" not in meters, "replies are nobody's flood"


def test_remote_contacts_and_access() -> None:
    start, end = (MINUTE - 100) * 1_000_000, (MINUTE + 30) * 1_000_000
    login = flow(application="SSH", start=start, end=end, sequence=2, record="update")
    found = counted([[flow(), flow(source_ip="192.0.2.9", destination_ip="10.0.0.1"), login]])
    meters = found["Behaviour", "10.0.0.1"]
    assert (meters["client_remote_flows"], meters["server_remote_flows"]) == (1, 1)
    assert (meters["client_remote_access_flows"], meters["client_remote_access_seconds"]) == (1, 30)
    assert "server_remote_flows" not in found["Behaviour", "192.0.2.1"]


def test_numbers_beyond_64_bits_spoil_no_other_host() -> None:
    odd = flow(source_ip="10.0.0.9", delta_source_packets=1 << 70, delta_destination_packets=-(1 << 70))
    found = counted([[odd, flow(source_ip="10.0.0.2")]])
    assert found["Behaviour", "10.0.0.2"]["tcp_packets_sent"] == 1


def test_nothing_is_made_for_nobody() -> None:
    assert {group for group, _ in counted([[flow()]], frozenset({CONTACTS.name}))} == {"Contacts"}


def test_all_of_a_host_comes_to_one_partition() -> None:
    for count in (1, 4, 12):
        for key in ("10.0.0.1", "2001:db8::1"):
            assert (
                len({partition_of_pair(group, key, count) for group in ("Hosts", "Behaviour", "Contacts", "Scores")})
                == 1
            )
    assert partition_of_pair("Subnets", "10.0.0.0/24", 12) == partition_of_pair("Subnet Behaviour", "10.0.0.0/24", 12)
    assert partition_of_pair("Interfaces", "eth0", 12) == partition_of_pair("Capture", "eth0", 12)


def test_numbers_of_addresses_and_names() -> None:
    assert address_number("10.0.0.1") == 0x0A000001
    assert mac_number("02:00:00:00:00:0a") == 0x02000000000A
    assert address_number("2001:db8::1") != address_number("2001:db8::2")
    assert [domain_of(name) for name in ("a.b.example.org", "www.example.co.uk", "example.org.", "10.0.0.1")] == [
        "example.org", "example.co.uk", "example.org", "10.0.0.1",
    ]  # fmt: skip
    addresses = ("224.0.0.1", "239.9.9.9", "240.0.0.1", "22.4.0.1", "ff02::1", "fe80::1")
    assert list(filter(is_multicast, addresses)) == ["224.0.0.1", "239.9.9.9", "ff02::1"]


def test_kinds_stay_few_however_many_records_differ() -> None:
    table = KindTable()
    for number in range(5000):
        for fields in (("tcp", "TLS.Google", 2, 18, "update", number, number, 0, 0, 0),):
            assert table.kinds[table[fields]].transport == "tcp"
    assert len(table.kinds) <= 4


def test_partials_travel() -> None:
    behaviour = FlowBehaviour(NumberedFlowCounters(), ALL, is_local, 24, 64)
    behaviour.add([flow()])
    for partial in behaviour.partials():
        assert isinstance(partial, Partial)
        assert decode(Partial, encode([partial])) == [partial]
