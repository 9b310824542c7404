"""A flow that another collector tells of, and the record that is made of it."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from msgspec import Struct

from capture.community_id import PORT_PROTOCOLS, community_id, icmp_ports
from capture.netflow.applications import application
from capture.netflow.flows import state_of
from capture.source import Observation
from capture.whole_flow import whole_flow
from topics.records import Flow

_TCP: Final = 6
_ICMP: Final = frozenset({1, 58})


class Collected(Struct, frozen=True):
    """A flow as collectors tell of it, whatever they are.

    Times are in epoch microseconds, 0 where there is none; ``rate`` says of how many packets one was looked at, 0 where
    that is not known, and counters are multiplied by it. ``icmp`` is type times 256 and code. ``reverse`` and
    ``reverse_flags`` are those of the way back.
    """

    source: bytes
    destination: bytes
    protocol: int
    transport: str
    ports: tuple[int, int]
    counts: tuple[int, int]
    reverse: tuple[int, int]
    start: int
    end: int
    rate: int
    exporter: str
    interfaces: tuple[int, int]
    macs: tuple[str, str]
    vlan: int
    tcp_flags: int
    icmp: int
    application: str
    reverse_flags: int = 0
    as_numbers: tuple[int, int] = (0, 0)
    payload: tuple[int, int] = (0, 0)


def record_of(flow: Collected, observation: Observation, record_id: str, end: int) -> Flow:
    """The final record of a flow that ended at this time (epoch microseconds)."""
    length = max(flow.end - flow.start, 0) if flow.start else 0
    family = AF_INET if len(flow.source) == 4 else AF_INET6
    with_ports = flow.protocol in PORT_PROTOCOLS
    tcp = flow.protocol == _TCP
    state = state_of(flow.tcp_flags, flow.reverse_flags) if tcp else ""
    return whole_flow(
        record_id,
        end,
        observation.node,
        observation.observation_point,
        _community(flow),
        inet_ntop(family, flow.source),
        inet_ntop(family, flow.destination),
        flow.ports[0] if with_ports else 0,
        flow.ports[1] if with_ports else 0,
        flow.transport,
        flow.protocol,
        flow.vlan & 0x0FFF,
        record_id,
        max(end - length, 0),
        4 if family == AF_INET else 6,
        flow.macs[0],
        flow.macs[1],
        application(flow.application.encode()),
        state,
        "end" if state in {"closed", "reset"} else "",
        flow.tcp_flags if tcp else 0,
        flow.reverse_flags if tcp else 0,
        flow.counts[0],
        flow.reverse[0],
        flow.counts[1],
        flow.reverse[1],
        flow.exporter,
        flow.interfaces[0],
        flow.interfaces[1],
        flow.rate,
        flow.as_numbers[0],
        flow.as_numbers[1],
        flow.payload[0],
        flow.payload[1],
    )


def _community(flow: Collected) -> str:
    protocol, source, destination = flow.protocol, flow.source, flow.destination
    if protocol in PORT_PROTOCOLS:
        ports = flow.ports[0].to_bytes(2, "big") + flow.ports[1].to_bytes(2, "big")
        return community_id(protocol, source, destination, ports)
    if protocol in _ICMP:
        first, second, one_way = icmp_ports(protocol, flow.icmp >> 8, flow.icmp & 0xFF)
        ports = first.to_bytes(2, "big") + second.to_bytes(2, "big")
        return community_id(protocol, source, destination, ports, one_way=one_way)
    return community_id(protocol, source, destination)
