"""How the console is reached, and where it keeps who may use it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field


class ConsoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``console:`` block: what ``tapline console`` serves.

    ``host`` and ``port`` are where it listens, on loopback unless told otherwise (port 0: a free one).
    ``certificate_file`` and ``key_file`` (PEM) make it speak TLS. Behind a proxy, ``public_url`` is how browsers reach
    it, and ``proxies`` are the addresses of which ``X-Forwarded-For`` is believed. ``hosts`` are further names by which
    browsers may call it. ``folder`` keeps the users and the audit trail; it is for the user that runs the console
    alone. A session ends ``session_hours`` after it began, or ``idle_minutes`` after it was last used. A question to
    Elasticsearch may take ``timeout``.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="0 takes a free port.")] = 8470
    certificate_file: str = ""
    key_file: str = ""
    public_url: str = ""
    hosts: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    folder: str = ".tapline/console"
    session_hours: Annotated[float, Meta(gt=0)] = 12.0
    idle_minutes: Annotated[float, Meta(gt=0)] = 120.0
    timeout: Annotated[float, Meta(gt=0, description="Seconds.")] = 10.0
    metrics_port: Annotated[int, Meta(ge=-1, le=65_535, description="0 takes a free port, -1 serves nothing.")] = 9108
