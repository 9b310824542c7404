"""Who is told of alerts, of which, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Event = Literal["raised", "changed", "released", "stored", "acknowledged"]
"""What became of an alert: a condition begins, becomes another, ends; a one-shot alert; somebody has seen to it."""

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

Seconds = Annotated[float, Meta(gt=0, le=120, description="Seconds.")]
Port = Annotated[int, Meta(ge=1, le=65_535)]
MetricsPort = Annotated[int, Meta(ge=-1, le=65_535, description="0 takes a free port, -1 serves nothing.")]


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts are meant: all that is given must fit.

    ``alerts`` are types, with ``*`` and ``?``; ``severity`` is the least, from 1 (debug) to 8 (emergency). ``entities``
    are addresses, CIDR networks, or names with ``*`` and ``?``; ``pools`` those of the policy. ``days`` and ``hours``
    (``08:00-18:00``; ``22:00-06:00`` goes over midnight) are those at which the alert began, in the recipient's time
    zone. Who was told of an alert is told of its changes and its end whatever else they fit, where ``events`` has them.
    """

    alerts: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    severity: Annotated[int, Meta(ge=1, le=8)] = 1
    entities: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    hours: Annotated[str, Meta(pattern=r"^(\d\d:\d\d-\d\d:\d\d)?$")] = ""


class Recipient(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Somebody who is told; :class:`RecipientsSettings` says what the fields mean."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    when: list[When] = field(default_factory=list)
    time_zone: str = "UTC"
    timeout: Seconds = 10.0
    give_up_seconds: Annotated[float, Meta(ge=0)] = 86_400.0


class Reader(Recipient, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Somebody who reads, and does not want too many messages."""

    title: str = ""
    text: str = ""
    digest_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    per_minute: Annotated[int, Meta(ge=0, le=10_000)] = 20


class Webhook(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="webhook"):
    """JSON by HTTP POST to ``url``, which may be a secret.

    Values of ``headers`` may be secrets, and have to be for those that carry credentials. With ``secret`` a request is
    signed as Standard Webhooks has it (HMAC-SHA256). ``body`` is a template of JSON, in which each ``{{ }}`` becomes a
    JSON value, in place of the usual object.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    secret: str = ""
    body: str = ""
    ca_file: str = ""
    proxy: str = ""


class Email(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="email"):
    """E-mail by SMTP (RFC 5321) through the server ``host``.

    ``security`` is how the connection is protected: ``starttls``, ``tls`` from the start, or ``none``. ``user`` and
    ``password`` (a secret) log in where the server wants it.
    """

    host: str
    to: Annotated[list[str], Meta(min_length=1)]
    sender: str
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    ca_file: str = ""


class Slack(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="slack"):
    """A channel of Slack; ``url`` (a secret) is that of an incoming webhook."""

    url: str
    ca_file: str = ""
    proxy: str = ""


class Mattermost(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="mattermost"):
    """A channel of Mattermost; ``url`` (a secret) is that of an incoming webhook."""

    url: str
    ca_file: str = ""
    proxy: str = ""


class Teams(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="teams"):
    """A channel of Microsoft Teams; ``url`` (a secret) is that of a workflow that posts cards it is sent."""

    url: str
    ca_file: str = ""
    proxy: str = ""


class Discord(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="discord"):
    """A channel of Discord; ``url`` (a secret) is that of its webhook."""

    url: str
    ca_file: str = ""
    proxy: str = ""


class Telegram(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="telegram"):
    """A chat of Telegram, by the bot whose ``token`` (a secret) this is."""

    token: str
    chat: str
    server: str = "https://api.telegram.org"
    ca_file: str = ""
    proxy: str = ""


class PagerDuty(Recipient, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="pagerduty"):
    """A service of PagerDuty, by its Events API v2; ``routing_key`` is a secret, ``title`` the template of the summary.

    An alert that begins triggers an incident, and resolves it when it ends.
    """

    routing_key: str
    title: str = ""
    url: str = "https://events.pagerduty.com/v2/enqueue"
    ca_file: str = ""
    proxy: str = ""


class SyslogServer(Recipient, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="syslog"):
    """A syslog server: each alert is a message (RFC 5424) that holds its ECS document.

    Over ``tcp`` and ``tls`` (RFC 5425) messages have their length in front. ``facility`` is a number, 16 is local0.
    """

    host: str
    port: Port = 514
    transport: Literal["udp", "tcp", "tls"] = "tcp"
    facility: Annotated[int, Meta(ge=0, le=23)] = 16
    ca_file: str = ""


class Script(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="script"):
    """A program, which gets the message as JSON on standard input; no shell is between.

    ``command`` is the program's absolute path and its arguments. Its environment is ``environment``, whose values may
    be secrets, and a ``PATH``. It is killed after ``timeout`` seconds.
    """

    command: Annotated[list[str], Meta(min_length=1)]
    environment: dict[str, str] = field(default_factory=dict)


class Apprise(Reader, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="apprise"):
    """Any service that the library Apprise knows; ``url`` (a secret) is its URL for it."""

    url: str


AnyRecipient = (
    Webhook | Email | Slack | Mattermost | Teams | Discord | Telegram | PagerDuty | SyslogServer | Script | Apprise
)


class RecipientsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``recipients:`` block: who ``tapline export recipients`` tells of alerts.

    Each of ``send_to`` gets what one of its ``when`` means, everything without any. Its ``name`` is also that of the
    consumer group: a recipient of another name begins with what is told from then on. ``time_zone`` is that of its
    hours and of the times it reads. One attempt may take ``timeout`` seconds; what could not be delivered
    ``give_up_seconds`` after it was told becomes a dead letter. ``title`` and ``text`` are templates in place of the
    usual ones. With ``digest_seconds`` all that comes in so many seconds is one message. At most ``per_minute``
    messages go out in any 60 seconds (0: no limit); what is beyond comes as one message after that. ``proxy`` is the
    URL of an HTTP proxy through which it is reached; one with a password in it is a secret.

    Secrets are named, not written: ``env:NAME`` is a variable of the environment, ``file:PATH`` a file whose first line
    it is.
    """

    send_to: list[AnyRecipient] = field(default_factory=list)
    metrics_port: MetricsPort = 9104
