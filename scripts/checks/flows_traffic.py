"""How a flow goes: one way only, badly, for too long, with too much."""

from typing import ClassVar

from tapline import Params
from tapline.checks import FlowCheck, FlowStatus, Gui, Items, is_unicast, is_unicast_address
from tapline.checks.gui import DurationInput, ItemListInput, NumberInput, VolumeInput
from topics.records import Flow

RST = 0x04
"""The flag of a reset (RFC 9293)."""

ONE_WAY = frozenset({"MDNS", "Syslog", "DHCP", "DHCPV6", "RTP", "NetFlow", "sFlow", "SSDP", "LLMNR", "IGMP", "RTCP"})
"""Protocols that are not answered by their nature, by nDPI's names."""


def with_issues(flows: list[Flow]) -> list[Flow]:
    """The flows of which a segment was sent again or came out of order."""
    return [
        flow
        for flow in flows
        if flow.total_source_retransmissions
        or flow.total_source_out_of_order
        or flow.total_destination_retransmissions
        or flow.total_destination_out_of_order
    ]


class UdpUnidirectional(FlowCheck):
    """UDP that was sent to one host and not answered."""

    name = "udp_unidirectional"
    gui = Gui(title="UDP without an answer")
    category = "network"
    l4_proto = "UDP"
    score = 5
    client_share = 100

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if not flow.total_destination_packets]

    def flow_end(self, flow: Flow) -> None:
        if not flow.total_source_packets or not is_unicast(flow):
            return
        if flow.application.partition(".")[0] not in ONE_WAY:
            self.set_status(flow, info=f"{flow.total_source_packets} packets and no answer")


class WebMining(FlowCheck):
    """Cryptocurrency is mined."""

    name = "web_mining"
    gui = Gui(title="Mining")
    score = 50
    client_share = 80

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if "Mining" in flow.application or flow.application_category == "Mining"]

    def protocol_detected(self, flow: Flow) -> None:
        self.trigger_status(flow, info=flow.application)


class TcpIssues(FlowCheck):
    """Segments that were sent again or came out of order, on one side more than a tenth of its packets."""

    name = "tcp_issues_generic"
    gui = Gui(title="TCP issues", inputs=(NumberInput(param="percent", unit="%", minimum=1, maximum=100),))
    category = "network"
    l4_proto = "TCP"
    three_way_handshake_ok = True
    score = 10
    some = FlowStatus(name="tcp_issues", number=51, title="TCP issues", score=10)
    severe = FlowStatus(name="severe_tcp_issues", number=52, title="Severe TCP issues", score=20)

    class params(Params):
        """``percent`` of a side's packets; three times that is severe. ``least`` is how many it has to be."""

        percent: float = 10
        least: int = 10

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return with_issues(flows)

    def periodic_update(self, flow: Flow) -> None:
        sides = (
            (flow.total_source_retransmissions + flow.total_source_out_of_order, flow.total_source_packets),
            (
                flow.total_destination_retransmissions + flow.total_destination_out_of_order,
                flow.total_destination_packets,
            ),
        )
        worst = max((issues / packets * 100 for issues, packets in sides if issues > self.params.least), default=0.0)
        if worst > self.params.percent:
            status = self.severe if worst > 3 * self.params.percent else self.some
            self.set_status(flow, status, f"{worst:.0f} % of a side's packets")

    flow_end = periodic_update


class TcpPacketsIssues(FlowCheck):
    """Share of a TCP flow's packets that were sent again or out of order; off until somebody wants alerts of it."""

    name = "tcp_packets_issues"
    gui = Gui(title="TCP packets issues", inputs=(NumberInput(param="percent", unit="%", minimum=1, maximum=100),))
    category = "network"
    default_enabled = False
    l4_proto = "TCP"
    three_way_handshake_ok = True

    class params(Params):
        """``percent`` of all packets of the flow."""

        percent: float = 15

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in with_issues(flows) if flow.total_packets > 100]

    def flow_end(self, flow: Flow) -> None:
        packets = flow.total_packets
        again = flow.total_retransmissions
        disordered = flow.total_source_out_of_order + flow.total_destination_out_of_order
        if max(again, disordered) * 100 > self.params.percent * packets:
            self.trigger_status(flow, info=f"{again} sent again, {disordered} out of order, of {packets} packets")


