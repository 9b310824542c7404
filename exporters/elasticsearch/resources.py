"""Resource and document records as ECS documents."""

from __future__ import annotations

import re
from typing import Final

from exporters.elasticsearch.fields import (
    ECS,
    MODULE,
    Context,
    Event,
    UserAgent,
    destination_of,
    moment,
    network_of,
    observer_of,
    source_of,
)
from exporters.elasticsearch.resource_fields import (
    X509,
    Answer,
    Body,
    CertificateOwn,
    DnsFields,
    DnsOwn,
    FileFields,
    FileOwn,
    Hash,
    HostFields,
    HttpFields,
    HttpOwn,
    LogFields,
    LoginOwn,
    Name,
    Question,
    Related,
    Request,
    ResourceDocument,
    ResourceFields,
    ResourceOwn,
    Response,
    SmbOwn,
    SshOwn,
    SyslogFacility,
    SyslogFields,
    SyslogSeverity,
    TextDocument,
    TextFields,
    TextOwn,
    TlsClient,
    TlsFields,
    TlsOwn,
    TlsServer,
    Url,
    User,
)
from topics.records import Certificate, Dns, Document, File, Http, Login, Resource, Ssh, Syslog, Tls

_NETWORK: Final = ["network"]
_PROTOCOL: Final = ["protocol", "info"]
_HOST_LOG: Final = ["host"]
_INFO: Final = ["info"]
_LEVELS: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_COMMON_NAME = re.compile(r"(?:^|[,+/;]\s*)(?:CN|id-at-commonName)\s*=\s*((?:\\.|[^,+/;\\])+)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)")
_TLS_VERSION = re.compile(r"(TLS|SSL|DTLS)\s*v?\s*([\d.]+)", re.IGNORECASE)
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::(?P<port>\d{1,5}))?")
_PROTOCOLS: Final = {"dns": "dns", "url": "http", "tls": "tls", "x509": "tls", "ssh": "ssh", "smb": "smb"}


def resource_document(record: Resource, context: Context) -> ResourceDocument:
    """The document of one resource record."""
    category, types, protocol = _NETWORK, _PROTOCOL, _PROTOCOLS.get(record.group, "")
    if record.http is not None:
        category, types = ["network", "web"], ["protocol", "access"]
    elif record.file is not None:
        category, types, protocol = ["file"], ["info"], record.file.protocol.lower()
    elif record.login is not None:
        category, types, protocol = ["network", "authentication"], ["start"], record.login.protocol
    document = ResourceDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(id=record.id, kind="event", module=MODULE, dataset=context.dataset, category=category, type=types),
        observer=observer_of(record),
        source=source_of(record),
        destination=destination_of(record),
        network=network_of(record, protocol),
        tapline=ResourceOwn(
            stream=context.stream,
            window=context.window,
            resource=ResourceFields(
                group=record.group,
                uri=record.uri,
                label="" if record.x509 is not None else record.label,
                script=record.script,
            ),
        ),
    )
    if record.dns is not None:
        _add_dns(document, record.dns)
    if record.http is not None:
        _add_http(document, record.http, record.uri)
    if record.tls is not None:
        _add_tls(document, record.tls)
    if record.x509 is not None:
        _add_certificate(document, record.x509)
    if record.file is not None:
        _add_file(document, record.file)
    if record.ssh is not None:
        document.tapline.ssh = _ssh(record.ssh)
    if record.smb is not None:
        smb = record.smb
        document.tapline.smb = SmbOwn(version=smb.version, dialect=smb.dialect, signing_required=smb.signing_required)
    if record.login is not None:
        _add_login(document, record.login)
    return document


def text_document(record: Document, context: Context) -> TextDocument:
    """The document of one full-text record."""
    head = record.syslog
    found = TextDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(
            id=record.id, kind="event", module=MODULE, dataset=context.dataset, category=_NETWORK, type=_PROTOCOL
        ),
        observer=observer_of(record),
        message=record.text,
        source=source_of(record),
        destination=destination_of(record),
        network=network_of(record, record.group.partition("-")[0].replace("certificate", "tls")),
        tapline=TextOwn(
            stream=context.stream,
            window=context.window,
            document=TextFields(group=record.group, key=record.key, script=record.script),
        ),
    )
    if head is not None:
        found.event.category, found.event.type = _HOST_LOG, _INFO
        found.log = LogFields(syslog=_syslog(head))
        found.host = HostFields(name=head.hostname) if head.hostname else None
    return found


def _syslog(head: Syslog) -> SyslogFields:
    return SyslogFields(
        facility=SyslogFacility(code=head.facility),
        severity=SyslogSeverity(code=head.severity, name=_LEVELS[min(head.severity, 7)]),
        priority=head.facility * 8 + head.severity,
        hostname=head.hostname,
        appname=head.application,
        procid=head.process_id,
        msgid=head.message_id,
        version=str(head.version) if head.version else "",
        structured_data={
            f"{element}.{name}": value
            for element, values in head.structured_data.items()
            for name, value in values.items()
        },
    )


def split_host(host: str) -> tuple[str, int]:
    """Name and port of a ``Host`` header; all of it is the name where it is not well formed."""
    found = _HOST.fullmatch(host)
    if found is None:
        return host, 0
    return found["name"].strip("[]"), int(found["port"] or 0)


