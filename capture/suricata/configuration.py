"""The configuration that Suricata is run with.

https://docs.suricata.io/en/suricata-7.0.10/configuration/suricata-yaml.html. What stands here is what differs from
Suricata's own defaults, or must not depend on how it was built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from capture.settings import CaptureSettings
from topics.errors import TaplineError

NEVER: Final = 1 << 30
"""Seconds between two events of counters that then come once, at the end."""

_STATISTICS_SECONDS: Final = 10

_RING_PACKETS: Final = 10_000
"""How many packets the kernel keeps for each thread while Suricata is behind."""

_HTTP_MEMORY: Final = "512mb"
_FTP_MEMORY: Final = "64mb"
"""What these may hold at once, which Suricata does not bound by itself, as it does flows, streams and fragments."""

_TIMEOUTS: Final = {"default": (30, 300, 0), "tcp": (60, 600, 60), "udp": (30, 300, 0), "icmp": (30, 300, 0)}
"""Suricata's own: after how many seconds of silence a flow ends that is new, established, and closed."""

_TLS_FIELDS: Final = (
    "subject", "issuer", "serial", "fingerprint", "sni", "version", "not_before", "not_after", "chain", "ja3", "ja3s",
    "ja4", "session_resumed",
)  # fmt: skip
_SERVERS: Final = (
    "HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "DC_SERVERS", "DNP3_SERVER",
    "DNP3_CLIENT", "MODBUS_SERVER", "MODBUS_CLIENT", "ENIP_SERVER", "ENIP_CLIENT",
)  # fmt: skip
_PORTS: Final = {
    "HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000",
    "MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081",
    "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544",
}  # fmt: skip
_PLAIN_TYPES: Final = (
    "dns", "smb", "tftp", "ftp", "rdp", "nfs", "ike", "dcerpc", "krb5", "bittorrent-dht", "snmp", "rfb", "sip", "quic",
    "ssh", "http2",
)  # fmt: skip
_TUNNELS: Final = ("teredo", "vxlan", "geneve")
_ON_PORTS: Final = {"dp": "53"}
_SIMPLE: Final = (
    "telnet", "mqtt", "krb5", "bittorrent-dht", "snmp", "ike", "dcerpc", "rdp", "http2", "nfs", "tftp", "ntp", "quic",
    "dhcp", "sip",
)  # fmt: skip
_PROTOCOLS: Final[dict[str, Any]] = {
    **{name: {"enabled": True} for name in _SIMPLE},
    "tls": {"enabled": True, "detection-ports": {"dp": "443"}, "ja3-fingerprints": True, "ja4-fingerprints": True},
    "ssh": {"enabled": True, "hassh": True},
    "smb": {"enabled": True, "detection-ports": {"dp": "139, 445"}},
    "dns": {name: {"enabled": True, "detection-ports": _ON_PORTS} for name in ("tcp", "udp")},
    "rfb": {"enabled": True, "detection-ports": {"dp": "5900-5909"}},
    "smtp": {
        "enabled": True,
        "mime": {"decode-mime": True, "decode-base64": True, "decode-quoted-printable": True},
    },
    "imap": {"enabled": "detection-only"},
    "ftp": {"enabled": True, "memcap": _FTP_MEMORY},
    "http": {
        "enabled": True,
        "memcap": _HTTP_MEMORY,
        # A body is hashed to its end, however long it is, and as it was before it was packed, also where the machine
        # has other things to do: a second is the most that libhtp allows.
        "libhtp": {
            "default-config": {
                "personality": "IDS",
                "request-body-limit": 0,
                "response-body-limit": 0,
                "decompression-time-limit": 1_000_000,
            },
        },
    },
}  # fmt: skip


