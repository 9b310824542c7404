"""Suricata's events as they are written, as far as records are made of them.

https://docs.suricata.io/en/latest/output/eve/eve-json-format.html; versions 4 to 8. What is not named here is
passed over; what is named and of another type makes the event unusable.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Union

from msgspec import Meta, Struct, defstruct, field

Port = Annotated[int, Meta(ge=0, le=65_535)]
Octet = Annotated[int, Meta(ge=0, le=255)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Word = Annotated[str, Meta(max_length=64)]
"""One of a few, which are remembered; what is longer is none of them."""

Name = Annotated[str, Meta(max_length=255)]
"""A host's."""


class Event(Struct, kw_only=True, gc=False):
    """What events of every type say."""

    timestamp: str
    flow_id: int = 0
    src_ip: str = ""
    src_port: Port = 0
    dest_ip: str = ""
    dest_port: Port = 0
    proto: Word = ""
    icmp_type: Octet | None = None
    icmp_code: Octet = 0
    app_proto: Word = ""
    community_id: str = ""
    host: Name = ""
    vlan: tuple[Annotated[int, Meta(ge=0, le=4095)], ...] = ()


class AlertPart(Struct, kw_only=True, gc=False):
    """A rule that matched; ``severity`` 1 is the highest."""

    signature: str
    signature_id: int
    severity: Annotated[int, Meta(ge=0, le=255)] = 3
    gid: int = 1
    rev: int = 0
    category: str = ""
    action: str = ""
    metadata: dict[str, list[str] | str] = {}


class FlowPart(Struct, kw_only=True, gc=False):
    """A flow that has ended; bytes are those of whole frames."""

    pkts_toserver: Count = 0
    pkts_toclient: Count = 0
    bytes_toserver: Count = 0
    bytes_toclient: Count = 0
    start: str = ""
    end: str = ""
    state: Word = ""
    reason: Word = ""


class BeginPart(Struct, kw_only=True, gc=False):
    """When the flow began that an alert is about."""

    start: str = ""


class NetflowPart(Struct, kw_only=True, gc=False):
    """One direction of a flow that has ended."""

    pkts: Count = 0
    bytes: Count = 0
    start: str = ""
    end: str = ""


class TcpPart(Struct, kw_only=True, gc=False):
    """The TCP state and the flags of each direction, as two hex digits."""

    tcp_flags: Word = ""
    tcp_flags_ts: Word = ""
    tcp_flags_tc: Word = ""
    state: Word = ""
    rst: bool = False


class Answer(Struct, kw_only=True, gc=False):
    """One resource record."""

    rrname: str = ""
    rrtype: str = ""
    rdata: str = ""


class DnsPart(Struct, kw_only=True, gc=False):
    """A message; version 1 has one event an answer, version 3 lists its questions."""

    type: str
    id: Port = 0
    rrname: str = ""
    rrtype: str = ""
    rcode: str = ""
    rdata: str = ""
    queries: tuple[Answer, ...] = ()
    answers: tuple[Answer, ...] = ()
    grouped: dict[str, list[str | dict[str, object]]] = {}
    opcode: int = 0
    aa: bool = False
    tc: bool = False
    rd: bool = False
    ra: bool = False
    z: bool = False


class HeaderPart(Struct, kw_only=True, gc=False):
    """One header of a message; HTTP/2 lists what is none among them, without a name."""

    name: str = ""
    value: str = ""


class HttpPart(Struct, kw_only=True, gc=False):
    """A transaction: a request with its response, where that has come; HTTP/2 gives a ``version`` and headers alone."""

    hostname: str = ""
    http_port: Port = 0
    url: str = ""
    http_user_agent: str = ""
    http_refer: str = ""
    http_content_type: str = ""
    http_method: str = ""
    protocol: str = ""
    version: str = ""
    status: Annotated[int, Meta(ge=0, le=65_535)] = 0
    length: Count = 0
    request_headers: tuple[HeaderPart, ...] = ()
    response_headers: tuple[HeaderPart, ...] = ()


class Fingerprint(Struct, kw_only=True, gc=False):
    """A fingerprint with what it is of."""

    hash: str = ""