class LowGoodput(FlowCheck):
    """Little of what a TCP flow sends is payload."""

    name = "low_goodput"
    gui = Gui(title="Low goodput", inputs=(NumberInput(param="percent", unit="%", minimum=1, maximum=100),))
    category = "network"
    l4_proto = "TCP"
    three_way_handshake_ok = True
    score = 10

    class params(Params):
        """``percent`` of the bytes at most that are payload, in a flow of ``seconds`` at least."""

        percent: float = 20
        seconds: int = 600
        exempt: tuple[str, ...] = ("SSH", "Telnet", "WhatsApp", "Telegram", "Signal", "IRC", "Jabber")

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        least = self.params.seconds * 1_000_000
        return [flow for flow in flows if flow.end - flow.start >= least]

    def periodic_update(self, flow: Flow) -> None:
        if not flow.total_bytes:
            return
        payload = flow.total_source_payload_bytes + flow.total_destination_payload_bytes
        percent = payload * 100 / flow.total_bytes
        if percent <= self.params.percent and not set(flow.application.split(".")) & set(self.params.exempt):
            self.set_status(flow, info=f"{percent:.0f} % of the bytes are payload")

    flow_end = periodic_update


class TcpFlowReset(FlowCheck):
    """A TCP flow was ended by a reset."""

    name = "tcp_flow_reset"
    gui = Gui(title="TCP flow reset")
    category = "network"
    default_enabled = False
    l4_proto = "TCP"
    score = 10

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if (flow.tcp_flags_source | flow.tcp_flags_destination) & RST]

    def flow_end(self, flow: Flow) -> None:
        self.trigger_status(flow, info="reset by the client" if flow.tcp_flags_source & RST else "reset by the server")


class TcpNoData(FlowCheck):
    """A TCP connection was made and carried nothing."""

    name = "tcp_no_data_exchanged"
    gui = Gui(title="TCP without data")
    category = "network"
    l4_proto = "TCP"
    three_way_handshake_ok = True
    score = 10

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [
            flow for flow in flows if not flow.total_source_payload_bytes and not flow.total_destination_payload_bytes
        ]

    def flow_end(self, flow: Flow) -> None:
        self.set_status(flow, info=f"{flow.total_packets} packets without data")


class ZeroTcpWindow(FlowCheck):
    """One side could not take any more: it announced a window of 0."""

    name = "zero_tcp_window"
    gui = Gui(title="Zero TCP window")
    category = "network"
    l4_proto = "TCP"
    score = 10

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if flow.total_source_zero_windows or flow.total_destination_zero_windows]

    def flow_end(self, flow: Flow) -> None:
        side = "client" if flow.total_source_zero_windows else "server"
        self.set_status(flow, info=f"announced by the {side}")


class LongLived(FlowCheck):
    """A flow goes on for longer than it should."""

    name = "long_lived"
    gui = Gui(title="Long-lived flow", inputs=(DurationInput(), ItemListInput(item="application")))
    default_enabled = False
    score = 50

    class params(Items):
        """``seconds`` are too long; ``items`` are applications that may, by nDPI's names."""

        seconds: int = 12 * 3600

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        most = self.params.seconds * 1_000_000
        return [flow for flow in flows if flow.end - flow.start > most]

    def periodic_update(self, flow: Flow) -> None:
        if not set(flow.application.split(".")) & set(self.params.items):
            self.trigger_status(flow, info=f"{flow.duration:.0f} seconds")

    flow_end = periodic_update


