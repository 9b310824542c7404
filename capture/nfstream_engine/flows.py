"""The flow cache: which packets belong together, and the records that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Final, NamedTuple

from capture.community_id import community_id
from capture.enrichment.domains import Domains
from capture.nfstream_engine.dissector import Application, Dissector
from capture.packets.decode import ETHERNET, TCP, UDP, Header, may_carry_packets
from capture.packets.dns import PORT as DNS_PORT
from capture.source import Observation
from topics.partitions import digest
from topics.records import Flow

LINGER: Final = 5_000_000
"""How long, in microseconds, a closed TCP flow waits for packets that are still on their way."""

_UNSEEN: Final = Application(name="Unknown", category="Unspecified")
"""What nDPI would say of a flow it has not been shown, as one of fragments alone."""

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

TRANSPORTS: Final = {
    0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipv4", 6: "tcp", 8: "egp", 9: "igp", 17: "udp", 27: "rdp", 33: "dccp",
    41: "ipv6", 43: "ipv6-route", 44: "ipv6-frag", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp",
    59: "ipv6-nonxt", 60: "ipv6-opts", 88: "eigrp", 89: "ospf", 94: "ipip", 97: "etherip", 98: "encap", 103: "pim",
    108: "ipcomp", 112: "vrrp", 115: "l2tp", 124: "isis", 132: "sctp", 133: "fc", 136: "udplite", 137: "mpls-in-ip",
}  # fmt: skip


_DNS: Final = DNS_PORT.to_bytes(2, "big")
_ONE_WAY: Final = "unidirectional_traffic"


class Gap(NamedTuple):
    """A range of sequence numbers that was left out when a later one was seen, and when that was."""

    start: int
    end: int
    opened: int


class Half:
    """One direction of a flow: what was counted, and the TCP flags seen.

    ``payload`` is how many of the bytes TCP or UDP carried. ``following`` is the TCP sequence number
    that comes next, -1 before the first segment; ``gaps`` are the ranges before it that were not seen
    (:mod:`capture.nfstream_engine.segments`). ``answers`` says that it is a name server's, whose answers are read.
    """

    __slots__ = (
        "answers",
        "bytes",
        "flags",
        "flow",
        "following",
        "gaps",
        "out_of_order",
        "packets",
        "payload",
        "retransmissions",
        "zero_windows",
    )

    def __init__(self, flow: FlowState) -> None:
        self.flow = flow
        self.packets = 0
        self.bytes = 0
        self.payload = 0
        self.flags = 0
        self.following = -1
        self.gaps: list[Gap] | None = None
        self.retransmissions = 0
        self.out_of_order = 0
        self.zero_windows = 0
        self.answers = False


class Table(dict[bytes, Half]):
    """Directions by addresses and ports, of packets alike in everything else."""


class FlowState:
    """A flow in the cache.

    ``dissection`` is nDPI's state of it while it still looks; ``syn`` when its source asked last for a
    connection, 0 where that was not seen, and ``setup_rtt`` how long the handshake took from then. ``source_domain``
    and ``destination_domain`` are the names that were known when it began.
    """

    __slots__ = (
        "application",
        "community_id",
        "destination",
        "destination_domain",
        "destination_mac",
        "dissection",
        "ended",
        "flow_id",
        "forward",
        "header",
        "last",
        "reported",
        "reverse",
        "sequence",
        "setup_rtt",
        "source",
        "source_domain",
        "source_mac",
        "start",
        "syn",
        "table",
    )

    def __init__(self, header: Header, time: int, table: Table, forward: bytes, reverse: bytes) -> None:
        self.header = header
        self.start = time
        self.last = time
        self.table = table
        self.forward = forward
        self.reverse = reverse
        self.source = Half(self)
        self.destination = Half(self)
        self.community_id = ""
        self.flow_id = ""
        self.source_mac = ""
        self.destination_mac = ""
        self.source_domain = ""
        self.destination_domain = ""
        self.dissection: Any = None
        self.application = _UNSEEN
        self.sequence = 0
        self.reported = (0, 0, 0, 0, 0, 0)
        self.ended = False
        self.syn = 0
        self.setup_rtt = 0

    @property
    def over(self) -> bool:
        """True when TCP has ended the flow: FIN both ways, or RST."""
        source, destination = self.source.flags, self.destination.flags
        return bool((source | destination) & RST or source & destination & FIN)

    @property
    def state(self) -> str:
        """The TCP state, as in :class:`~topics.records.Flow`."""
        if self.header.protocol != TCP:
            return ""
        source, destination = self.source.flags, self.destination.flags
        if source & destination & FIN:
            return "closed"
        if (source | destination) & RST:
            return "reset"
        if (source | destination) & FIN:
            return "closing"
        if source == SYN and not destination:
            return "syn"
        if source & SYN and destination & SYN and not source & ACK:
            return "syn-ack"
        return "established"


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
        self._flows: dict[FlowState, None] = {}
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
            self._fragments[header.fragment] = half
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
            self._fragments[header.fragment] = flow.source
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

    def settle(self, flow: FlowState) -> None:
        """Take nDPI's last word on a flow."""
        flow.application = self._dissector.end(flow.dissection)
        flow.dissection = None

    def sweep(self, now: int, window: int) -> None:
        """End the flows that are idle, or closed for a while, at this time; to be called every few seconds."""
        idle, closed = now - self._idle, now - LINGER
        for flow in [flow for flow in self._flows if flow.last <= closed and (flow.last <= idle or flow.over)]:
            self.end(flow, window, "end" if flow.over else "idle")
        self._older_fragments, self._fragments = self._fragments, {}

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

    def _table(self, header: Header) -> Table:
        _, version, protocol, *_ = header
        tables: dict[Any, Table]
        key: Any
        if header.ports and protocol in {TCP, UDP} and not header.tunnel and not may_carry_packets(header):
            tables, key = self.version4 if version == 4 else self.version6, protocol << 12 | header.vlan
        else:
            tunnel = header.tunnel
            name, network = (tunnel.name, tunnel.network) if tunnel else ("", 0)
            tables, key = self._others, (version, protocol, header.vlan, name, network)
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
