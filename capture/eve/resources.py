"""What Suricata logs of application protocols, as resources tell it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from functools import cache
from typing import Final

from msgspec.structs import replace

from capture.eve.ends import is_address
from capture.eve.errors import EveError
from capture.eve.events import (
    DnsPart,
    Event,
    FilePart,
    HeaderPart,
    HttpPart,
    QuicPart,
    SmbPart,
    SshPart,
    SshSide,
    TlsPart,
)
from capture.eve.times import moment
from capture.tshark.certificates import Parsed, parse
from topics.records import Certificate, Dns, File, Http, Smb, Ssh, Tls

_IS_QUESTION: Final = {"query": True, "request": True, "answer": False, "response": False}
_ADDRESSES: Final = frozenset({"A", "AAAA"})
_LABEL_LIMIT: Final = 512
_MOST: Final = 256
"""Most answers, names or headers of one event that a record carries."""

_CHAIN: Final = 32
"""Most certificates of a chain."""

_UNSAFE_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_OPERATIONS: Final = {0: "", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE"}


_CERTIFICATES: Final = 4096
_LONGEST_CERTIFICATE: Final = 2048
"""So many certificates are remembered that Suricata has told of, none with more characters: most come again."""

Detail = Dns | Http | Tls | Certificate | File | Ssh | Smb
Told = tuple[str, str, str, Detail]
"""The members of a :class:`~topics.records.Resource` that are its own: group, uri, label, and the one named in
:data:`MEMBERS`."""

MEMBERS: Final = {
    "dns": "dns", "url": "http", "tls": "tls", "x509": "x509", "file": "file", "ssh": "ssh", "smb": "smb",
}  # fmt: skip
"""Which member of a resource holds the details, by its group."""

_certificates: dict[str, tuple[tuple[object, ...], Certificate]] = {}
"""By the fingerprint: what Suricata has told of a certificate, and what was made of it."""


def dns_of(_event: Event, part: DnsPart) -> list[Told]:
    """A DNS message; of version 1 each answer is a message of its own."""
    is_question = _IS_QUESTION.get(part.type)
    if is_question is None:
        raise EveError("eve-type", f"Expected `query` or `answer`, got {part.type[:32]!r} - at `$.dns.type`")
    name, kind = part.rrname, part.rrtype
    if part.queries:
        name, kind = part.queries[0].rrname, part.queries[0].rrtype
    operation = _OPERATIONS.get(part.opcode)
    answers = [] if is_question else _answers(part)[:_MOST]
    said, addresses = [], []
    for _, found, data in answers:
        if data:
            said.append(data)
            if found in _ADDRESSES and is_address(data):
                addresses.append(data)
    label = f"query {kind}" if is_question else f"answer {kind} {part.rcode} {', '.join(said)}"
    dns = Dns(
        type="query" if is_question else "answer",
        message_id=part.id,
        query_name=name,
        query_type=kind,
        response_code="" if is_question else part.rcode,
        answers=answers,
        resolved_ips=addresses,
        flags=_flags(part.aa, part.tc, part.rd, part.ra, part.z),
        truncated=part.tc,
        operation=str(part.opcode) if operation is None else operation,
    )
    return [("dns", name, label.rstrip()[:_LABEL_LIMIT], dns)]


def http_of(event: Event, part: HttpPart) -> list[Told]:
    """A request; where its response has come, that as well."""
    asked = _headers(part.request_headers)
    # HTTP/2 names the host and the method in its own headers.
    host = part.hostname or _value(asked, ":authority")
    url = part.url
    if "://" not in url and host:
        port = part.http_port or event.dest_port
        named = host if port in {0, 80} or ":" in host else f"{host}:{port}"
        url = f"http://{named}{url if url.startswith('/') else f'/{url}'}"
    version = part.protocol.removeprefix("HTTP/") or part.version
    method = part.http_method or _value(asked, ":method")
    request = Http(
        type="request",
        version=version,
        method=method,
        host=host,
        uri=part.url,
        user_agent=part.http_user_agent,
        referrer=part.http_refer,
        headers=asked,
    )
    told: list[Told] = [("url", url, f"{method} {url}".strip()[:_LABEL_LIMIT], request)]
    if not part.status:
        return told
    headers = _headers(part.response_headers)
    response = Http(
        type="response",
        version=version,
        host=host,
        uri=part.url,
        status_code=part.status,
        content_type=part.http_content_type,
        body_bytes=part.length,
        server=_value(headers, "server"),
        headers=headers,
    )
    label = f"{part.status} {part.http_content_type}".rstrip()
    told.append(("url", url, label[:_LABEL_LIMIT], response))
    return told


def tls_of(event: Event, part: TlsPart) -> list[Told]:
    """A client's hello, the server's where something is known of it, and the certificates."""
    client = Tls(
        type="client-hello",
        server_name=part.sni,
        alpn=part.client_alpns,
        ja3=part.ja3.hash if part.ja3 else "",
        ja4=part.ja4,
    )
    uri = part.sni or event.dest_ip
    told: list[Told] = [("tls", uri, "client-hello", client)]
    if part.version or part.ja3s:
        server = Tls(
            type="server-hello",
            version=part.version.removeprefix("TLS ").replace("TLSv", ""),
            server_name=part.sni,
            ja3s=part.ja3s.hash if part.ja3s else "",
        )
        told.append(("tls", uri, f"server-hello {server.version}".rstrip(), server))
    chain = chain_of(part) if part.chain or part.certificate else []
    for position, parsed in enumerate(chain):
        certificate = replace(parsed.certificate, position=position, server_name=part.sni)
        if not position and not certificate.subject:
            certificate = replace(_told(part), **_hashes(certificate))
        told.append(("x509", f"SHA1:{certificate.sha1}", parsed.pem, certificate))
    if not chain and (part.subject or part.fingerprint):
        certificate = _told(part)
        told.append(("x509", f"SHA1:{certificate.sha1}", certificate.subject, certificate))
    return told


def chain_of(part: TlsPart) -> list[Parsed]:
    """The certificates that were logged whole, the server's own first."""
    encoded = part.chain or ((part.certificate,) if part.certificate else ())
    chain = []
    for text in encoded[:_CHAIN]:
        try:
            chain.append(parse(b64decode(text, validate=True)))
        except ValueError as error:
            raise EveError("eve-type", f"Expected a certificate in base64, got {text[:32]!r} - at `$.tls`") from error
    return chain


