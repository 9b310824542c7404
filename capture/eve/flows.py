"""Flow and netflow events."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from capture.eve.ends import Ends
from capture.eve.events import FlowEvent, NetflowEvent
from capture.eve.times import moment
from capture.source import Observation
from capture.whole_flow import whole_flow
from topics.records import Flow

_APPLICATIONS: Final = {
    "": "", "failed": "", "unknown": "", "none": "", "dcerpc": "RPC", "ftp-data": "FTP_DATA", "ftp": "FTP_CONTROL",
    "ikev2": "IPSec", "ike": "IPSec", "krb5": "Kerberos", "rfb": "VNC", "smb": "SMBv23", "modbus": "Modbus",
    "bittorrent-dht": "BitTorrent", "postgresql": "PostgreSQL", "pgsql": "PostgreSQL", "websocket": "WebSocket",
    "telnet": "Telnet", "ssdp": "SSDP", "http2": "HTTP2", "pop3": "POP3",
}  # fmt: skip
"""nDPI's names for Suricata's, where they are not the same in capitals."""

_RESET: Final = "reset"
_STATES: Final = {
    "syn_sent": "syn", "syn_recv": "syn-ack", "established": "established", "fin_wait1": "closing",
    "fin_wait2": "closing", "close_wait": "closing", "last_ack": "closing", "closing": "closing",
    "time_wait": "closed", "closed": "closed", _RESET: _RESET,
}  # fmt: skip
_OVER: Final = frozenset({"closed", "reset"})


def flow_of(
    event: FlowEvent, observation: Observation, identity: str, ends: Ends, *, flow_id: str, reason: str = ""
) -> Flow:
    """The final record of a flow: Suricata tells of it once, when it has ended.

    ``reason`` is why it was ended, in Suricata's words, for who knows it better than the event.
    """
    part, tcp = event.flow, event.tcp
    end = moment(part.end or event.timestamp)
    start = moment(part.start or event.timestamp)
    if tcp is None:
        flags_there = flags_back = 0
        state, end_reason = _ended(reason or part.reason, "")
    else:
        flags_there, flags_back = _flags(tcp.tcp_flags_ts), _flags(tcp.tcp_flags_tc)
        state, end_reason = _ended(reason or part.reason, _RESET if tcp.rst else tcp.state)
    source_ip = ends.source_ip
    bytes_there, bytes_back = part.bytes_toserver, part.bytes_toclient
    packets_there, packets_back = part.pkts_toserver, part.pkts_toclient
    return whole_flow(
        identity,
        end,
        observation.node,
        observation.observation_point,
        ends.community_id,
        source_ip,
        ends.destination_ip,
        ends.source_port,
        ends.destination_port,
        ends.transport,
        ends.protocol_number,
        ends.vlan_id,
        flow_id,
        min(end, start),
        6 if ":" in source_ip else 4,
        "",
        "",
        application(event.app_proto),
        state,
        end_reason,
        flags_there,
        flags_back,
        bytes_there,
        bytes_back,
        packets_there,
        packets_back,
    )


def netflow_of(event: NetflowEvent, observation: Observation, identity: str, ends: Ends, *, flow_id: str) -> Flow:
    """The final record of one direction: the other one is told of by an event of its own."""
    part, tcp = event.netflow, event.tcp
    end = moment(part.end or event.timestamp)
    start = moment(part.start or event.timestamp)
    state, end_reason = _ended("", "" if tcp is None else _RESET if tcp.rst else tcp.state)
    return Flow(
        id=identity,
        time=end,
        node=observation.node,
        observation_point=observation.observation_point,
        community_id=ends.community_id,
        source_ip=ends.source_ip,
        destination_ip=ends.destination_ip,
        source_port=ends.source_port,
        destination_port=ends.destination_port,
        transport=ends.transport,
        protocol_number=ends.protocol_number,
        vlan_id=ends.vlan_id,
        record="final",
        flow_id=flow_id,
        start=min(end, start),
        end=end,
        ip_version=6 if ":" in ends.source_ip else 4,
        application=application(event.app_proto),
        state=state,
        end_reason=end_reason,
        tcp_flags_source=_flags(tcp.tcp_flags) if tcp else 0,
        delta_source_bytes=part.bytes,
        delta_source_packets=part.pkts,
        total_source_bytes=part.bytes,
        total_source_packets=part.pkts,
    )


@lru_cache(maxsize=1024)
def application(name: str) -> str:
    """What nDPI calls an application protocol of Suricata; empty where none was found."""
    found = _APPLICATIONS.get(name)
    return name.upper() if found is None else found


@lru_cache(maxsize=1024)
def _ended(reason: str, tcp_state: str) -> tuple[str, str]:
    """The state of a flow, and why it ended; an abort leaves the state closed, and only the flag tells."""
    state = _STATES.get(tcp_state, "")
    if state in _OVER:
        return state, "end"
    return state, "forced" if reason in {"forced", "shutdown"} else "idle"


@lru_cache(maxsize=1024)
def _flags(text: str) -> int:
    """TCP flags of two hex digits; 0 where it is none."""
    try:
        return int(text, 16) & 0xFF if text else 0
    except ValueError:
        return 0
