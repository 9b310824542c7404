"""Connections that are over."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from capture.source import Observation
from capture.whole_flow import whole_flow
from capture.zeek.logs import Conn
from topics.records import Flow

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10

_STATES: Final = {
    "S0": "syn", "S1": "established", "S2": "closing", "S3": "closing", "SF": "closed", "REJ": "reset",
    "RSTO": "reset", "RSTR": "reset", "RSTOS0": "reset", "RSTRH": "reset", "SH": "closing", "SHR": "closing",
}  # fmt: skip
"""https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html, ``conn_state``; ``OTH`` began unseen."""

_OVER: Final = frozenset({"closed", "reset"})

_LETTERS: Final = {"s": _SYN, "h": _SYN | _ACK, "a": _ACK, "d": _ACK, "f": _FIN, "r": _RST, "i": _SYN | _RST}
"""What a letter of ``history`` says of the TCP flags; capital ones are the originator's."""

_APPLICATIONS: Final = {
    "ssl": "TLS", "smb": "SMBv23", "dce_rpc": "RPC", "ftp": "FTP_CONTROL", "ftp-data": "FTP_DATA", "krb": "Kerberos",
    "krb_tcp": "Kerberos", "rfb": "VNC", "bittorrent": "BitTorrent", "mysql": "MySQL", "postgresql": "PostgreSQL",
    "modbus": "Modbus", "radius": "Radius", "syslog": "Syslog", "teredo": "Teredo", "xmpp": "Jabber", "gtpv1": "GTP",
    "websocket": "WebSocket", "telnet": "Telnet", "wireguard": "WireGuard", "openvpn": "OpenVPN",
}  # fmt: skip
"""nDPI's names for Zeek's, where they are not the same in capitals."""

_WITHIN: Final = frozenset({"spnego", "gssapi", "ntlm", "file_transfer"})
"""What is only ever a part of another protocol."""

_BY_PORT: Final = {5353: "MDNS", 5355: "LLMNR", 137: "NetBIOS"}
"""Names beside DNS that Zeek calls ``dns`` as well."""


def flow_of(
    line: Conn, observation: Observation, identity: str, ends: dict[str, Any], flow_id: str, start: int, end: int
) -> Flow:
    """The final record of a connection: Zeek tells of it once, when it is over.

    Bytes are the lengths of its IP packets, without the link layer. Where Zeek was told not to count packets, they are
    what the payload was.
    """
    tcp = ends["transport"] == "tcp"
    state = _STATES.get(line.conn_state, "") if tcp else ""
    source_bytes = line.orig_ip_bytes or line.orig_bytes
    destination_bytes = line.resp_ip_bytes or line.resp_bytes
    source_flags, destination_flags = _flags(line.history) if tcp else (0, 0)
    return whole_flow(
        identity,
        end,
        observation.node,
        observation.observation_point,
        ends["community_id"],
        ends["source_ip"],
        ends["destination_ip"],
        ends["source_port"],
        ends["destination_port"],
        ends["transport"],
        ends["protocol_number"],
        ends["vlan_id"],
        flow_id,
        start,
        6 if ":" in ends["source_ip"] else 4,
        line.orig_l2_addr,
        line.resp_l2_addr,
        application(line.service, line.resp_p),
        state,
        "end" if state in _OVER else "idle",
        source_flags,
        destination_flags,
        source_bytes,
        destination_bytes,
        line.orig_pkts,
        line.resp_pkts,
        # Zeek takes those of TCP from sequence numbers, which a stray segment makes gigabytes.
        source_payload_bytes=min(line.orig_bytes, source_bytes),
        destination_payload_bytes=min(line.resp_bytes, destination_bytes),
    )


@lru_cache(maxsize=4096)
def application(service: str, port: int) -> str:
    """What nDPI calls a service of Zeek, of several the first that is not part of another; empty where there is none.

    ``-ssl`` says that a protocol turned out to be another; such are passed over.
    """
    if "," in service:
        named = [each for each in service.split(",") if not each.startswith("-")]
        service = next((each for each in named if each not in _WITHIN), "")
    elif service in _WITHIN or service.startswith("-"):
        return ""
    if service == "dns" and port in _BY_PORT:
        return _BY_PORT[port]
    return _APPLICATIONS.get(service) or service.upper()


@lru_cache(maxsize=4096)
def _flags(history: str) -> tuple[int, int]:
    source = destination = 0
    for letter in history:
        flag = _LETTERS.get(letter)
        if flag is not None:
            destination |= flag
        else:
            source |= _LETTERS.get(letter.lower(), 0)
    return source, destination
