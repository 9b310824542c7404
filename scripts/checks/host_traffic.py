"""Thresholds on what a host does in a period. They are off until somebody sets a threshold."""

from tapline.checks import Entity, Gui, HostCheck
from tapline.checks.gui import ThresholdInput, Unit


def form(title: str, unit: Unit) -> Gui:
    """A form with an operator and a threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit=unit, minimum=0),))


class HostBytes(HostCheck):
    """Bytes that a host sent and received in the period."""

    name = "host_bytes"
    gui = form("Bytes", "bytes")
    local_only = True
    default_enabled = False
    category = "network"
    meter = "bytes"
    unit = "bytes"
    min = five_minutes = hour = day = HostCheck.compare


class HostPackets(HostCheck):
    """Packets that a host sent and received in the period."""

    name = "host_packets"
    gui = form("Packets", "packets")
    local_only = True
    default_enabled = False
    category = "network"
    meter = "packets"
    unit = "packets"
    min = five_minutes = hour = day = HostCheck.compare


class HostFlows(HostCheck):
    """Flows of a host that began in the period."""

    name = "host_flows"
    gui = form("Flows", "flows")
    local_only = True
    default_enabled = False
    category = "network"
    meter = "new_flows"
    unit = "flows"
    min = five_minutes = hour = day = HostCheck.compare


class HostThroughput(HostCheck):
    """Mean throughput of a host in the period, in Mbit/s."""

    name = "host_throughput"
    gui = form("Throughput", "mbits")
    local_only = True
    default_enabled = False
    category = "network"
    meter = "throughput"
    reads = ("bytes",)
    unit = "Mbit/s"
    min = five_minutes = hour = day = HostCheck.compare

    def measured(self, entity: Entity) -> float:
        return entity.rate("bytes") * 8 / 1e6


class HostDnsRequests(HostCheck):
    """DNS requests that a host sent in the period."""

    name = "host_dns_requests"
    gui = form("DNS requests", "packets")
    local_only = True
    default_enabled = False
    category = "network"
    meter = "client_dns_requests"
    unit = "packets"
    min = five_minutes = hour = day = HostCheck.compare


class HostRemoteAccess(HostCheck):
    """A host is controlled from elsewhere, over SSH, RDP, VNC or the like."""

    name = "remote_connection"
    gui = form("Remote access", "seconds")
    local_only = True
    default_enabled = False
    default_value = "remote_connection;gt;0"
    meter = "server_remote_access_seconds"
    unit = "seconds"
    min = HostCheck.compare


class HostRetransmissions(HostCheck):
    """Share of TCP packets that a host had to send again, in percent."""

    name = "host_retransmissions"
    gui = form("Retransmissions", "%")
    local_only = True
    default_enabled = False
    category = "network"
    default_value = "host_retransmissions;gt;15"
    meter = "retransmissions"
    reads = ("tcp_packets_sent", "retransmissions_sent")
    unit = "%"
    five_minutes = hour = HostCheck.compare

    def measured(self, entity: Entity) -> float | None:
        packets = entity.value("tcp_packets_sent")
        return entity.value("retransmissions_sent") / packets * 100 if packets > 100 else None


class HostUnansweredUdp(HostCheck):
    """UDP flows of a host that ended without a reply."""

    name = "host_unanswered_udp"
    gui = form("Unanswered UDP", "flows")
    local_only = True
    default_enabled = False
    default_value = "host_unanswered_udp;gt;256"
    meter = "client_udp_one_way"
    unit = "flows"
    min = HostCheck.compare
