"""Lines of Zeek's logs, as far as records are made of them.

https://docs.zeek.org/en/master/logs/index.html; Bro 2 to Zeek 8. What is not named here is passed over; what is named
and of another type makes the line unusable. Both forms of a log, columns and JSON, come to the same.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct, field

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Interval = Annotated[float, Meta(ge=0, le=1e9)]
Vlan = Annotated[int, Meta(ge=0, le=4095)]
Time = float | str


class Line(Struct, kw_only=True, gc=False):
    """What every line says; ``ts`` is when it happened."""

    ts: Time


class Ends(Line, kw_only=True, gc=False):
    """A line about a connection; of ICMP the ports are the message's type and its counterpart's, or its code."""

    uid: str = ""
    orig_h: str = field(name="id.orig_h")
    orig_p: Port = field(name="id.orig_p")
    resp_h: str = field(name="id.resp_h")
    resp_p: Port = field(name="id.resp_p")
    proto: str = ""
    community_id: str = ""


class AnyEnds(Line, kw_only=True, gc=False):
    """A line that may be about a connection."""

    uid: str = ""
    orig_h: str = field(name="id.orig_h", default="")
    orig_p: Port = field(name="id.orig_p", default=0)
    resp_h: str = field(name="id.resp_h", default="")
    resp_p: Port = field(name="id.resp_p", default=0)
    proto: str = ""
    community_id: str = ""


class Conn(Ends, kw_only=True, gc=False):
    """A connection that is over; ``orig_bytes`` are payload, ``orig_ip_bytes`` lengths of IP packets."""

    service: str = ""
    duration: Interval = 0.0
    orig_bytes: Count = 0
    resp_bytes: Count = 0
    conn_state: str = ""
    history: str = ""
    orig_pkts: Count = 0
    orig_ip_bytes: Count = 0
    resp_pkts: Count = 0
    resp_ip_bytes: Count = 0
    ip_proto: Annotated[int, Meta(ge=0, le=255)] | None = None
    orig_l2_addr: str = ""
    resp_l2_addr: str = ""
    vlan: Vlan = 0
    inner_vlan: Vlan = 0


class DnsLine(Ends, kw_only=True, gc=False):
    """A question with its answer, where that has come; ``answers`` are their data alone."""

    trans_id: Port = 0
    rtt: Interval = 0.0
    query: str = ""
    qclass: Port | None = None
    qtype_name: str = ""
    rcode: Port | None = None
    rcode_name: str = ""
    aa: bool = field(name="AA", default=False)
    tc: bool = field(name="TC", default=False)
    rd: bool = field(name="RD", default=False)
    ra: bool = field(name="RA", default=False)
    z: Count = field(name="Z", default=0)
    answers: list[str] = []
    opcode: Port = 0


class HttpLine(Ends, kw_only=True, gc=False):
    """A request with its response, where that has come."""

    method: str = ""
    host: str = ""
    uri: str = ""
    referrer: str = ""
    version: str = ""
    user_agent: str = ""
    request_body_len: Count = 0
    response_body_len: Count = 0
    status_code: Port = 0
    resp_mime_types: list[str] = []
    mime_type: str = ""


class SslLine(Ends, kw_only=True, gc=False):
    """A handshake; its certificates are named by file or, in later versions, by fingerprint, the leaf first."""

    version: str = ""
    cipher: str = ""
    server_name: str = ""
    next_protocol: str = ""
    ja3: str = ""
    ja3s: str = ""
    ja4: str = ""
    ja4s: str = ""
    cert_chain_fuids: list[str] = []
    cert_chain_fps: list[str] = []
    client_cert_chain_fuids: list[str] = []
    client_cert_chain_fps: list[str] = []


class X509Line(Line, kw_only=True, gc=False):
    """A certificate, known by its file (``id``) or, in later versions, its fingerprint."""

    id: str = ""
    fingerprint: str = ""
    version: Count = field(name="certificate.version", default=0)
    serial: str = field(name="certificate.serial", default="")
    subject: str = field(name="certificate.subject", default="")
    issuer: str = field(name="certificate.issuer", default="")
    not_valid_before: Time = field(name="certificate.not_valid_before", default=0.0)
    not_valid_after: Time = field(name="certificate.not_valid_after", default=0.0)
    sig_alg: str = field(name="certificate.sig_alg", default="")
    key_type: str = field(name="certificate.key_type", default="")
    key_length: Count = field(name="certificate.key_length", default=0)
    san_dns: list[str] = field(name="san.dns", default_factory=list)
    san_uri: list[str] = field(name="san.uri", default_factory=list)
    san_email: list[str] = field(name="san.email", default_factory=list)
    san_ip: list[str] = field(name="san.ip", default_factory=list)


class FileLine(AnyEnds, kw_only=True, gc=False):
    """A file that was carried; the connection is named in full or, in earlier versions, by its id."""

    fuid: str
    tx_hosts: list[str] = []
    rx_hosts: list[str] = []
    conn_uids: list[str] = []
    source: str = ""
    mime_type: str = ""
    filename: str = ""
    is_orig: bool = False
    seen_bytes: Count = 0
    total_bytes: Count | None = None
    missing_bytes: Count = 0
    overflow_bytes: Count = 0
    timedout: bool = False
    md5: str = ""
    sha1: str = ""
    sha256: str = ""


class NoticeLine(AnyEnds, kw_only=True, gc=False):
    """What Zeek's scripts find worth telling a person."""

    note: str
    msg: str = ""
    sub: str = ""
    src: str = ""
    dst: str = ""
    p: Port = 0
    n: Count = 0
    peer_descr: str = ""
    actions: list[str] = []
    dropped: bool = False


class WeirdLine(AnyEnds, kw_only=True, gc=False):
    """Traffic that is not as its protocol has it."""

    name: str
    addl: str = ""
    notice: bool = False
    peer: str = ""
    source: str = ""


KINDS: Final[dict[str, type[Line]]] = {
    "conn": Conn,
    "dns": DnsLine,
    "http": HttpLine,
    "ssl": SslLine,
    "x509": X509Line,
    "files": FileLine,
    "notice": NoticeLine,
    "weird": WeirdLine,
}
"""The logs that records are made of."""
