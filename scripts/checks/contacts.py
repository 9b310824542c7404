"""How many others a host talks to: more than usual is how malware looks for its like, or for its master."""

from tapline.checks import Gui, HostCheck
from tapline.checks.gui import ThresholdInput


def form(title: str) -> Gui:
    """A form with one threshold."""
    return Gui(title=title, inputs=(ThresholdInput(unit="hosts", minimum=1, fixed_operator="gt"),))


class CountriesContacts(HostCheck):
    """A host talks to many countries."""

    name = "countries_contacts"
    groups = ("Hosts", "Contacts")
    gui = form("Countries contacted")
    local_only = True
    default_enabled = False
    default_value = "countries_contacts;gt;100"
    score = 10
    meter = "countries"
    five_minutes = HostCheck.compare


class DomainNamesContacts(HostCheck):
    """A host asks for many domains."""

    name = "domain_names_contacts"
    groups = ("Hosts", "Contacts")
    gui = form("Domains contacted")
    local_only = True
    default_enabled = False
    default_value = "domain_names_contacts;gt;250"
    score = 10
    meter = "domain_names"
    five_minutes = HostCheck.compare


class DnsContacts(HostCheck):
    """A host asks many DNS servers."""

    name = "dns_contacts"
    groups = ("Hosts", "Contacts")
    gui = form("DNS servers contacted")
    local_only = True
    default_enabled = False
    default_value = "dns_contacts;gt;5"
    score = 10
    meter = "dns_servers"
    five_minutes = HostCheck.compare


class NtpContacts(HostCheck):
    """A host asks many time servers."""

    name = "ntp_contacts"
    groups = ("Hosts", "Contacts")
    gui = form("NTP servers contacted")
    local_only = True
    default_enabled = False
    default_value = "ntp_contacts;gt;5"
    score = 10
    meter = "ntp_servers"
    five_minutes = HostCheck.compare


class SmtpContacts(HostCheck):
    """A host talks to many mail servers, as one does that sends spam."""

    name = "smtp_contacts"
    groups = ("Hosts", "Contacts")
    gui = form("SMTP servers contacted")
    local_only = True
    default_enabled = False
    default_value = "smtp_contacts;gt;5"
    score = 10
    meter = "smtp_servers"
    five_minutes = HostCheck.compare


class PortsContacted(HostCheck):
    """A host tries many ports, as a vertical scan does."""

    name = "ports_contacted"
    groups = ("Hosts", "Contacts")
    gui = form("Ports contacted")
    default_enabled = False
    default_value = "ports_contacted;gt;256"
    meter = "server_ports"
    min = HostCheck.compare


class ServersContacted(HostCheck):
    """A host tries many others, as a horizontal scan does."""

    name = "servers_contacted"
    groups = ("Hosts", "Contacts")
    gui = form("Servers contacted")
    default_enabled = False
    default_value = "servers_contacted;gt;512"
    meter = "servers"
    min = HostCheck.compare


class OwnPorts(HostCheck):
    """A host answers on more ports than it should."""

    name = "server_ports"
    groups = ("Hosts", "Contacts")
    gui = form("Ports on which a host answers")
    local_only = True
    default_enabled = False
    default_value = "server_ports;gt;50"
    meter = "own_ports"
    five_minutes = HostCheck.compare
