"""Floods and scans, seen from who does it and from who suffers it.

A flood's rate is sustained: the highest that each of three seconds in a row had. Defaults are ntopng's.
"""

from tapline.checks import Entity, Gui, HostCheck, NetworkCheck
from tapline.checks.gui import ThresholdInput, Unit


def form(title: str, unit: Unit) -> Gui:
    """A form with one threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit=unit, minimum=1, fixed_operator="gt"),))


class SynFloodAttacker(HostCheck):
    """A host sends more SYN a second than it should."""

    name = "syn_flood_attacker"
    gui = form("SYN flood attacker", "syn/s")
    meter = "client_syn_per_second"
    unit = "syn/s"
    min = HostCheck.compare
    default_value = "syn_flood_attacker;gt;256"


class SynFloodVictim(HostCheck):
    """A host gets more SYN a second than it should."""

    name = "syn_flood_victim"
    gui = form("SYN flood victim", "syn/s")
    meter = "server_syn_per_second"
    unit = "syn/s"
    min = HostCheck.compare
    default_value = "syn_flood_victim;gt;256"


class FlowFloodAttacker(HostCheck):
    """A host begins more flows a second than it should."""

    name = "flow_flood_attacker"
    gui = form("Flow flood attacker", "flow/s")
    meter = "client_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "flow_flood_attacker;gt;256"


class FlowFloodVictim(HostCheck):
    """More flows a second begin at a host than should."""

    name = "flow_flood_victim"
    gui = form("Flow flood victim", "flow/s")
    meter = "server_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "flow_flood_victim;gt;256"


class IcmpFloodAttacker(HostCheck):
    """A host sends more ICMP packets a second than it should."""

    name = "icmp_flood_attacker"
    gui = form("ICMP flood attacker", "packets/s")
    meter = "client_icmp_packets_per_second"
    unit = "packets/s"
    min = HostCheck.compare
    default_value = "icmp_flood_attacker;gt;250"


class IcmpFloodVictim(HostCheck):
    """A host gets more ICMP packets a second than it should."""

    name = "icmp_flood_victim"
    gui = form("ICMP flood victim", "packets/s")
    meter = "server_icmp_packets_per_second"
    unit = "packets/s"
    min = HostCheck.compare
    default_value = "icmp_flood_victim;gt;250"


class DnsFloodAttacker(HostCheck):
    """A host asks DNS servers more often a second than it should."""

    name = "dns_flood_attacker"
    gui = form("DNS flood attacker", "flow/s")
    default_enabled = False
    meter = "client_dns_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "dns_flood_attacker;gt;250"


class DnsFloodVictim(HostCheck):
    """A DNS server is asked more often a second than it should."""

    name = "dns_flood_victim"
    gui = form("DNS flood victim", "flow/s")
    default_enabled = False
    meter = "server_dns_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "dns_flood_victim;gt;250"


class SnmpFloodAttacker(HostCheck):
    """A host begins more SNMP flows a second than it should."""

    name = "snmp_flood_attacker"
    gui = form("SNMP flood attacker", "flow/s")
    default_enabled = False
    meter = "client_snmp_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "snmp_flood_attacker;gt;250"


class SnmpFloodVictim(HostCheck):
    """More SNMP flows a second begin at a host than should."""

    name = "snmp_flood_victim"
    gui = form("SNMP flood victim", "flow/s")
    default_enabled = False
    meter = "server_snmp_flows_per_second"
    unit = "flow/s"
    min = HostCheck.compare
    default_value = "snmp_flood_victim;gt;250"


class SynScanAttacker(HostCheck):
    """SYN that a host sent in a minute and that got no SYN-ACK."""

    name = "syn_scan_attacker"
    gui = form("SYN scan attacker", "syn/min")
    meter = "unanswered SYN"
    unit = "syn/min"
    min = HostCheck.compare
    default_value = "syn_scan_attacker;gt;256"

    def measured(self, entity: Entity) -> float:
        return entity.value("client_tcp_syn") - entity.value("client_tcp_answered")


class SynScanVictim(HostCheck):
    """SYN that a host got in a minute and did not answer with a SYN-ACK."""

    name = "syn_scan_victim"
    gui = form("SYN scan victim", "syn/min")
    meter = "unanswered SYN"
    unit = "syn/min"
    min = HostCheck.compare
    default_value = "syn_scan_victim;gt;256"

    def measured(self, entity: Entity) -> float:
        return entity.value("server_tcp_syn") - entity.value("server_tcp_answered")


class FinScanAttacker(HostCheck):
    """FIN that a host sent in a minute on connections that never were."""

    name = "fin_scan_attacker"
    gui = form("FIN scan attacker", "packets")
    default_enabled = False
    meter = "client_tcp_fin_scan"
    unit = "packets"
    min = HostCheck.compare
    default_value = "fin_scan_attacker;gt;256"


class FinScanVictim(HostCheck):
    """FIN that a host got in a minute on connections that never were."""

    name = "fin_scan_victim"
    gui = form("FIN scan victim", "packets")
    default_enabled = False
    meter = "server_tcp_fin_scan"
    unit = "packets"
    min = HostCheck.compare
    default_value = "fin_scan_victim;gt;256"


class RstScanAttacker(HostCheck):
    """Connections of a host that were reset in a minute, as when it tries closed ports."""

    name = "rst_scan_attacker"
    gui = form("RST scan attacker", "packets")
    default_enabled = False
    meter = "rst_received"
    unit = "packets"
    min = HostCheck.compare
    default_value = "rst_scan_attacker;gt;256"


class RstScanVictim(HostCheck):
    """Connections that a host reset in a minute, as when its closed ports are tried."""

    name = "rst_scan_victim"
    gui = form("RST scan victim", "packets")
    default_enabled = False
    meter = "rst_sent"
    unit = "packets"
    min = HostCheck.compare
    default_value = "rst_scan_victim;gt;256"


class ScanDetection(HostCheck):
    """Flows of a host that ended in a minute without an answer."""

    name = "scan_detection"
    gui = form("Scan", "flows")
    default_enabled = False
    meter = "flows without an answer"
    unit = "flows"
    min = HostCheck.compare
    default_value = "scan_detection;gt;32"

    def measured(self, entity: Entity) -> float:
        return entity.value("client_tcp_unanswered") + entity.value("client_tcp_refused")


class NetworkSynFloodVictim(NetworkCheck):
    """A network's hosts get more SYN a second than they should."""

    name = "network_syn_flood_victim"
    gui = form("SYN flood of a network", "syn/s")
    default_enabled = False
    meter = "server_syn_per_second"
    unit = "syn/s"
    min = NetworkCheck.compare
    default_value = "network_syn_flood_victim;gt;32768"


class NetworkFlowFloodVictim(NetworkCheck):
    """More flows a second begin at a network's hosts than should."""

    name = "network_flow_flood_victim"
    gui = form("Flow flood of a network", "flow/s")
    default_enabled = False
    meter = "server_flows_per_second"
    unit = "flow/s"
    min = NetworkCheck.compare
    default_value = "network_flow_flood_victim;gt;32768"


class NetworkSynScanVictim(NetworkCheck):
    """SYN that a network's hosts got in a minute and did not answer with a SYN-ACK."""

    name = "network_syn_scan_victim"
    gui = form("SYN scan of a network", "syn/min")
    default_enabled = False
    meter = "unanswered SYN"
    unit = "syn/min"
    min = NetworkCheck.compare
    default_value = "network_syn_scan_victim;gt;32768"

    def measured(self, entity: Entity) -> float:
        return entity.value("server_tcp_syn") - entity.value("server_tcp_answered")