class TlsPart(Struct, kw_only=True, gc=False):
    """A handshake with the server's certificate."""

    subject: str = ""
    issuerdn: str = ""
    serial: str = ""
    fingerprint: str = ""
    sni: str = ""
    version: str = ""
    notbefore: str = ""
    notafter: str = ""
    certificate: str = ""
    chain: tuple[str, ...] = ()
    subjectaltname: list[str] = []
    ja3: Fingerprint | None = None
    ja3s: Fingerprint | None = None
    ja4: str = ""
    client_alpns: list[str] = []


class FilePart(Struct, kw_only=True, gc=False):
    """A file that was carried."""

    filename: str = ""
    magic: str = ""
    mimetype: str = ""
    gaps: bool = False
    state: str = ""
    md5: str = ""
    sha1: str = ""
    sha256: str = ""
    size: Count = 0


class SshSide(Struct, kw_only=True, gc=False):
    """What one side says of itself."""

    proto_version: str = ""
    software_version: str = ""
    hassh: Fingerprint | None = None


class SshPart(Struct, kw_only=True, gc=False):
    """Both sides."""

    client: SshSide = field(default_factory=SshSide)
    server: SshSide = field(default_factory=SshSide)


class SmbPart(Struct, kw_only=True, gc=False):
    """One request with its answer."""

    dialect: str = ""
    command: str = ""
    status: str = ""
    filename: str = ""
    share: str = ""


class StatsPart(Struct, kw_only=True, gc=False):
    """What the engine counts, in groups of counters."""

    uptime: Count = 0
    capture: dict[str, object] = {}
    decoder: dict[str, object] = {}
    flow: dict[str, object] = {}
    tcp: dict[str, object] = {}
    http: dict[str, object] = {}
    ftp: dict[str, object] = {}
    detect: dict[str, object] = {}


class QuicPart(Struct, kw_only=True, gc=False):
    """A client's hello, as QUIC carries it."""

    version: str = ""
    sni: str = ""
    ja3: Fingerprint | None = None
    ja4: str = ""


class Other(Event, kw_only=True, gc=False):
    """An event of any type."""

    event_type: str


class AlertEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="alert"):
    """An event of type ``alert``."""

    alert: AlertPart
    flow: BeginPart | None = None


class FlowEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="flow"):
    """An event of type ``flow``."""

    flow: FlowPart
    tcp: TcpPart | None = None


class NetflowEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="netflow"):
    """An event of type ``netflow``."""

    netflow: NetflowPart
    tcp: TcpPart | None = None


class DnsEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="dns"):
    """An event of type ``dns``."""

    dns: DnsPart


class HttpEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="http"):
    """An event of type ``http``."""

    http: HttpPart


class TlsEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="tls"):
    """An event of type ``tls``."""

    tls: TlsPart


class QuicEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="quic"):
    """An event of type ``quic``."""

    quic: QuicPart


class FileEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="fileinfo"):
    """An event of type ``fileinfo``."""

    fileinfo: FilePart


class SshEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="ssh"):
    """An event of type ``ssh``."""

    ssh: SshPart


class SmbEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="smb"):
    """An event of type ``smb``."""

    smb: SmbPart


class StatsEvent(Event, kw_only=True, gc=False, tag_field="event_type", tag="stats"):
    """An event of type ``stats``."""

    stats: StatsPart


Told = (
    AlertEvent | FlowEvent | NetflowEvent | DnsEvent | HttpEvent | TlsEvent | QuicEvent | FileEvent | SshEvent
    | SmbEvent | StatsEvent
)  # fmt: skip
"""The events of which records of their own are made."""

_AS_THEY_ARE: Final = (
    "anomaly", "bittorrent_dht", "dcerpc", "dhcp", "dnp3", "drop", "ftp", "ftp_data", "ike", "krb5", "modbus", "mqtt",
    "nfs", "pgsql", "rdp", "rfb", "sip", "smtp", "snmp", "tftp",
)  # fmt: skip

Known: Any = Union[
    Told,
    *(
        defstruct(f"{kind}_event", (), bases=(Event,), tag_field="event_type", tag=kind, kw_only=True, gc=False)
        for kind in _AS_THEY_ARE
    ),
]
"""These, and others that Suricata has names for; JSON is decoded straight into the one that its type names."""
