"""Suricata's events as they are written, as far as records are made of them.

https://docs.suricata.io/en/latest/output/eve/eve-json-format.html; versions 4 to 8. What is not named here is
passed over; what is named and of another type makes the event unusable.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

Port = Annotated[int, Meta(ge=0, le=65_535)]
Octet = Annotated[int, Meta(ge=0, le=255)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]

NOTHING = Raw(b"null")
"""The body of an event that has none of this type."""


class Event(Struct, kw_only=True, gc=False):
    """What every event says; its own part is still JSON."""

    timestamp: str
    event_type: str
    flow_id: int = 0
    src_ip: str = ""
    src_port: Port = 0
    dest_ip: str = ""
    dest_port: Port = 0
    proto: str = ""
    icmp_type: Octet | None = None
    icmp_code: Octet = 0
    app_proto: str = ""
    community_id: str = ""
    host: str = ""
    vlan: list[Annotated[int, Meta(ge=0, le=4095)]] = []
    tcp: Raw = NOTHING
    alert: Raw = NOTHING
    flow: Raw = NOTHING
    netflow: Raw = NOTHING
    dns: Raw = NOTHING
    http: Raw = NOTHING
    tls: Raw = NOTHING
    fileinfo: Raw = NOTHING
    ssh: Raw = NOTHING
    smb: Raw = NOTHING
    stats: Raw = NOTHING


class AlertPart(Struct, kw_only=True):
    """A rule that matched; ``severity`` 1 is the highest."""

    signature: str
    signature_id: int
    severity: Annotated[int, Meta(ge=0, le=255)] = 3
    gid: int = 1
    rev: int = 0
    category: str = ""
    action: str = ""
    metadata: dict[str, list[str] | str] = {}


class FlowPart(Struct, kw_only=True):
    """A flow that has ended; bytes are those of whole frames."""

    pkts_toserver: Count = 0
    pkts_toclient: Count = 0
    bytes_toserver: Count = 0
    bytes_toclient: Count = 0
    start: str = ""
    end: str = ""
    state: str = ""
    reason: str = ""


class NetflowPart(Struct, kw_only=True):
    """One direction of a flow that has ended."""

    pkts: Count = 0
    bytes: Count = 0
    start: str = ""
    end: str = ""


class TcpPart(Struct, kw_only=True):
    """The TCP state and the flags of each direction, as two hex digits."""

    tcp_flags: str = ""
    tcp_flags_ts: str = ""
    tcp_flags_tc: str = ""
    state: str = ""
    rst: bool = False


class Answer(Struct, kw_only=True):
    """One resource record."""

    rrname: str = ""
    rrtype: str = ""
    rdata: str = ""


class DnsPart(Struct, kw_only=True):
    """A message; version 1 has one event an answer, version 3 lists its questions."""

    type: str
    id: Port = 0
    rrname: str = ""
    rrtype: str = ""
    rcode: str = ""
    rdata: str = ""
    queries: list[Answer] = []
    answers: list[Answer] = []
    grouped: dict[str, list[str | dict[str, object]]] = {}
    opcode: int = 0
    aa: bool = False
    tc: bool = False
    rd: bool = False
    ra: bool = False
    z: bool = False


class HeaderPart(Struct, kw_only=True):
    """One header of a message."""

    name: str
    value: str = ""


class HttpPart(Struct, kw_only=True):
    """A transaction: a request with its response, where that has come."""

    hostname: str = ""
    http_port: Port = 0
    url: str = ""
    http_user_agent: str = ""
    http_refer: str = ""
    http_content_type: str = ""
    http_method: str = ""
    protocol: str = ""
    status: Annotated[int, Meta(ge=0, le=65_535)] = 0
    length: Count = 0
    request_headers: list[HeaderPart] = []
    response_headers: list[HeaderPart] = []


class Fingerprint(Struct, kw_only=True):
    """A fingerprint with what it is of."""

    hash: str = ""


class TlsPart(Struct, kw_only=True):
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
    chain: list[str] = []
    subjectaltname: list[str] = []
    ja3: Fingerprint | None = None
    ja3s: Fingerprint | None = None
    ja4: str = ""
    client_alpns: list[str] = []


class FilePart(Struct, kw_only=True):
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


class SshSide(Struct, kw_only=True):
    """What one side says of itself."""

    proto_version: str = ""
    software_version: str = ""
    hassh: Fingerprint | None = None


class SshPart(Struct, kw_only=True):
    """Both sides."""

    client: SshSide = field(default_factory=SshSide)
    server: SshSide = field(default_factory=SshSide)


class SmbPart(Struct, kw_only=True):
    """One request with its answer."""

    dialect: str = ""
    command: str = ""
    status: str = ""
    filename: str = ""
    share: str = ""


class StatsPart(Struct, kw_only=True):
    """What the engine counts, in groups of counters."""

    uptime: Count = 0
    capture: dict[str, object] = {}
    decoder: dict[str, object] = {}
    flow: dict[str, object] = {}
    tcp: dict[str, object] = {}
    detect: dict[str, object] = {}
