"""Checks of networks: the subnets that hosts are counted in."""

from ipaddress import ip_network

from tapline.checks import Entity, Gui, NetworkCheck, Patience
from tapline.checks.gui import ThresholdInput, Unit


def form(title: str, unit: Unit) -> Gui:
    """A form with an operator and a threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit=unit, minimum=0),))


class NetworkIngress(NetworkCheck):
    """Bytes that a network's hosts received in the period."""

    name = "network_ingress"
    gui = form("Bytes received", "bytes")
    default_enabled = False
    category = "network"
    meter = "bytes_in"
    unit = "bytes"
    min = five_minutes = hour = day = NetworkCheck.compare


class NetworkEgress(NetworkCheck):
    """Bytes that a network's hosts sent in the period."""

    name = "network_egress"
    gui = form("Bytes sent", "bytes")
    default_enabled = False
    category = "network"
    meter = "bytes_out"
    unit = "bytes"
    min = five_minutes = hour = day = NetworkCheck.compare


class NetworkIssues(NetworkCheck):
    """Share of TCP packets in a network that had to be sent again, in percent."""

    name = "network_issues"
    gui = form("TCP issues of a network", "%")
    default_enabled = False
    category = "network"
    score = 50
    meter = "retransmissions"
    reads = ("tcp_packets_sent", "retransmissions_sent")
    unit = "%"
    five_minutes = NetworkCheck.compare
    default_value = "network_issues;gt;15"

    def measured(self, entity: Entity) -> float | None:
        packets = entity.value("tcp_packets_sent")
        return entity.value("retransmissions_sent") / packets * 100 if packets > 1000 else None


class NetworkDiscovery(NetworkCheck):
    """Somebody asks a network's hosts by ICMP, as one does who wants to know which are there."""

    name = "network_discovery"
    gui = form("Network discovery", "packets/s")
    default_enabled = False
    score = 50
    meter = "server_icmp_packets_per_second"
    unit = "packets/s"
    min = NetworkCheck.compare
    default_value = "network_discovery;gt;20"


class BroadcastDomainTooLarge(NetworkCheck):
    """More hosts of a network broadcast in five minutes than a broadcast domain should hold."""

    name = "broadcast_domain_too_large"
    groups = ("Subnets", "Subnet Contacts")
    gui = form("Broadcast domain too large", "hosts")
    category = "network"
    score = 50
    meter = "broadcast_hosts"
    unit = "hosts"
    five_minutes = NetworkCheck.compare
    default_value = "broadcast_domain_too_large;gt;200"


class GhostNetworks(NetworkCheck):
    """Hosts broadcast with addresses of a network that is none of one's own."""

    name = "ghost_networks"
    groups = ("Subnets", "Subnet Contacts")
    gui = Gui(title="Ghost network")
    category = "network"
    score = 50
    patience = Patience(clear_runs=3)

    def min(self, entity: Entity) -> None:
        hosts = entity.value("broadcast_hosts")
        if hosts and not entity.is_local and not ip_network(entity.name).is_multicast:
            self.trigger(entity, self.type_info(f"{hosts:g} hosts of {entity.name} broadcast here", value=hosts))