def _told(part: TlsPart) -> Certificate:
    """The server's certificate, as far as Suricata tells of it in words."""
    said = (
        part.subject, part.issuerdn, part.serial, part.notbefore, part.notafter, part.subjectaltname, part.sni,
    )  # fmt: skip
    known = _certificates.get(part.fingerprint)
    if known is not None and known[0] == said:
        return known[1]
    certificate = Certificate(
        subject=part.subject,
        issuer=part.issuerdn,
        serial_number=part.serial.replace(":", "").lower(),
        not_before=moment(part.notbefore) if part.notbefore else 0,
        not_after=moment(part.notafter) if part.notafter else 0,
        alternative_names=part.subjectaltname[:_MOST],
        sha1=part.fingerprint.replace(":", "").lower(),
        self_signed=bool(part.subject) and part.subject == part.issuerdn,
        server_name=part.sni,
    )
    length = sum(map(len, said)) + sum(map(len, part.subjectaltname)) + len(part.fingerprint)
    if length <= _LONGEST_CERTIFICATE:
        if len(_certificates) >= _CERTIFICATES:
            _certificates.clear()
        _certificates[part.fingerprint] = said, certificate
    return certificate


def _hashes(certificate: Certificate) -> dict[str, str]:
    return {name: getattr(certificate, name) for name in ("md5", "sha1", "sha256", "der")}


def quic_of(event: Event, part: QuicPart) -> list[Told]:
    """A client's hello; the packets of a server, and those that go on, tell nothing of it."""
    if not part.sni and not part.ja3 and not part.ja4:
        return []
    client = Tls(
        type="client-hello",
        server_name=part.sni,
        ja3=part.ja3.hash if part.ja3 else "",
        ja4=part.ja4,
    )
    return [("tls", part.sni or event.dest_ip, "client-hello", client)]


def file_of(event: Event, part: FilePart) -> list[Told]:
    """A file; its SHA-256 is what one looks up, where Suricata was told to compute it."""
    file = File(
        name=part.filename,
        protocol=event.app_proto,
        mime_type=part.mimetype,
        size=part.size,
        complete=part.state == "CLOSED" and not part.gaps,
        md5=part.md5,
        sha1=part.sha1,
        sha256=part.sha256,
    )
    label = f"{part.filename} {part.magic}".rstrip()
    return [("file", part.sha256 or part.sha1 or part.md5, label[:_LABEL_LIMIT], file)]


def ssh_of(_event: Event, part: SshPart) -> list[Told]:
    """Each side that has said something of itself."""
    sides: tuple[tuple[str, SshSide], ...] = (("client", part.client), ("server", part.server))
    told: list[Told] = []
    for name, side in sides:
        if not side.software_version and not side.proto_version:
            continue
        hassh = side.hassh.hash if side.hassh else ""
        ssh = Ssh(
            type="algorithms" if hassh else "version",
            side="client" if name == "client" else "server",
            protocol_version=side.proto_version,
            software=side.software_version,
            hassh=hassh,
        )
        label = f"{name} SSH-{side.proto_version}-{side.software_version}"
        told.append(("ssh", hassh or side.software_version, label[:_LABEL_LIMIT], ssh))
    return told


def smb_of(_event: Event, part: SmbPart) -> list[Told]:
    """A request: which SMB it is, and in words what it was about."""
    dialect = "" if part.dialect == "unknown" else part.dialect
    first = dialect[:1]
    smb = Smb(version=first if first in {"2", "3"} else "1" if dialect else "", dialect=dialect)
    label = " ".join(filter(None, (part.command, part.filename or part.share, part.status)))
    return [("smb", dialect, label[:_LABEL_LIMIT], smb)]


def _answers(part: DnsPart) -> list[tuple[str, str, str]]:
    if part.answers:
        return [(answer.rrname, answer.rrtype, answer.rdata) for answer in part.answers]
    if part.grouped:
        return [
            (part.rrname, kind, data if isinstance(data, str) else "")
            for kind, values in part.grouped.items()
            for data in values
        ]
    return [(part.rrname, part.rrtype, part.rdata)] if part.rdata else []


def _headers(headers: Sequence[HeaderPart]) -> list[tuple[str, str]]:
    return [
        (header.name, header.value)
        for header in headers[:_MOST]
        if header.name and header.name.lower() not in _UNSAFE_HEADERS
    ]


def _value(headers: list[tuple[str, str]], wanted: str) -> str:
    """The first header of a name; empty where there is none."""
    for name, value in headers:
        if name.lower() == wanted:
            return value
    return ""


@cache
def _flags(*given: bool) -> list[str]:
    return [name for name, is_set in zip(("AA", "TC", "RD", "RA", "Z"), given, strict=True) if is_set]
