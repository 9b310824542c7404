"""Which hosts the demo network has, their addresses, and the names its DNS server knows.

Clients and internal servers live in 10.20.0.0/16 and 2001:db8:20::/64 behind one router; the servers beyond it use
the documentation prefixes of RFC 5737 and RFC 3849. The capture is taken on the router's LAN bridge, which sees every
frame of the LAN exactly once.
"""

from dataclasses import dataclass
from ipaddress import ip_interface

ROUTER = "router"
LAN = "lan"
WAN = "wan"

LAN_GATEWAYS = ("10.20.0.1/16", "2001:db8:20::1/64")
WAN_GATEWAYS = ("192.0.2.1/24", "198.51.100.1/24", "203.0.113.1/24", "2001:db8:80::1/64")

DNS_SERVER = "10.20.0.53"
VOICE_VLAN = 30
SPOOFED_SOURCE = "203.0.113.67"
"""Source address of the SYN burst: nobody has it, and the router drops what is sent back to it."""


@dataclass(frozen=True, kw_only=True)
class DemoHost:
    """One host: a network namespace with one Ethernet interface.

    ``segment`` is the router's bridge it hangs on; ``addresses`` carry their prefix length; ``voice`` is an address
    on the tagged voice VLAN, for hosts that live there and nowhere else.
    """

    name: str
    segment: str
    mac: str
    addresses: tuple[str, ...] = ()
    voice: str | None = None

    @property
    def gateways(self) -> tuple[str, ...]:
        """Return the router's addresses (no prefix length) that this host sends through."""
        networks = {ip_interface(address).network for address in self.addresses}
        offered = map(ip_interface, LAN_GATEWAYS if self.segment == LAN else WAN_GATEWAYS)
        return tuple(str(gateway.ip) for gateway in offered if gateway.network in networks)


HOSTS: tuple[DemoHost, ...] = (
    DemoHost(name="dns", segment=LAN, mac="02:20:00:00:00:53", addresses=("10.20.0.53/16", "2001:db8:20::53/64")),
    DemoHost(name="switch", segment=LAN, mac="02:20:00:00:00:09", addresses=("10.20.0.9/16",)),
    DemoHost(name="monitor", segment=LAN, mac="02:20:00:00:00:14", addresses=("10.20.0.14/16", "2001:db8:20::14/64")),
    DemoHost(name="bastion", segment=LAN, mac="02:20:00:00:00:22", addresses=("10.20.0.22/16",)),
    DemoHost(name="intranet", segment=LAN, mac="02:20:00:00:00:80", addresses=("10.20.0.80/16",)),
    DemoHost(name="laptop-1", segment=LAN, mac="02:20:00:00:01:11", addresses=("10.20.1.11/16", "2001:db8:20::111/64")),
    DemoHost(name="laptop-2", segment=LAN, mac="02:20:00:00:01:12", addresses=("10.20.1.12/16", "2001:db8:20::112/64")),
    DemoHost(name="desktop-3", segment=LAN, mac="02:20:00:00:01:13", addresses=("10.20.1.13/16",)),
    DemoHost(name="desktop-4", segment=LAN, mac="02:20:00:00:01:66", addresses=("10.20.1.66/16",)),
    DemoHost(name="phone", segment=LAN, mac="02:30:00:00:00:41", voice="10.30.0.41/24"),
    DemoHost(name="pbx", segment=LAN, mac="02:30:00:00:00:05", voice="10.30.0.5/24"),
    DemoHost(name="www", segment=WAN, mac="02:80:00:00:00:10", addresses=("192.0.2.10/24", "2001:db8:80::10/64")),
    DemoHost(name="shop", segment=WAN, mac="02:80:00:00:00:43", addresses=("192.0.2.43/24",)),
    DemoHost(name="ocsp", segment=WAN, mac="02:80:00:00:00:44", addresses=("192.0.2.44/24",)),
    DemoHost(name="downloads", segment=WAN, mac="02:80:00:00:01:20", addresses=("198.51.100.20/24",)),
    DemoHost(name="nas", segment=WAN, mac="02:80:00:00:01:61", addresses=("198.51.100.61/24",)),
    DemoHost(name="old", segment=WAN, mac="02:80:00:00:01:62", addresses=("198.51.100.62/24",)),
    DemoHost(name="outsider", segment=WAN, mac="02:80:00:00:02:66", addresses=("203.0.113.66/24",)),
)

ADDRESS_RECORDS: tuple[tuple[str, ...], ...] = (
    ("dns.example.net", "10.20.0.53", "2001:db8:20::53"),
    ("switch.example.net", "10.20.0.9"),
    ("monitor.example.net", "10.20.0.14"),
    ("bastion.example.net", "10.20.0.22"),
    ("intranet.example.net", "10.20.0.80"),
    ("www.example.com", "192.0.2.10", "2001:db8:80::10"),
    ("shop.example.com", "192.0.2.43"),
    ("ocsp.example.com", "192.0.2.44"),
    ("mail.example.com", "192.0.2.25"),
    ("downloads.example.org", "198.51.100.20"),
    ("nas.example.net", "198.51.100.61"),
    ("old.example.org", "198.51.100.62"),
    ("camera.duckdns.org", "203.0.113.101"),
    ("office.no-ip.org", "203.0.113.102"),
    ("printer.dyndns.org", "203.0.113.103"),
    ("garage.ddns.net", "203.0.113.104"),
    ("webcam.hopto.org", "203.0.113.105"),
)
"""A name with its A and AAAA answers; the server answers the PTR queries of these addresses too."""