class ElephantFlows(FlowCheck):
    """A flow carries more than it should, from local to remote or back."""

    name = "elephant_flows"
    gui = Gui(title="Elephant flow", inputs=(VolumeInput(), ItemListInput(item="application")))
    default_enabled = False
    local_only = True
    category = "network"
    score = 50

    class params(Items):
        """``items`` are applications that may, by nDPI's names."""

        local_to_remote_bytes: int = 1_000_000_000
        remote_to_local_bytes: int = 5_000_000_000

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        least = min(self.params.local_to_remote_bytes, self.params.remote_to_local_bytes)
        return [flow for flow in flows if flow.total_source_bytes > least or flow.total_destination_bytes > least]

    def periodic_update(self, flow: Flow) -> None:
        params = self.params
        out, back = flow.total_source_bytes, flow.total_destination_bytes
        if not self.is_local(flow.source_ip):
            out, back = back, out
        if out <= params.local_to_remote_bytes and back <= params.remote_to_local_bytes:
            return
        if not set(flow.application.split(".")) & set(self.params.items):
            self.trigger_status(flow, info=f"{out:,} bytes from local to remote, {back:,} back")

    flow_end = periodic_update


class IcmpExfiltration(FlowCheck):
    """ICMP that carries more than echoes do: data may leave in it."""

    name = "icmp_data_exfiltration"
    gui = Gui(title="Data in ICMP", inputs=(NumberInput(param="bytes_a_packet", unit="bytes", minimum=64),))
    default_enabled = False
    client_share = 90

    class params(Params):
        """Frame bytes of the mean packet, and how many packets there have to be."""

        bytes_a_packet: int = 500
        packets: int = 20

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [flow for flow in flows if flow.transport in ("icmp", "ipv6-icmp")]

    def flow_end(self, flow: Flow) -> None:
        if flow.total_packets < self.params.packets:
            return
        mean = flow.total_bytes / flow.total_packets
        if mean > self.params.bytes_a_packet:
            self.trigger_status(flow, info=f"{mean:.0f} bytes a packet in {flow.total_packets} packets")

    periodic_update = flow_end


class BroadcastNonUdp(FlowCheck):
    """Broadcast or multicast by a protocol that has no business to."""

    name = "broadcast_non_udp_traffic"
    gui = Gui(title="Broadcast that is not UDP")
    expected = frozenset({"udp", "igmp", "icmp", "ipv6-icmp", "pim", "ospf", "vrrp", "ah", "esp", "eigrp"})

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return [
            flow
            for flow in flows
            if flow.transport not in self.expected and not is_unicast_address(flow.destination_ip)
        ]

    def protocol_detected(self, flow: Flow) -> None:
        self.trigger_status(flow, info=f"{flow.transport} to {flow.destination_ip}")


class VlanBidirectional(FlowCheck):
    """Traffic goes both ways in a VLAN that should carry one direction alone."""

    name = "vlan_bidirectional_traffic"
    gui = Gui(title="Both directions in a VLAN", inputs=(ItemListInput(item="text"),))
    default_enabled = False
    category = "network"

    class params(Items):
        """``items`` are the numbers of the VLANs."""

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        return flows if self.params.items else []

    def protocol_detected(self, flow: Flow) -> None:
        if str(flow.vlan_id) in self.params.items and flow.total_source_packets and flow.total_destination_packets:
            self.trigger_status(flow, info=f"VLAN {flow.vlan_id}")


class KnownProtocolUnknownPort(FlowCheck):
    """A protocol on a port that is not its own."""

    name = "known_proto_on_non_std_port"
    gui = Gui(title="Protocol on another port")
    default_enabled = False
    score = 50
    ports: ClassVar[dict[str, set[int]]] = {
        "HTTP": {80, 8080, 8000, 8008, 8888, 3128},
        "SSH": {22, 2222},
        "DNS": {53, 5353, 5355},
        "SMTP": {25, 587, 465},
        "FTP_CONTROL": {21},
        "Telnet": {23},
        "RDP": {3389},
        "MySQL": {3306},
        "SNMP": {161, 162},
    }

    def of_interest(self, flows: list[Flow]) -> list[Flow]:
        ports = self.ports
        return [flow for flow in flows if flow.application.partition(".")[0] in ports]

    def protocol_detected(self, flow: Flow) -> None:
        own = self.ports.get(flow.application.partition(".")[0])
        if own and flow.destination_port not in own and flow.source_port not in own:
            self.trigger_status(flow, info=f"{flow.application} on port {flow.destination_port}")
