"""What happens in the demo network, and when: one command on one host for each event."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tapline.demo import topology
from tapline.demo.certificates import DemoCertificates
from tapline.demo.servers import SNMP_COMMUNITY

START_SECOND = 40
"""The recording starts at this second of a minute, so that its events fall into the same 60 s windows each time."""

_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) DemoBrowser/1.0"
_PING_SECONDS = 15
_SESSION_COMMANDS = 34


@dataclass(frozen=True, kw_only=True)
class Event:
    """One command: ``at`` seconds after the start, on ``host``, ended after ``limit`` seconds at the latest.

    ``exits`` are the exit codes that are right; a 404 or a refused certificate is one of them where it is meant.
    """

    at: float
    host: str
    title: str
    command: tuple[str, ...]
    exits: tuple[int, ...] = (0,)
    limit: float = 15


def schedule(certificates: DemoCertificates, ssh_key: Path) -> list[Event]:
    """Return the events in order of time."""
    events = [
        *_background(ssh_key),
        *_names(),
        *_web(),
        *_tls(certificates),
        *_management(),
        *_attacks(),
    ]
    return sorted(events, key=lambda event: event.at)


def _event(at: float, host: str, title: str, *command: str, exits: tuple[int, ...] = (0,), limit: float = 15) -> Event:
    return Event(at=at, host=host, title=title, command=command, exits=exits, limit=limit)


def _dig(at: float, host: str, *question: str) -> Event:
    command = ("dig", "+tries=1", "+time=3", f"@{topology.DNS_SERVER}", *question)
    return _event(at, host, f"dig {' '.join(question)}", *command)


def _curl(at: float, host: str, url: str, *options: str, exits: tuple[int, ...] = (0,)) -> Event:
    shown = " ".join(option for option in options if not option.startswith("/"))
    command = ("curl", "-sS", "-o", "/dev/null", "--max-time", "10", *options, url)
    return _event(at, host, f"curl {shown} {url}".replace("  ", " "), *command, exits=exits)


def _wget(at: float, host: str, url: str, *, exits: tuple[int, ...] = (0,)) -> Event:
    return _event(at, host, f"wget {url}", "wget", "-q", "-O", "/dev/null", "-t", "1", "-T", "10", url, exits=exits)


def _urllib(at: float, host: str, url: str) -> Event:
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=10).read()"
    return _event(at, host, f"python urllib {url}", sys.executable, "-I", "-c", code)


def _ssh(at: float, host: str, title: str, key: Path, remote: str, *, limit: float) -> Event:
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    flags = tuple(word for option in options for word in ("-o", option))
    command = ("ssh", "-F", "none", "-i", str(key), *flags, "root@bastion.example.net", remote)
    return _event(at, host, title, *command, limit=limit)


def _background(ssh_key: Path) -> list[Event]:
    """Return the long sessions, and what recurs in each window."""
    session = f"for n in $(seq {_SESSION_COMMANDS}); do date; head -c 200 /dev/urandom | od -x; sleep 5; done"
    ping = ("ping", "-q", "-i", str(_PING_SECONDS), "-c", "14")
    every_minute = [
        event
        for at in (8, 68, 128, 188)
        for event in (
            _dig(at, "desktop-3", "intranet.example.net", "A"),
            _urllib(at + 2, "desktop-3", "http://intranet.example.net/"),
        )
    ]
    return [
        _event(1, "monitor", "ping the router, one echo each 15 s", *ping, "10.20.0.1", limit=240),
        _ssh(5, "laptop-1", "long SSH session, about 172 s", ssh_key, session, limit=240),
        _ssh(100, "laptop-2", "SSH session with 20 kB", ssh_key, "head -c 20000 /dev/urandom", limit=30),
        *every_minute,
    ]


def _names() -> list[Event]:
    """Return the DNS look-ups: every record type, names of dynamic-DNS providers, a missing name, one over TCP."""
    return [
        _dig(12, "laptop-1", "www.example.com", "A"),
        _dig(13, "laptop-1", "www.example.com", "AAAA"),
        _dig(22, "laptop-1", "camera.duckdns.org", "A"),
        _dig(23, "laptop-1", "files.example.org", "CNAME"),
        _dig(24, "laptop-1", "files.example.org", "A"),
        _dig(25, "laptop-1", "example.com", "MX"),
        _dig(26, "laptop-1", "example.com", "TXT"),
        _dig(27, "laptop-1", "-x", "192.0.2.10"),
        _dig(28, "laptop-1", "-x", "2001:db8:80::10"),
        _dig(29, "laptop-1", "missing.example.com", "A"),
        _dig(30, "laptop-1", "+tcp", "example.com", "TXT"),
        _dig(31, "laptop-1", "_sip._udp.example.net", "SRV"),
        _event(
            84,
            "laptop-2",
            "dig over IPv6 www.example.com AAAA",
            *("dig", "+tries=1", "+time=3", "@2001:db8:20::53", "www.example.com", "AAAA"),
        ),
        _dig(85, "desktop-4", "office.no-ip.org", "A"),
        _dig(86, "desktop-4", "printer.dyndns.org", "A"),
        _dig(145, "laptop-2", "garage.ddns.net", "A"),
        _dig(146, "desktop-4", "webcam.hopto.org", "A"),
        _dig(147, "desktop-4", "camera.duckdns.org", "A"),
        _dig(205, "laptop-1", "camera.duckdns.org", "A"),
    ]


def _web() -> list[Event]:
    """Return HTTP with three kinds of client: pages, downloads, an error, a redirect, a POST, and IPv6."""
    return [
        _curl(14, "laptop-1", "http://www.example.com/", "-4"),
        _curl(15, "laptop-1", "http://www.example.com/style.css", "-4"),
        _curl(16, "laptop-1", "http://www.example.com/logo.png", "-4", "-A", _BROWSER),
        _wget(34, "laptop-2", "http://downloads.example.org/tools.zip"),
        _curl(36, "laptop-1", "http://www.example.com/no-such-page", "-4"),
        _curl(38, "laptop-1", "http://www.example.com/old-report", "-4", "-L"),
        _urllib(42, "desktop-3", "http://downloads.example.org/manuals"),
        _curl(88, "laptop-1", "http://www.example.com/api/orders", "-4", "--data", "item=7&count=2"),
        _wget(92, "desktop-4", "http://downloads.example.org/setup.exe"),
        _urllib(108, "desktop-3", "http://downloads.example.org/manuals/handbook.pdf"),
        _curl(112, "laptop-2", "http://www.example.com/report.pdf", "-6"),
        _wget(116, "laptop-2", "http://downloads.example.org/missing.iso", exits=(8,)),
        _curl(150, "laptop-2", "http://www.example.com/", "-6", "-A", _BROWSER),
        _curl(208, "laptop-1", "http://www.example.com/", "-4"),
        _event(60, "phone", "ping in VLAN 30", "ping", "-q", "-c", "3", "-i", "0.5", "10.30.0.5"),
        _curl(62, "phone", "http://10.30.0.5/phone.cfg", "-A", "DemoPhone/2.1"),
    ]


def _tls(certificates: DemoCertificates) -> list[Event]:
    """Return TLS 1.2 to each of the three chains, TLS 1.3, a refused certificate, and a real OCSP question."""
    root, good = str(certificates.root.certificate), str(certificates.good.certificate)
    issuer = str(certificates.intermediate.certificate)
    s_client = ("openssl", "s_client", "-tls1_2", "-servername", "old.example.org", "-connect", "old.example.org:443")
    ocsp = ("openssl", "ocsp", "-issuer", issuer, "-cert", good, "-CAfile", root, "-url", "http://ocsp.example.com/")
    return [
        _curl(46, "laptop-1", "https://shop.example.com/", "--tls-max", "1.2", "--cacert", root),
        _event(49, "laptop-1", "OCSP question about the shop's certificate", *ocsp),
        _curl(51, "laptop-2", "https://nas.example.net/", "--tls-max", "1.2", "--insecure"),
        _event(54, "desktop-3", "openssl s_client -tls1_2 old.example.org:443 (expired)", *s_client),
        _curl(57, "laptop-1", "https://shop.example.com/", "--tlsv1.3", "--cacert", root),
        _curl(121, "laptop-2", "https://old.example.org/", "--tls-max", "1.2", "--cacert", root, exits=(60,)),
        _curl(153, "laptop-2", "https://nas.example.net/", "--tlsv1.3", "--insecure"),
        _curl(156, "desktop-3", "https://shop.example.com/", "--tls-max", "1.2", "--cacert", root),
    ]


def _management() -> list[Event]:
    """Return SNMP, echo requests, syslog, and datagrams that nobody answers."""
    community = ("-v2c", "-c", SNMP_COMMUNITY, "-r", "1", "-t", "2", "10.20.0.9")
    logger = ("logger", "--udp", "--port", "514", "--rfc5424", "--priority", "auth.warning", "--server")
    return [
        _event(3, "laptop-1", "ping over IPv6", "ping", "-6", "-q", "-c", "3", "2001:db8:80::10"),
        _event(64, "monitor", "snmpget sysName", "snmpget", *community, "1.3.6.1.2.1.1.5.0"),
        _event(65, "monitor", "snmpwalk the system group", "snmpwalk", *community, "1.3.6.1.2.1.1"),
        _event(124, "monitor", "snmpwalk the interfaces", "snmpwalk", *community, "1.3.6.1.2.1.2"),
        _event(126, "bastion", "syslog message", *logger, "10.20.0.14", "--tag", "backup", "nightly backup late"),
        _event(158, "bastion", "syslog message", *logger, "10.20.0.14", "--tag", "gate", "door left open"),
        _event(160, "laptop-2", "datagram to a closed port", *logger, "10.20.0.80", "--tag", "disk", "nobody reads"),
        _event(
            162,
            "laptop-1",
            "dig at a server that is not there",
            *("dig", "+tries=1", "+time=2", "@198.51.100.99", "www.example.com", "A"),
            exits=(9,),
        ),
    ]


def _attacks() -> list[Event]:
    """Return the port scan, the SYN burst and the SSH sessions that end after the banner."""
    scan = ("nmap", "-sS", "-n", "-Pn", "-T4", "--max-retries", "1", "--host-timeout", "30s", "-p", "1-200")
    burst = ("hping3", "-q", "-S", "-p", "80", "-c", "300", "-i", "u4000", "-a", topology.SPOOFED_SOURCE)
    banner = ("nc", "-d", "-w", "1", "10.20.0.22", "22")
    return [
        _event(130, "desktop-4", "port scan of the intranet server, ports 1 to 200", *scan, "10.20.0.80", limit=40),
        *(_event(at, "desktop-4", "SSH banner, then closed", *banner) for at in (164, 167, 170)),
        *(_event(at, "outsider", "SSH banner, then closed", *banner) for at in (172, 212)),
        _event(
            178,
            "outsider",
            "burst of 300 SYNs to the intranet server, from an address that nobody has",
            *burst,
            "10.20.0.80",
            exits=(0, 1),
        ),
    ]
