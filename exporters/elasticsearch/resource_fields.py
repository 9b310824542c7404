"""The objects that documents of resources and full text are made of: ECS where it has a name, else ``tapline``."""

from __future__ import annotations

from msgspec import field

from exporters.elasticsearch.fields import (
    Address,
    Attributes,
    Conversation,
    Day,
    Fields,
    Ip,
    Own,
    Text,
    Unindexed,
    UserAgent,
)


class Question(Fields, kw_only=True, rename={"class_": "class"}):
    """``dns.question``."""

    name: str
    type: str = ""
    class_: str = ""


class Answer(Fields, kw_only=True):
    """One of ``dns.answers``."""

    name: str
    type: str
    data: str


class DnsFields(Fields, kw_only=True):
    """``dns``."""

    type: str
    id: str
    op_code: str = ""
    question: Question
    response_code: str = ""
    header_flags: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    resolved_ip: list[Ip] = field(default_factory=list)


class Body(Fields, kw_only=True):
    """``http.request.body`` and ``http.response.body``."""

    bytes: int


class Request(Fields, kw_only=True):
    """``http.request``."""

    method: str = ""
    referrer: Address = ""
    mime_type: str = ""
    body: Body | None = None


class Response(Fields, kw_only=True):
    """``http.response``."""

    status_code: int = 0
    mime_type: str = ""
    body: Body | None = None


class HttpFields(Fields, kw_only=True):
    """``http``."""

    version: str = ""
    request: Request | None = None
    response: Response | None = None


class Url(Fields, kw_only=True):
    """``url``; the scheme is not seen on the wire and left out."""

    original: Address = ""
    full: Address = ""
    domain: str = ""
    port: int = 0
    path: Address = ""
    query: Address = ""


class Hash(Fields, kw_only=True):
    """The hashes of a file or of a certificate."""

    md5: str = ""
    sha1: str = ""
    sha256: str = ""


class Name(Fields, kw_only=True):
    """A subject or an issuer."""

    distinguished_name: str
    common_name: list[str] = field(default_factory=list)


class X509(Fields, kw_only=True):
    """``tls.server.x509``."""

    subject: Name
    issuer: Name
    serial_number: str = ""
    not_before: Day
    not_after: Day
    alternative_names: list[str] = field(default_factory=list)
    public_key_algorithm: str = ""
    public_key_size: int = 0
    signature_algorithm: str = ""
    version_number: str = ""


class TlsClient(Fields, kw_only=True):
    """``tls.client``."""

    server_name: str = ""
    ja3: str = ""


class TlsServer(Fields, kw_only=True):
    """``tls.server``; ``certificate`` is base64 of the DER bytes."""

    ja3s: str = ""
    subject: str = ""
    issuer: str = ""
    not_before: Day | None = None
    not_after: Day | None = None
    hash: Hash | None = None
    certificate: Unindexed = ""
    x509: X509 | None = None


class TlsFields(Fields, kw_only=True):
    """``tls``."""

    version: str = ""
    version_protocol: str = ""
    cipher: str = ""
    next_protocol: str = ""
    client: TlsClient | None = None
    server: TlsServer | None = None


class FileFields(Fields, kw_only=True):
    """``file``."""

    name: str = ""
    mime_type: str = ""
    size: int
    hash: Hash


class User(Fields, kw_only=True):
    """``user``."""

    name: str


class Related(Fields, kw_only=True):
    """``related``: what to search by without knowing the field."""

    hash: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)


class DnsOwn(Fields, kw_only=True):
    """``tapline.dns``: fields of :class:`topics.records.Dns` under their own names."""

    size: int = 0
    fragmented: bool = False
    answer_bytes: int = 0
    question_count: int = 0
    answer_count: int = 0
    authority_count: int = 0
    additional_count: int = 0


class HttpOwn(Fields, kw_only=True):
    """``tapline.http``: ``headers`` are ``Name: value`` lines in their order and case."""

    type: str
    server: str = ""
    headers: list[str] = field(default_factory=list)


class TlsOwn(Fields, kw_only=True):
    """``tapline.tls``."""

    type: str
    alpn: list[str] = field(default_factory=list)
    ja4: str = ""
    ja4s: str = ""


class CertificateOwn(Fields, kw_only=True):
    """``tapline.certificate``."""

    position: int | None
    self_signed: bool | None


class FileOwn(Fields, kw_only=True):
    """``tapline.file``."""

    complete: bool | None
    format: str = ""


class SshOwn(Fields, kw_only=True):
    """``tapline.ssh``: fields of :class:`topics.records.Ssh` under their own names."""

    type: str
    side: str
    protocol_version: str = ""
    software: str = ""
    hassh: str = ""
    key_exchange: list[str] = field(default_factory=list)
    host_keys: list[str] = field(default_factory=list)
    ciphers: list[str] = field(default_factory=list)
    macs: list[str] = field(default_factory=list)


class SmbOwn(Fields, kw_only=True):
    """``tapline.smb``: fields of :class:`topics.records.Smb` under their own names."""

    version: str
    dialect: str = ""
    signing_required: bool | None


class LoginOwn(Fields, kw_only=True):
    """``tapline.login``: how a password was sent in clear text; whose it is, is ``user.name``."""

    method: str


class ResourceFields(Fields, kw_only=True):
    """``tapline.resource``: fields of :class:`topics.records.Resource` under their own names."""

    group: str
    uri: Address = ""
    label: Text = ""
    script: str = ""


class ResourceOwn(Own, kw_only=True):
    """``tapline`` of a resource's document."""

    resource: ResourceFields
    dns: DnsOwn | None = None
    http: HttpOwn | None = None
    tls: TlsOwn | None = None
    certificate: CertificateOwn | None = None
    file: FileOwn | None = None
    ssh: SshOwn | None = None
    smb: SmbOwn | None = None
    login: LoginOwn | None = None


class ResourceDocument(Conversation, kw_only=True):
    """A resource as a document."""

    tapline: ResourceOwn
    dns: DnsFields | None = None
    http: HttpFields | None = None
    url: Url | None = None
    user_agent: UserAgent | None = None
    tls: TlsFields | None = None
    file: FileFields | None = None
    user: User | None = None
    related: Related | None = None


class TextFields(Fields, kw_only=True):
    """``tapline.document``: fields of :class:`topics.records.Document` under their own names."""

    group: str
    key: str = ""
    script: str = ""


class TextOwn(Own, kw_only=True):
    """``tapline`` of a full-text document."""

    document: TextFields


class SyslogFacility(Fields, kw_only=True):
    """``log.syslog.facility``."""

    code: int


class SyslogSeverity(Fields, kw_only=True):
    """``log.syslog.severity``: 0 (emergency) to 7 (debug)."""

    code: int
    name: str


class SyslogFields(Fields, kw_only=True):
    """``log.syslog``: what stood before the text."""

    facility: SyslogFacility
    severity: SyslogSeverity
    priority: int
    hostname: str = ""
    appname: str = ""
    procid: str = ""
    msgid: str = ""
    version: str = ""
    structured_data: Attributes = field(default_factory=dict)


class LogFields(Fields, kw_only=True):
    """``log``."""

    syslog: SyslogFields


class HostFields(Fields, kw_only=True):
    """``host``: who says it."""

    name: str


class TextDocument(Conversation, kw_only=True):
    """Full text as a document; the text is ``message``. A line of a log has ``log`` and ``host``."""

    tapline: TextOwn
    log: LogFields | None = None
    host: HostFields | None = None
