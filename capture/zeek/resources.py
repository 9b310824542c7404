"""What Zeek logs of application protocols, as the fields of resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from capture.tshark.dns import CLASSES, OPERATIONS
from capture.tshark.http import without_credentials
from capture.zeek.ends import address
from capture.zeek.errors import ZeekError
from capture.zeek.joins import Chained, Hashes
from capture.zeek.logs import DnsLine, FileLine, HttpLine, SslLine, X509Line
from capture.zeek.times import date
from topics.records import Certificate, Dns, File, Http, Tls

Fields = Iterator[dict[str, Any]]

_MOST: Final = 256
"""Most answers or names of one line that a record carries."""

_LABEL_LIMIT: Final = 512
_ADDRESSES: Final = frozenset({"A", "AAAA"})
_version = re.compile(r"(D?TLS|SSL)v([1-3])(\d?)").match

_KEYS: Final = {"rsa": "RSA", "dsa": "DSA", "ecdsa": "EC"}

_FORMATS: Final = {
    "application/x-dosexec": "pe", "application/x-executable": "elf", "application/x-mach-o-executable": "mach-o",
    "application/java-archive": "zip", "application/zip": "zip", "application/x-java-applet": "java-class",
    "application/msword": "ole", "application/x-gzip": "gzip", "application/gzip": "gzip", "application/pdf": "pdf",
    "application/x-bzip2": "bzip2", "application/x-rar": "rar", "application/x-rar-compressed": "rar",
    "application/x-7z-compressed": "7z", "application/vnd.ms-cab-compressed": "cab", "application/x-xz": "xz",
    "application/x-shockwave-flash": "flash", "application/x-rpm": "rpm", "text/rtf": "rtf", "text/html": "html",
    "image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif",
}  # fmt: skip
"""Zeek's types are those of a file's first bytes: what they are called here."""


def dns_of(line: DnsLine) -> Fields:
    """A question; where its answer has come, that as well."""
    kind = line.qtype_name
    name_class = "" if line.qclass is None else CLASSES.get(line.qclass, str(line.qclass))
    common: dict[str, Any] = {
        "message_id": line.trans_id,
        "query_name": line.query,
        "query_type": kind,
        "query_class": name_class,
        "operation": OPERATIONS.get(line.opcode, str(line.opcode)) if line.opcode else "",
    }
    said = [("AA", line.aa), ("TC", line.tc), ("RD", line.rd), ("RA", line.ra), ("Z", bool(line.z))]
    answered = line.rcode is not None or bool(line.answers)
    # What a line says of flags is the answer's where there is one, and of the question it tells one.
    asked = [name for name, is_set in said if is_set and (name == "RD" or not answered)]
    query = Dns(type="query", flags=asked, **common)
    yield {"group": "dns", "uri": line.query, "label": f"query {kind}".rstrip()[:_LABEL_LIMIT], "dns": query}
    if not answered:
        return
    answers = [(line.query, *_answer(kind, data)) for data in line.answers[:_MOST]]
    answer = Dns(
        type="answer",
        response_code=line.rcode_name,
        answers=answers,
        resolved_ips=[data for _, type_, data in answers if type_ in _ADDRESSES],
        flags=[name for name, is_set in said if is_set],
        truncated=line.tc,
        answer_count=len(line.answers),
        **common,
    )
    data = ", ".join(data for _, _, data in answers)
    label = f"answer {kind} {line.rcode_name} {data}".rstrip()
    yield {"group": "dns", "uri": line.query, "label": label[:_LABEL_LIMIT], "dns": answer}


def http_of(line: HttpLine) -> Fields:
    """A request, where it was seen; where its response has come, that as well."""
    path = _shown(line.uri)
    url = path
    if line.method != "CONNECT" and "://" not in path.partition("?")[0]:
        named = line.host or (f"[{line.resp_h}]" if ":" in line.resp_h else line.resp_h)
        if line.resp_p != 80 and (not line.host or ":" not in line.host.rpartition("]")[2]):
            named = f"{named}:{line.resp_p}"
        url = f"http://{named}{path if path.startswith('/') else f'/{path}'}"
    if line.method or not line.status_code:
        request = Http(
            type="request",
            version=line.version,
            method=line.method,
            host=line.host,
            uri=path,
            user_agent=line.user_agent,
            referrer=_shown(line.referrer),
            body_bytes=line.request_body_len,
        )
        yield {"group": "url", "uri": url, "label": f"{line.method} {url}".strip()[:_LABEL_LIMIT], "http": request}
    if line.status_code:
        response = Http(
            type="response",
            version=line.version,
            host=line.host,
            uri=path,
            status_code=line.status_code,
            content_type=line.resp_mime_types[0] if line.resp_mime_types else line.mime_type,
            body_bytes=line.response_body_len,
        )
        label = f"{line.status_code} {response.content_type}".rstrip()
        yield {"group": "url", "uri": url, "label": label[:_LABEL_LIMIT], "http": response}


def tls_of(line: SslLine) -> Fields:
    """A client's hello, and the server's where it has answered."""
    uri = line.server_name or line.resp_h
    client = Tls(type="client-hello", server_name=line.server_name, ja3=line.ja3, ja4=line.ja4)
    yield {"group": "tls", "uri": uri, "label": "client-hello", "tls": client}
    if line.version or line.ja3s:
        server = Tls(
            type="server-hello",
            version=version(line.version),
            server_name=line.server_name,
            cipher=line.cipher,
            alpn=[line.next_protocol] if line.next_protocol else [],
            ja3s=line.ja3s,
            ja4s=line.ja4s,
        )
        label = " ".join(filter(None, ("server-hello", server.version, line.cipher)))
        yield {"group": "tls", "uri": uri, "label": label, "tls": server}


def certificate_of(line: X509Line, chained: Chained | None, hashes: Hashes | None) -> dict[str, Any]:
    """A certificate; its place and its connection are those of the handshake, its hashes those of its file."""
    fingerprint = line.fingerprint.replace(":", "").lower()
    md5, sha1, sha256 = hashes or ("", "", "")
    match len(fingerprint):
        case 32:
            md5 = fingerprint
        case 40:
            sha1 = fingerprint
        case 64:
            sha256 = fingerprint
    certificate = Certificate(
        subject=line.subject,
        issuer=line.issuer,
        serial_number=line.serial,
        not_before=date(line.not_valid_before),
        not_after=date(line.not_valid_after),
        alternative_names=[*line.san_dns, *line.san_ip, *line.san_email, *line.san_uri][:_MOST],
        public_key_algorithm=_KEYS.get(line.key_type, line.key_type),
        public_key_size=line.key_length,
        signature_algorithm=line.sig_alg,
        version=line.version,
        md5=md5,
        sha1=sha1,
        sha256=sha256,
        self_signed=bool(line.subject) and line.subject == line.issuer,
        position=chained.position if chained else 0,
        server_name=chained.server_name if chained else "",
    )
    uri = f"SHA1:{sha1}" if sha1 else f"SHA256:{sha256}" if sha256 else f"MD5:{md5}" if md5 else ""
    return {"group": "x509", "uri": uri, "label": line.subject, "x509": certificate}


def file_of(line: FileLine) -> dict[str, Any]:
    """A file; its SHA-256 is what one looks up, where Zeek was told to compute it."""
    total = line.seen_bytes + line.missing_bytes if line.total_bytes is None else line.total_bytes
    file = File(
        name=line.filename,
        protocol=line.source.lower(),
        mime_type=line.mime_type,
        format=_FORMATS.get(line.mime_type, ""),
        size=total,
        complete=not line.missing_bytes and not line.overflow_bytes and not line.timedout and line.seen_bytes >= total,
        md5=line.md5.lower(),
        sha1=line.sha1.lower(),
        sha256=line.sha256.lower(),
    )
    label = f"{line.filename} {line.mime_type}".strip()
    return {
        "group": "file",
        "uri": file.sha256 or file.sha1 or file.md5 or line.filename,
        "label": label[:_LABEL_LIMIT],
        "file": file,
    }


def version(name: str) -> str:
    """``TLS 1.2`` for Zeek's ``TLSv12`` (also of a draft); what is none of these stays."""
    found = _version(name)
    if found is None:
        return name
    return f"{found[1]} {found[2]}.{found[3] or '0'}"


def _answer(kind: str, data: str) -> tuple[str, str]:
    """Type and data of an answer, of which Zeek tells the data alone."""
    if data.startswith("TXT ") and kind in {"TXT", "SPF"}:
        # A length stands before the text.
        return kind, data.split(" ", 2)[-1]
    if ":" in data or data[-1:].isdecimal():
        try:
            packed, shown = address(data)
        except ZeekError:
            pass
        else:
            return ("A" if len(packed) == 4 else "AAAA"), shown
    # Before the addresses of a name come the names it stands for.
    return ("CNAME" if kind in _ADDRESSES else kind), data


def _shown(url: str) -> str:
    """A URL without the password that some have."""
    return without_credentials(url)[0] if "@" in url else url
