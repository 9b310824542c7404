"""What exporters call applications, by the names nDPI has for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_NAMES: Final = {
    "": "", "unknown": "", "unclassified": "", "ssl": "TLS", "secure-http": "TLS", "secure-imap": "IMAPS",
    "secure-pop3": "POPS", "secure-ldap": "LDAPS", "ms-rpc": "RPC", "netbios-ns": "NetBIOS", "netbios-dgm": "NetBIOS",
    "netbios-ssn": "NetBIOS", "cifs": "SMBv23", "ftp": "FTP_CONTROL", "ftp-data": "FTP_DATA", "kerberos": "Kerberos",
    "bittorrent": "BitTorrent", "telnet": "Telnet", "syslog": "Syslog", "radius": "Radius", "mysql": "MySQL",
    "ipsec": "IPSec", "isakmp": "IPSec", "websocket": "WebSocket", "ms-wbt": "RDP",
}  # fmt: skip
"""Those of Cisco's NBAR that are not the same in capitals."""


@lru_cache(maxsize=1 << 12)
def application(name: bytes) -> str:
    """What nDPI calls it: ntop's exporters write that as it is; of another name in small letters it is the capitals."""
    text = name.split(b"\0")[0].decode("utf-8", "replace").strip()
    if text.lower() in _NAMES:
        return _NAMES[text.lower()]
    if not text.isprintable():
        return ""
    return text.upper() if text.islower() and "." not in text else text
