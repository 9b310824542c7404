"""The counter groups of what hosts and networks do beyond traffic: their meters, and how these come out of coded lists.

A meter that is 0 is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from tapline.groups import CounterGroup, Meter
from topics.records import MeterKind
from workers.counting.meters import Number

ROLES: Final = ("client", "server")
"""A host is the client of the flows it is the source of, and the server of those it is the destination of."""

_OF_ROLES: Final = {
    "flows": "flows with packets in the window",
    "new_flows": "flows that began",
    "tcp_syn": "TCP flows that began with a SYN",
    "tcp_answered": "of TCP flows with a SYN: the SYN-ACK came",
    "tcp_completed": "of those answered: the client's ACK had come by the same record",
    "tcp_unanswered": "TCP flows that ended and whose SYN nothing answered",
    "tcp_refused": "TCP flows that ended and whose SYN was answered by RST",
    "tcp_half_open": "TCP flows that ended, were answered by SYN-ACK, and whose client never sent an ACK",
    "tcp_fin_scan": "TCP flows that began and whose client sent FIN, but neither SYN nor ACK",
    "udp_one_way": "UDP flows between two hosts that ended without a reply",
    "icmp_packets": "ICMP and ICMPv6 packets from the client to the server",
    "dns_requests": "packets of DNS over UDP from the client to the server",
    "dns_replies": "packets of DNS over UDP from the server to the client",
    "remote_flows": "flows that began between this host, which is local, and a remote one",
    "remote_access_flows": "flows of remote access (SSH, RDP, VNC …) with packets in the window",
    "remote_access_seconds": "how long these lasted in the window, added up",
}
_DIRECTED: Final = {
    "rst": "TCP flows that ended and in which that side sent RST",
    "tcp_packets": "TCP packets",
    "retransmissions": "TCP retransmissions",
    "out_of_order": "TCP segments out of order, of flows that ended",
}
_OTHERS: Final = {
    "broadcast_packets": "packets sent to a broadcast address",
    "multicast_packets": "packets sent to a multicast address",
}
SUMS: Final = {
    **{f"{role}_{name}": f"as {role}: {text}" for role in ROLES for name, text in _OF_ROLES.items()},
    **{f"{name}_{way}": f"{text}, {way}" for name, text in _DIRECTED.items() for way in ("sent", "received")},
    **_OTHERS,
}
"""The sums of Behaviour, and what they say."""

SUM_CODES: Final = {name: code for code, name in enumerate(SUMS)}
"""The code of each of these sums."""

PEAKS: Final = {
    "flows_per_second": "flows that began",
    "syn_per_second": "TCP flows that began with a SYN",
    "dns_flows_per_second": "DNS flows that began",
    "snmp_flows_per_second": "SNMP flows that began",
    "icmp_packets_per_second": "ICMP packets from the client to the server",
}
SECOND_KINDS: Final = ("other", "syn", "dns", "syn dns", "snmp", "icmp")
"""What is counted for each second, so that a flow is in one of them."""

FIRST_SECOND_CODE: Final = 128
"""The code of the first second of the first kind; those before are sums."""

_OF_A_ROLE: Final = len(SECOND_KINDS) * 60


def second_code(role: int, kind: int) -> int:
    """The code of second 0 of a kind, for the role of this index; the other 59 seconds of the minute follow."""
    return FIRST_SECOND_CODE + role * _OF_A_ROLE + kind * 60


CONTACT_SETS: Final = {
    "servers": "hosts it was the client of",
    "clients": "hosts it was the server of",
    "server_ports": "ports contacted, TCP and UDP told apart",
    "own_ports": "its own ports, TCP and UDP told apart, from which it answered",
    "countries": "countries of the hosts it had flows with",
    "domain_names": "domains of the server names it contacted, two labels or three (``co.uk``)",
    "dns_servers": "hosts it sent DNS to",
    "ntp_servers": "hosts it sent NTP to",
    "smtp_servers": "hosts it sent mail to (SMTP)",
    "macs": "MAC addresses its packets came from",
}
CONTACT_CODES: Final = {name: code for code, name in enumerate(CONTACT_SETS)}
SUBNET_SETS: Final = {
    "hosts": "hosts that sent something",
    "broadcast_hosts": "hosts that sent broadcasts",
}
SUBNET_CODES: Final = {name: code for code, name in enumerate(SUBNET_SETS)}
MAC_SETS: Final = {"addresses": "source addresses of packets that came from it"}

REQUEST_METERS: Final = {
    f"{protocol}_{message}_{way}": f"{text} {message}, {way}"
    for protocol, text, messages in (
        ("dns", "DNS", ("queries", "replies")),
        ("http", "HTTP", ("requests", "replies")),
    )
    for message in messages
    for way in ("sent", "received")
}


def _sums(names: Iterable[tuple[str, str]], kind: MeterKind = "counter") -> tuple[Meter, ...]:
    return tuple(Meter(name, kind, "", description=text) for name, text in names)


_BEHAVIOUR_METERS: Final = (
    *_sums(SUMS.items()),
    *_sums(
        (
            (f"{role}_{name}", f"as {role}: {text} a second, sustained for three seconds")
            for role in ROLES
            for name, text in PEAKS.items()
        ),
        "sustained",
    ),
)

BEHAVIOUR: Final = CounterGroup("Behaviour", _BEHAVIOUR_METERS, "IP address")
SUBNET_BEHAVIOUR: Final = CounterGroup("Subnet Behaviour", _BEHAVIOUR_METERS, "network")
CONTACTS: Final = CounterGroup(
    "Contacts",
    (
        *_sums(CONTACT_SETS.items(), "distinct"),
        Meter("mac", "gauge", description="its MAC address as a number, if one"),
    ),
    "IP address",
)
SUBNET_CONTACTS: Final = CounterGroup("Subnet Contacts", _sums(SUBNET_SETS.items(), "distinct"), "network")
MACS: Final = CounterGroup("MACs", _sums(MAC_SETS.items(), "distinct"), "MAC address")
REQUESTS: Final = CounterGroup("Requests", _sums(REQUEST_METERS.items()), "IP address")

FLOW_BEHAVIOUR: Final = (BEHAVIOUR, SUBNET_BEHAVIOUR, CONTACTS, SUBNET_CONTACTS, MACS)
"""The groups counted from flows if somebody wants them."""


Named = Callable[[Sequence[Any]], list[dict[str, Number]]]
"""Makes the meters of several keys from what partitions have sent of each."""


def _behaviour(sent: Sequence[list[str]]) -> list[dict[str, Number]]:
    from workers.counting.behaviour_results import behaviour  # noqa: PLC0415 - numpy takes its time to load

    return behaviour(sent)


def _sets(names: Sequence[str]) -> Named:
    def named(sent: Sequence[list[str]]) -> list[dict[str, Number]]:
        from workers.counting.behaviour_results import sets  # noqa: PLC0415 - as above

        return sets(sent, names)

    return named


SETS: Final = {
    CONTACTS.name: tuple(CONTACT_SETS),
    SUBNET_CONTACTS.name: tuple(SUBNET_SETS),
    MACS.name: tuple(MAC_SETS),
}
"""The meters of the groups that are sets, in the order of their codes."""

CODED: Final[dict[str, Named]] = {
    BEHAVIOUR.name: _behaviour,
    SUBNET_BEHAVIOUR.name: _behaviour,
    **{group: _sets(names) for group, names in SETS.items()},
}
"""The groups that travel as coded values, with what makes meters of these."""
