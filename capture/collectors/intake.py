"""From messages to records."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from capture.collectors.messages import Collected, MessageError, flows_of
from capture.collectors.places import prefix_of
from capture.community_id import PORT_PROTOCOLS, community_id, icmp_ports
from capture.exports.books import Books
from capture.exports.windows import Windows
from capture.netflow import NAME
from capture.netflow.applications import application
from capture.netflow.flows import state_of
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink
from topics.catalog import FLOW
from topics.records import Flow

_TCP: Final = 6
_ICMP: Final = frozenset({1, 58})
_UNNAMED: Final = "collector"

MADE: Final = ("flow", "dead")
"""The kinds of records that are made of a message."""


class CollectorIntake:
    """Makes a flow of each that a message tells of.

    Records are named after the place of their message in Kafka, so that one that is read again makes the same.
    """

    def __init__(
        self, observation: Observation, settings: FlowExportSettings, sink: Sink, topic: str, now: int
    ) -> None:
        self._observation = observation
        self._sink = sink
        self._topic = topic
        self._books = Books(observation, NAME, settings, sink, now)
        self._windows = Windows(sink, NAME, settings.wait_seconds * 1_000_000, now)
        self._prefixes: dict[int, str] = {}

    def at(self, now: int) -> None:
        """It is now this time (epoch microseconds)."""
        self._books.turn(self._windows, now)
        self._windows.reach(now)

    def turns(self, now: int) -> bool:
        """True where the sums of a window are put when it is this time."""
        return self._books.turns(self._windows, now)

    def take(self, message: bytes | None, partition: int, offset: int) -> None:
        """Take a message from its place in the topic."""
        value = message or b""
        self._books.datagrams(1, len(value))
        where = f"{self._topic}/{partition}/{offset}"
        prefix = self._prefixes.get(partition)
        if prefix is None:
            prefix = self._prefixes[partition] = prefix_of(NAME, self._topic, partition)
        named = f"{prefix}{offset:012x}"
        try:
            flows = flows_of(message)
        except MessageError as error:
            self._books.reject(value, where, error.reason, error.detail, self._windows, record_id=f"{named}{0:04x}")
            return
        for place, flow in enumerate(flows):
            if isinstance(flow, MessageError):
                detail, record_id = flow.detail, f"{named}{place:04x}"
                self._books.reject(value, where, flow.reason, detail, self._windows, record_id=record_id)
            else:
                self._put(flow, f"{named}{place:04x}")

    def flush(self) -> None:
        """Nothing waits: what is made of a message is put at once."""

    def finish(self) -> None:
        """Nothing more comes."""
        self._books.tell(self._windows)

    def _put(self, flow: Collected, record_id: str) -> None:
        end, window = self._windows.date(flow.end or self._windows.reached)
        length = max(flow.end - flow.start, 0) if flow.start else 0
        family = AF_INET if len(flow.source) == 4 else AF_INET6
        with_ports = flow.protocol in PORT_PROTOCOLS
        tcp = flow.protocol == _TCP
        state = state_of(flow.tcp_flags, 0) if tcp else ""
        community = _community(flow)
        exporter = flow.exporter or _UNNAMED
        self._sink.put(
            FLOW,
            community,
            Flow(
                id=record_id,
                time=end,
                node=self._observation.node,
                observation_point=self._observation.observation_point,
                community_id=community,
                source_ip=inet_ntop(family, flow.source),
                destination_ip=inet_ntop(family, flow.destination),
                source_port=flow.ports[0] if with_ports else 0,
                destination_port=flow.ports[1] if with_ports else 0,
                transport=flow.transport,
                protocol_number=flow.protocol,
                vlan_id=flow.vlan & 0x0FFF,
                record="final",
                flow_id=record_id,
                start=max(end - length, 0),
                end=end,
                ip_version=4 if family == AF_INET else 6,
                source_mac=flow.macs[0],
                destination_mac=flow.macs[1],
                application=application(flow.application.encode()),
                state=state,
                end_reason="end" if state == "reset" else "",
                tcp_flags_source=flow.tcp_flags if tcp else 0,
                delta_source_bytes=flow.counts[0],
                delta_destination_bytes=flow.reverse[0],
                delta_source_packets=flow.counts[1],
                delta_destination_packets=flow.reverse[1],
                total_source_bytes=flow.counts[0],
                total_destination_bytes=flow.reverse[0],
                total_source_packets=flow.counts[1],
                total_destination_packets=flow.reverse[1],
                exporter_ip=flow.exporter,
                input_interface=flow.interfaces[0],
                output_interface=flow.interfaces[1],
                sampling_rate=flow.rate,
            ),
            window,
        )
        self._books.count("flows")
        self._books.add(exporter, "flows")


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