def _add_dns(document: ResourceDocument, dns: Dns) -> None:
    document.dns = _dns(dns)
    document.tapline.dns = DnsOwn(
        size=dns.size,
        fragmented=dns.fragmented,
        answer_bytes=dns.answer_bytes,
        question_count=dns.question_count,
        answer_count=dns.answer_count,
        authority_count=dns.authority_count,
        additional_count=dns.additional_count,
    )


def _dns(dns: Dns) -> DnsFields:
    flags = dns.flags
    if dns.truncated and "TC" not in flags:
        flags = [*flags, "TC"]
    return DnsFields(
        type=dns.type,
        id=str(dns.message_id),
        op_code=dns.operation,
        question=Question(name=dns.query_name, type=dns.query_type, class_=dns.query_class),
        response_code=dns.response_code,
        header_flags=flags,
        answers=[Answer(name=name, type=kind, data=data) for name, kind, data in dns.answers],
        resolved_ip=dns.resolved_ips,
    )


def _add_http(document: ResourceDocument, http: Http, looked_up: str) -> None:
    body = Body(bytes=http.body_bytes) if http.body_bytes else None
    mime_type = http.content_type.partition(";")[0].strip()
    fields = HttpFields(version=http.version)
    if http.type == "request":
        fields.request = Request(method=http.method, referrer=http.referrer, mime_type=mime_type, body=body)
    else:
        fields.response = Response(status_code=http.status_code, mime_type=mime_type, body=body)
    document.http = fields
    document.tapline.http = HttpOwn(
        type=http.type, server=http.server, headers=[f"{name}: {value}" for name, value in http.headers]
    )
    if http.user_agent:
        document.user_agent = UserAgent(original=http.user_agent)
    if http.uri or http.host:
        domain, port = split_host(http.host)
        path, _, query = ("", "", "") if "://" in http.uri else http.uri.partition("?")
        document.url = Url(
            original=http.uri,
            full=looked_up if "://" in looked_up else "",
            domain=domain,
            port=port,
            path=path,
            query=query,
        )


def _add_tls(document: ResourceDocument, tls: Tls) -> None:
    version = _TLS_VERSION.match(tls.version)
    fields = TlsFields(
        version=version[2] if version else tls.version,
        version_protocol=version[1].lower() if version else "",
        cipher=tls.cipher,
    )
    if tls.server_name or tls.ja3:
        fields.client = TlsClient(server_name=tls.server_name, ja3=tls.ja3)
    if tls.ja3s:
        fields.server = TlsServer(ja3s=tls.ja3s)
    if tls.type == "server-hello" and tls.alpn:
        fields.next_protocol = tls.alpn[0]
    document.tls = fields
    document.tapline.tls = TlsOwn(type=tls.type, alpn=tls.alpn, ja4=tls.ja4, ja4s=tls.ja4s)


def _add_certificate(document: ResourceDocument, certificate: Certificate) -> None:
    not_before, not_after = moment(certificate.not_before), moment(certificate.not_after)
    document.tls = TlsFields(
        client=TlsClient(server_name=certificate.server_name) if certificate.server_name else None,
        server=TlsServer(
            subject=certificate.subject,
            issuer=certificate.issuer,
            not_before=not_before,
            not_after=not_after,
            # ECS has the fingerprints of certificates, unlike those of files, in upper case.
            hash=Hash(
                md5=certificate.md5.upper(),
                sha1=certificate.sha1.upper(),
                sha256=certificate.sha256.upper(),
            ),
            certificate=certificate.der,
            x509=X509(
                subject=_name(certificate.subject),
                issuer=_name(certificate.issuer),
                serial_number=certificate.serial_number.replace(":", "").upper(),
                not_before=not_before,
                not_after=not_after,
                alternative_names=certificate.alternative_names,
                public_key_algorithm=certificate.public_key_algorithm,
                public_key_size=certificate.public_key_size,
                signature_algorithm=certificate.signature_algorithm,
                version_number=str(certificate.version) if certificate.version else "",
            ),
        ),
    )
    document.related = _related(certificate.md5, certificate.sha1, certificate.sha256)
    document.tapline.certificate = CertificateOwn(position=certificate.position, self_signed=certificate.self_signed)


def _add_file(document: ResourceDocument, file: File) -> None:
    document.file = FileFields(
        name=file.name,
        mime_type=file.mime_type,
        size=file.size,
        hash=Hash(md5=file.md5, sha1=file.sha1, sha256=file.sha256),
    )
    document.related = _related(file.md5, file.sha1, file.sha256)
    document.tapline.file = FileOwn(complete=file.complete, format=file.format)


def _ssh(ssh: Ssh) -> SshOwn:
    return SshOwn(
        type=ssh.type,
        side=ssh.side,
        protocol_version=ssh.protocol_version,
        software=ssh.software,
        hassh=ssh.hassh,
        key_exchange=ssh.key_exchange,
        host_keys=ssh.host_keys,
        ciphers=ssh.ciphers,
        macs=ssh.macs,
    )


def _add_login(document: ResourceDocument, login: Login) -> None:
    document.tapline.login = LoginOwn(method=login.method)
    if login.user_name:
        document.user = User(name=login.user_name)
        document.related = Related(user=[login.user_name])


def _related(*hashes: str) -> Related | None:
    found = [each for each in hashes if each]
    return Related(hash=found) if found else None


def _name(distinguished: str) -> Name:
    found = _COMMON_NAME.search(distinguished)
    return Name(distinguished_name=distinguished, common_name=[_ESCAPE.sub(r"\1", found[1].strip())] if found else [])
