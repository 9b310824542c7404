"""Checks of flows: each fires on what it is for, with its score and on the right end, and not on its boundary."""

import pytest

from tests.golden.checks.made import MINUTE, Case, Expected, flow, udp, verify

LONG = {"start": (MINUTE - 700) * 1_000_000, "sequence": 11}

CONTACTS = [
    Case(
        "blacklisted",
        [flow(destination_ip="203.0.113.66")],
        Expected("10.0.0.1", 200, 6, "server 203.0.113.66 is on the list", "203.0.113.66"),
        [flow(destination_ip="203.0.113.67")],
    ),
    Case(
        "country_check",
        [flow(destination_country="KP")],
        Expected("10.0.0.1", 60, 4, "contact with KP"),
        [flow(destination_country="NL"), flow()],
        {"items": ("KP", "XX")},
    ),
    Case(
        "remote_to_remote",
        [flow(source_ip="198.51.100.7")],
        Expected("198.51.100.7", 10, 3),
        [
            flow(),
            flow(source_ip="198.51.100.7", destination_ip="10.0.0.1"),
            flow(source_ip="198.51.100.7", destination_ip="239.1.1.1"),
        ],
    ),
    Case(
        "remote_to_local_insecure",
        [flow(source_ip="198.51.100.7", destination_ip="10.0.0.2", application="Telnet", destination_port=23)],
        Expected("198.51.100.7", 100, 5, "Telnet from 198.51.100.7"),
        [
            flow(source_ip="10.0.0.9", destination_ip="10.0.0.2", application="Telnet"),
            flow(source_ip="198.51.100.7", destination_ip="10.0.0.2", application="SSH"),
        ],
    ),
    Case(
        "remote_access",
        [flow(source_ip="198.51.100.7", destination_ip="10.0.0.2", application="RDP")],
        Expected("198.51.100.7", 50, 4, "RDP"),
        [flow(destination_ip="10.0.0.2", application="RDP"), flow(source_ip="198.51.100.7", destination_ip="10.0.0.2")],
    ),
    Case(
        "rare_destination",
        [flow(server_name="a.example"), flow(server_name="b.example"), flow(server_name="c.example")],
        Expected("10.0.0.1", 10, 3, "c.example was never contacted before"),
        [flow(server_name="a.example"), flow(server_name="b.example"), flow(server_name="a.example")],
        {"learn": 2},
    ),
    Case(
        "unexpected_dns",
        [udp(application="DNS", destination_port=53)],
        Expected("198.51.100.1", 100, 5, "server 198.51.100.1, expected 10.0.0.53"),
        [udp(application="DNS", destination_ip="10.0.0.53"), flow()],
        {"items": ("10.0.0.53",)},
    ),
    Case(
        "unexpected_dhcp",
        [udp(application="DHCP", destination_ip="10.0.0.66", destination_port=67, source_port=68)],
        Expected("10.0.0.66", 100, 5),
        [udp(application="DHCP", destination_ip="10.0.0.1", destination_port=67, source_port=68)],
        {"items": ("10.0.0.1",)},
    ),
    Case(
        "unexpected_ntp",
        [udp(application="NTP", destination_port=123)],
        Expected("198.51.100.1", 100, 5),
        [udp(application="NTP", destination_ip="192.0.2.7")],
        {"items": ("192.0.2.0/24",)},
    ),
    Case(
        "unexpected_smtp",
        [flow(application="SMTP", destination_port=25)],
        Expected("198.51.100.1", 100, 5),
        [flow(application="SMTP", destination_ip="10.0.0.25")],
        {"items": ("10.0.0.25",)},
    ),
    Case(
        "unexpected_gateway",
        [flow(destination_mac="02:00:00:00:00:66")],
        Expected("10.0.0.1", 100, 5, "02:00:00:00:00:66"),
        [
            flow(destination_mac="02:00:00:00:00:01"),
            flow(destination_ip="10.0.0.2", destination_mac="02:00:00:00:00:66"),
        ],
        {"items": ("02:00:00:00:00:01",)},
    ),
    Case(
        "device_protocol_not_allowed",
        [flow(application="BitTorrent")],
        Expected("10.0.0.1", 80, 4, "BitTorrent"),
        [flow()],
        {"items": ("BitTorrent",)},
    ),
]

