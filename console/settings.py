"""How the console is reached, and where it keeps who may use it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field


class OpenIdSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``console.openid:`` block: log-in by an OpenID Connect provider, on where ``issuer`` is set.

    The provider knows the console as ``client_id``, with the secret that ``client_secret`` names (``env:NAME`` or
    ``file:PATH``; none for a public client), and leads back to ``/openid/return``. Users are called what ``name_claim``
    says, and have the highest role of which ``administrators``, ``operators`` or ``viewers`` names a value of
    ``role_claim``; who has none does not get in.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    administrators: list[str] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)
    viewers: list[str] = field(default_factory=list)


class ConsoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``console:`` block: what ``tapline console`` serves.

    ``host`` and ``port`` are where it listens, on loopback unless told otherwise (port 0: a free one).
    ``certificate_file`` and ``key_file`` (PEM) make it speak TLS. Behind a proxy, ``public_url`` is how browsers reach
    it, and ``proxies`` are the addresses of which ``X-Forwarded-For`` is believed. ``hosts`` are further names by which
    browsers may call it. ``folder`` keeps the users and the audit trail; it is for the user that runs the console
    alone. A session ends ``session_hours`` after it began, or ``idle_minutes`` after it was last used. A question to
    Elasticsearch or the OpenID provider may take ``timeout``.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="0 takes a free port.")] = 8470
    certificate_file: str = ""
    key_file: str = ""
    public_url: str = ""
    hosts: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    folder: str = ".tapline/console"
    openid: OpenIdSettings = field(default_factory=OpenIdSettings)
    session_hours: Annotated[float, Meta(gt=0)] = 12.0
    idle_minutes: Annotated[float, Meta(gt=0)] = 120.0
    timeout: Annotated[float, Meta(gt=0, description="Seconds.")] = 10.0
    metrics_port: Annotated[int, Meta(ge=-1, le=65_535, description="0 takes a free port, -1 serves nothing.")] = 9108
