"""The flow cache: which packets belong together, and the records that tell of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Final

from capture.community_id import community_id
from capture.enrichment.domains import Domains
from capture.nfstream_engine.dissector import Dissector
from capture.nfstream_engine.flow_state import FlowState, Half, Table
from capture.packets.decode import ETHERNET, TCP, UDP, Header, may_carry_packets
from capture.packets.dns import PORT as DNS_PORT
from capture.source import Observation
from topics.partitions import digest
from topics.records import Flow

LINGER: Final = 5_000_000
"""How long, in microseconds, a closed TCP flow waits for packets that are still on their way."""

TRANSPORTS: Final = {
    0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipv4", 6: "tcp", 8: "egp", 9: "igp", 17: "udp", 27: "rdp", 33: "dccp",
    41: "ipv6", 43: "ipv6-route", 44: "ipv6-frag", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp",
    59: "ipv6-nonxt", 60: "ipv6-opts", 88: "eigrp", 89: "ospf", 94: "ipip", 97: "etherip", 98: "encap", 103: "pim",
    108: "ipcomp", 112: "vrrp", 115: "l2tp", 124: "isis", 132: "sctp", 133: "fc", 136: "udplite", 137: "mpls-in-ip",
}  # fmt: skip

_DNS: Final = DNS_PORT.to_bytes(2, "big")
_ONE_WAY: Final = "unidirectional_traffic"


class FlowCache:
    """The flows that are going on at one observation point.

    ``put`` takes every record with the window it counts in. ``idle`` is the idle time-out in
    microseconds, ``most`` how many flows there may be at once; ``evicted`` counts those that had to
    be ended for that. Tables of untagged or VLAN-tagged TCP and UDP outside of tunnels are in
    ``version4`` and ``version6``, keyed by ``protocol << 12 | vlan``, so that a reader may look
    there before it decodes a packet in full. ``domains`` knows addresses' names, where flows are to have them.
    """

    def __init__(
        self,
        observation: Observation,
        idle: int,
        most: int,
        dissector: Dissector,
        put: Callable[[Flow, int], None],
        domains: Domains | None = None,
    ) -> None:
        self.version4: dict[int, Table] = {}
        self.version6: dict[int, Table] = {}
        self._others: dict[tuple[int, int, int, str, int], Table] = {}
        # The first of a plain dict is found behind the places of all that were first before it.
        self._flows: OrderedDict[FlowState, None] = OrderedDict()
        self._fragments: dict[bytes, Half] = {}
        self._older_fragments: dict[bytes, Half] = {}
        self._twins: dict[str, int] = {}
        self._twins_at = -1
        self._observation = observation
        self._idle = idle
        self._most = most
        self.evicted = 0
        self._dissector = dissector
        self._put = put
        self._domains = domains

    def __len__(self) -> int:
        return len(self._flows)

    def find(self, header: Header) -> Half | None:
        """The direction this packet belongs to, if its flow is known."""
        if header.later:
            half = self._fragments.get(header.fragment) or self._older_fragments.get(header.fragment)
            if half is not None and not half.flow.ended:
                return half
        half = self._table(header).get(header.source + header.destination + header.ports)
        if half is not None and header.fragment and not header.later:
            self._expect_fragments(header, half)
        return half

    def begin(self, header: Header, time: int, window: int, link: int, buffer: bytes, start: int) -> Half:
        """Make a flow of its first packet, and return the direction of its source."""
        if len(self._flows) >= self._most:
            self.end(next(iter(self._flows)), window, "resources")
            self.evicted += 1
        table = self._table(header)
        source, destination, ports = header.source, header.destination, header.ports
        forward = source + destination + ports
        reverse = forward if header.one_way else destination + source + ports[2:] + ports[:2]
        flow = FlowState(header, time, table, forward, reverse)
        flow.community_id = community_id(header.protocol, source, destination, ports, one_way=header.one_way)
        flow.flow_id = self._flow_id(flow.community_id, time)
        frame = header.tunnel.frame if header.tunnel else 0
        if link == ETHERNET or frame:
            at = start + frame
            flow.destination_mac = buffer[at : at + 6].hex(":")
            flow.source_mac = buffer[at + 6 : at + 12].hex(":")
        if self._domains is not None:
            flow.source_domain = self._domains.find(source, destination, time)
            flow.destination_domain = self._domains.find(destination, source, time)
            # An answer that nobody asked for is not believed.
            flow.destination.answers = header.protocol == UDP and ports[2:] == _DNS
        table[reverse] = flow.destination
        table[forward] = flow.source
        self._flows[flow] = None
        if header.fragment and not header.later:
            self._expect_fragments(header, flow.source)
        return flow.source

    def end(self, flow: FlowState, window: int, reason: str) -> None:
        """Report a flow for the last time and forget it."""
        if flow.dissection is not None:
            self.settle(flow)
        self._put(self._record(flow, "final", reason), window)
        flow.ended = True
        del self._flows[flow]
        del flow.table[flow.forward]
        if flow.reverse != flow.forward:
            del flow.table[flow.reverse]
        if not flow.table:
            # Tunnels come and go, each with a number of its own.
            tables, key = self._place(flow.header)
            del tables[key]
        # Its directions know it: in a ring it would be held for as long as the cycle collector leaves it, hours.
        del flow.source, flow.destination

    def settle(self, flow: FlowState) -> None:
        """Take nDPI's last word on a flow."""
        flow.application = self._dissector.end(flow.dissection)
        flow.dissection = None

    def sweep(self, now: int, window: int) -> None:
        """End the flows that are idle, or closed for a while, at this time; to be called every few seconds."""
        idle, closed = now - self._idle, now - LINGER
        for flow in [flow for flow in self._flows if flow.last <= closed and (flow.last <= idle or flow.over)]:
            self.end(flow, window, "end" if flow.over else "idle")
        self._forget_fragments()

    def report(self, window: int) -> None:
        """Report every flow that had packets since its last record."""
        for flow in self._flows:
            reported = flow.reported
            if flow.source.packets != reported[0] or flow.destination.packets != reported[1]:
                if flow.dissection is not None:
                    flow.application = self._dissector.so_far(flow.dissection)
                self._put(self._record(flow, "update", ""), window)

    def end_all(self, window: int) -> None:
        """End every flow, because the capture ends."""
        for flow in list(self._flows):
            self.end(flow, window, "end" if flow.over else "forced")

    def release(self) -> None:
        """Give back what nDPI holds of flows that were never ended."""
        for flow in self._flows:
            if flow.dissection is not None:
                self.settle(flow)
        self._flows.clear()

    def _expect_fragments(self, header: Header, half: Half) -> None:
        if len(self._fragments) >= self._most:
            self._forget_fragments()
        self._fragments[header.fragment] = half

    def _forget_fragments(self) -> None:
        self._older_fragments, self._fragments = self._fragments, {}

    def _place(self, header: Header) -> tuple[dict[Any, Table], Any]:
        """Where the table of a packet is, and its key."""
        _, version, protocol, *_ = header
        if header.ports and protocol in {TCP, UDP} and not header.tunnel and not may_carry_packets(header):
            return self.version4 if version == 4 else self.version6, protocol << 12 | header.vlan
        tunnel = header.tunnel
        name, network = (tunnel.name, tunnel.network) if tunnel else ("", 0)
        return self._others, (version, protocol, header.vlan, name, network)

    def _table(self, header: Header) -> Table:
        tables, key = self._place(header)
        table = tables.get(key)
        if table is None:
            table = tables[key] = Table()
        return table

    def _flow_id(self, community: str, start: int) -> str:
        """A flow's id; flows of one community id that begin at the same microsecond are numbered."""
        if start != self._twins_at:
            self._twins.clear()
            self._twins_at = start
        ordinal = self._twins.get(community, 0)
        self._twins[community] = ordinal + 1
        return digest(self._observation.identity, community, start, ordinal)

    def _record(self, flow: FlowState, kind: Any, reason: str) -> Flow:
        header, application, observation = flow.header, flow.application, self._observation
        source, destination = flow.source, flow.destination
        reported = flow.reported
        flow.reported = (
            source.packets,
            destination.packets,
            source.bytes,
            destination.bytes,
            source.retransmissions,
            destination.retransmissions,
        )
        family, tunnel = _family(header.version), header.tunnel
        has_ports = bool(header.ports) and header.protocol not in {1, 58}
        sequence = flow.sequence
        flow.sequence += 1
        # By their places in the record, which is several times as fast as by their names.
        return Flow(
            digest(observation.identity, flow.flow_id, sequence),
            flow.last,
            observation.node,
            observation.observation_point,
            flow.community_id,
            inet_ntop(family, header.source),
            inet_ntop(family, header.destination),
            int.from_bytes(header.ports[:2], "big") if has_ports else 0,
            int.from_bytes(header.ports[2:], "big") if has_ports else 0,
            TRANSPORTS.get(header.protocol) or f"protocol-{header.protocol}",
            header.protocol,
            header.vlan,
            kind,
            sequence,
            flow.flow_id,
            flow.start,
            flow.last,
            header.version,
            flow.source_mac,
            flow.destination_mac,
            tunnel.name if tunnel else "",
            inet_ntop(_family(tunnel.version), tunnel.source) if tunnel else "",
            inet_ntop(_family(tunnel.version), tunnel.destination) if tunnel else "",
            tunnel.identity if tunnel else 0,
            application.name,
            application.category,
            application.server_name,
            application.client_fingerprint,
            application.server_fingerprint,
            application.user_agent,
            flow.state,
            reason,
            source.flags,
            destination.flags,
            source.bytes - reported[2],
            destination.bytes - reported[3],
            source.packets - reported[0],
            destination.packets - reported[1],
            source.bytes,
            destination.bytes,
            source.packets,
            destination.packets,
            flow.setup_rtt,
            source.retransmissions - reported[4],
            destination.retransmissions - reported[5],
            source.retransmissions,
            destination.retransmissions,
            source.out_of_order,
            destination.out_of_order,
            source.zero_windows,
            destination.zero_windows,
            source.payload,
            destination.payload,
            source_domain=flow.source_domain,
            destination_domain=flow.destination_domain,
            risks=_risks(flow),
        )

    def __iter__(self) -> Iterator[FlowState]:
        return iter(self._flows)


def _family(version: int) -> int:
    return AF_INET if version == 4 else AF_INET6


def _risks(flow: FlowState) -> tuple[str, ...]:
    """What nDPI finds wrong; it is shown few packets, so of what it calls one-way the counts know better."""
    found = flow.application.risks
    if _ONE_WAY in found and flow.destination.packets:
        return tuple(risk for risk in found if risk != _ONE_WAY)
    return tuple(found)