def configuration(
    settings: CaptureSettings, output: str, *, interface: str = "", flows: bool = True, deep: bool = True
) -> str:
    """The YAML of a run over an interface, or without one over a file; events are written to ``output``.

    ``flows`` says whether flows are to be told of, ``deep`` whether anything else is. :class:`TaplineError` when the
    rules' folder cannot be used.
    """
    suricata = settings.suricata
    made: dict[str, Any] = {
        "vars": {
            "address-groups": _addresses(suricata.home_networks),
            "port-groups": _PORTS,
        },
        "stats": {"enabled": True, "interval": _STATISTICS_SECONDS if interface else NEVER},
        "logging": {
            "default-log-level": "warning",
            # Suricata's own words would stand among the events; what goes to its standard error is read.
            "outputs": [{"console": {"enabled": False}}, {"file": {"enabled": True, "filename": "/dev/stderr"}}],
        },
        "outputs": [{"eve-log": _eve(output, flows=flows, deep=deep)}],
        "app-layer": {"protocols": _PROTOCOLS},
        "decoder": {name: {"enabled": True, "ports": f"${name.upper()}_PORTS"} for name in _TUNNELS},
        "flow-timeouts": {
            name: {"new": new, "established": established, "closed": closed}
            for name, (new, established, closed) in _TIMEOUTS.items()
        },
        "stream": {
            # A machine that captures what it sends itself sees checksums that are not there yet.
            "checksum-validation": False,
            "reassembly": {"depth": 0, "randomize-chunk-size": False},
        },
        "pcap-file": {"checksum-checks": False},
        "unix-command": {"enabled": False},
        "default-rule-path": str(_rules(suricata.rules)) if suricata.rules else "/",
        "rule-files": ["*.rules"] if suricata.rules else [],
    }
    if interface:
        made["af-packet"] = [
            {
                "interface": interface,
                "threads": "auto",
                "cluster-id": 99,
                "cluster-type": "cluster_flow",
                "defrag": True,
                "tpacket-v3": True,
                "ring-size": _RING_PACKETS,
                "disable-promisc": not settings.promiscuous,
            }
        ]
        made["pcap"] = [{"interface": interface, "snaplen": settings.snaplen, "promisc": settings.promiscuous}]
    else:
        # One thread sees all packets in their order, so that a file is read the same each time.
        made["runmode"] = "single"
    return f"%YAML 1.1\n---\n{yaml.dump(made, Dumper=_Plain, sort_keys=False)}"


class _Plain(yaml.SafeDumper):
    """Writes out what stands in several places: Suricata does not know aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True


def timeout(transport: str, *, established: bool) -> int:
    """After how many seconds of silence a flow ends that has not been closed."""
    new, long, _ = _TIMEOUTS.get("icmp" if "icmp" in transport else transport, _TIMEOUTS["default"])
    return long if established else new


def _eve(output: str, *, flows: bool, deep: bool) -> dict[str, Any]:
    types: list[Any] = [
        {"alert": {"metadata": {"flow": True, "app-layer": True, "rule": {"metadata": True}}}},
        {"anomaly": {"enabled": True, "types": {"decode": False, "stream": False, "applayer": True}}},
        {"http": {"extended": True, "dump-all-headers": "both"}},
        {"tls": {"extended": True, "session-resumption": True, "custom": list(_TLS_FIELDS)}},
        {"files": {"force-magic": False, "force-hash": ["md5", "sha1", "sha256"]}},
        {"smtp": {"extended": True}},
        {"dhcp": {"enabled": True, "extended": True}},
        {"mqtt": {"passwords": False}},
        *_PLAIN_TYPES,
    ]
    told = [{"stats": {"totals": True, "threads": False}}, *(types if deep else []), *(["flow"] if flows else [])]
    return {
        "enabled": True,
        "filetype": "regular",
        "filename": output,
        "community-id": True,
        "community-id-seed": 0,
        "types": told,
    }


def _addresses(home: list[str]) -> dict[str, str]:
    """The groups of addresses that published rules name."""
    networks = f"[{','.join(home)}]" if home else "any"
    outside = "!$HOME_NET" if home else "any"
    return {
        "HOME_NET": networks,
        "EXTERNAL_NET": outside,
        "AIM_SERVERS": outside,
        **dict.fromkeys(_SERVERS, "$HOME_NET"),
    }


def _rules(folder: str) -> Path:
    path = Path(folder).absolute()
    if not path.is_dir():
        raise TaplineError(f"capture.suricata.rules: {folder} is no folder: name the one that holds the *.rules files")
    return path