TRAFFIC = [
    Case(
        "udp_unidirectional",
        [udp(application="Unknown", total_destination_packets=0, total_destination_bytes=0)],
        Expected("10.0.0.1", 5, 2, "10 packets and no answer"),
        [
            udp(application="Unknown"),
            udp(application="Syslog", total_destination_packets=0),
            udp(application="Unknown", destination_ip="10.0.0.255", total_destination_packets=0),
            udp(application="Unknown", destination_ip="ff02::fb", total_destination_packets=0),
        ],
        status=True,
    ),
    Case("web_mining", [flow(application="Mining")], Expected("10.0.0.1", 50, 4), [flow()]),
    Case(
        "tcp_issues_generic",
        [flow(total_source_retransmissions=11, total_source_packets=109)],
        Expected("10.0.0.1", 10, 3, "10 % of a side's packets"),
        [
            flow(total_source_retransmissions=11, total_source_packets=110),
            flow(total_source_retransmissions=10, total_source_packets=20),
            flow(total_source_retransmissions=90, total_source_packets=100, setup_rtt_us=0),
        ],
        status=True,
    ),
    Case(
        "tcp_packets_issues",
        [flow(total_source_retransmissions=31, total_source_packets=100, total_destination_packets=100)],
        Expected("10.0.0.1", 100, 5, "31 sent again"),
        [flow(total_source_retransmissions=30, total_source_packets=100, total_destination_packets=100)],
    ),
    Case(
        "low_goodput",
        [flow(**LONG, total_source_payload_bytes=1000, total_destination_payload_bytes=1000)],
        Expected("10.0.0.1", 10, 3, "20 % of the bytes"),
        [
            flow(**LONG, total_source_payload_bytes=1001, total_destination_payload_bytes=1000),
            flow(total_source_payload_bytes=0, total_destination_payload_bytes=0),
            flow(**LONG, application="SSH", total_source_payload_bytes=0, total_destination_payload_bytes=0),
        ],
        status=True,
    ),
    Case(
        "tcp_flow_reset",
        [flow(tcp_flags_destination=0x1C)],
        Expected("10.0.0.1", 10, 3, "reset by the server"),
        [flow()],
    ),
    Case(
        "tcp_no_data_exchanged",
        [flow(total_source_payload_bytes=0, total_destination_payload_bytes=0)],
        Expected("10.0.0.1", 10, 3, "20 packets without data"),
        [flow(total_source_payload_bytes=1, total_destination_payload_bytes=0)],
        status=True,
    ),
    Case(
        "zero_tcp_window",
        [flow(total_destination_zero_windows=1)],
        Expected("10.0.0.1", 10, 3, "announced by the server"),
        [flow()],
        status=True,
    ),
    Case(
        "long_lived",
        [flow(start=(MINUTE - 60) * 1_000_000, sequence=1)],
        Expected("10.0.0.1", 50, 4, "61 seconds"),
        [
            flow(start=(MINUTE - 59) * 1_000_000, sequence=1),
            flow(start=(MINUTE - 90) * 1_000_000, application="SSH", sequence=1),
        ],
        {"seconds": 60, "items": ("SSH",)},
    ),
    Case(
        "elephant_flows",
        [flow(total_source_bytes=1001)],
        Expected("10.0.0.1", 50, 4, "1,001 bytes from local to remote"),
        [
            flow(total_source_bytes=1000),
            flow(
                source_ip="198.51.100.7",
                destination_ip="10.0.0.1",
                total_source_bytes=9000,
                total_destination_bytes=999,
            ),
        ],
        {"local_to_remote_bytes": 1000, "remote_to_local_bytes": 9000},
    ),
    Case(
        "icmp_data_exfiltration",
        [udp(transport="icmp", application="ICMP", total_source_bytes=10010, total_destination_bytes=0)],
        Expected("10.0.0.1", 100, 5, "bytes a packet in 20 packets"),
        [
            udp(transport="icmp", application="ICMP", total_source_bytes=10000, total_destination_bytes=0),
            udp(total_source_bytes=90000),
        ],
    ),
    Case(
        "broadcast_non_udp_traffic",
        [flow(destination_ip="10.0.0.255")],
        Expected("10.0.0.1", 100, 5, "tcp to 10.0.0.255"),
        [udp(destination_ip="10.0.0.255"), flow()],
    ),
    Case(
        "vlan_bidirectional_traffic",
        [flow(vlan_id=7)],
        Expected("10.0.0.1", 100, 5, "VLAN 7"),
        [flow(vlan_id=8), flow(vlan_id=7, total_destination_packets=0)],
        {"items": ("7",)},
    ),
    Case(
        "known_proto_on_non_std_port",
        [flow(application="HTTP", destination_port=8443)],
        Expected("10.0.0.1", 50, 4, "HTTP on port 8443"),
        [flow(application="HTTP", destination_port=8080), flow(destination_port=9)],
    ),
]


@pytest.mark.parametrize("case", CONTACTS, ids=lambda case: case.check)
def test_who_a_flow_is_between(case: Case) -> None:
    verify("flows_contacts.py", case)


@pytest.mark.parametrize("case", TRAFFIC, ids=lambda case: case.check)
def test_how_a_flow_goes(case: Case) -> None:
    verify("flows_traffic.py", case)


def test_a_blacklisted_client_is_told_apart_from_a_blacklisted_server() -> None:
    client = Case(
        "blacklisted",
        [flow(source_ip="203.0.113.66", destination_ip="10.0.0.1")],
        Expected("10.0.0.1", 50, 4, "client 203.0.113.66", "203.0.113.66"),
        [flow()],
    )
    verify("flows_contacts.py", client)


def test_the_lists_of_the_capture_node_count_as_well() -> None:
    server = Case(
        "blacklisted",
        [flow(destination_ip="203.0.113.67", destination_blacklists=("feodo", "own"), tags=("feodo", "own"))],
        Expected("10.0.0.1", 200, 6, "server 203.0.113.67 is on the list feodo, own", "203.0.113.67"),
        [flow(tags=("feodo",))],
    )
    client = Case(
        "blacklisted",
        [flow(source_ip="203.0.113.67", destination_ip="10.0.0.1", source_blacklists=("feodo",))],
        Expected("10.0.0.1", 50, 4, "client 203.0.113.67 is on the list feodo", "203.0.113.67"),
        [flow()],
    )
    for case in (server, client):
        verify("flows_contacts.py", case)


def test_tcp_issues_are_severe_beyond_three_times_the_share() -> None:
    severe = Case(
        "tcp_issues_generic",
        [flow(total_destination_retransmissions=20, total_destination_out_of_order=11, total_destination_packets=100)],
        Expected("10.0.0.1", 20, 3, "31 %"),
        [flow()],
        status=True,
    )
    verify("flows_traffic.py", severe)
