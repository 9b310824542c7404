"""Resources: what flows carried, by kind; the newest, and what there was most of."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import Field

from console.data.model import Answer, Period
from console.data.span import Span
from console.data.store import Store, every, inner, moment_of
from console.errors import Mistake
from topics.catalog import RESOURCE

KINDS: Final = {
    "dns": "DNS",
    "url": "HTTP",
    "tls": "TLS",
    "x509": "Certificates",
    "file": "Files",
    "ssh": "SSH",
    "smb": "SMB",
    "login": "Clear-text logins",
}
"""The kinds of resources and what they are called."""

_DETAILS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "dns": (
        ("query", "dns.question.type"),
        ("answer", "dns.response_code"),
        ("addresses", "dns.resolved_ip"),
    ),
    "url": (
        ("method", "http.request.method"),
        ("status", "http.response.status_code"),
        ("content", "http.response.mime_type"),
        ("program", "user_agent.original"),
        ("server", "tapline.http.server"),
    ),
    "tls": (
        ("hello", "tapline.tls.type"),
        ("version", "tls.version"),
        ("cipher", "tls.cipher"),
        ("JA3", "tls.client.ja3"),
        ("JA3S", "tls.server.ja3s"),
    ),
    "x509": (
        ("subject", "tls.server.subject"),
        ("issuer", "tls.server.issuer"),
        ("until", "tls.server.not_after"),
        ("self-signed", "tapline.certificate.self_signed"),
        ("asked as", "tls.client.server_name"),
    ),
    "file": (
        ("name", "file.name"),
        ("type", "file.mime_type"),
        ("content", "tapline.file.format"),
        ("bytes", "file.size"),
        ("protocol", "network.protocol"),
    ),
    "ssh": (("side", "tapline.ssh.side"), ("software", "tapline.ssh.software"), ("HASSH", "tapline.ssh.hassh")),
    "smb": (("version", "tapline.smb.version"), ("dialect", "tapline.smb.dialect")),
    "login": (("protocol", "network.protocol"), ("method", "tapline.login.method"), ("user", "user.name")),
}
PAGE: Final = 100
_TOP: Final = 15


class Resource(Answer):
    """Something named that a flow carried; ``details`` are those of its kind, by what they are called."""

    id: str
    time: datetime | None
    uri: str
    source: str = ""
    destination: str = ""
    destination_port: int = 0
    community_id: str = ""
    script: str = ""
    details: dict[str, str] = Field(default_factory=dict)


class Named(Answer):
    """A name, and how often it was seen."""

    name: str
    count: int


class ResourceList(Answer):
    """The newest of a kind, and what there was most of."""

    period: Period
    kind: str
    columns: list[str] = Field(description="What the details of this kind are called.")
    total: int
    resources: list[Resource]
    most: list[Named]


def resource_list(store: Store, span: Span, kind: str, search: str = "", host: str = "") -> ResourceList:
    """The newest resources of a kind, of those that fit (``search`` takes ``*``; ``host`` is either end)."""
    if kind not in KINDS:
        raise Mistake(f"there is no kind {kind}: there are {', '.join(KINDS)}")
    queries: list[dict[str, Any]] = [span.over(), {"term": {"tapline.resource.group": kind}}]
    if search:
        escaped = search.replace("\\", "\\\\").replace("?", "\\?")
        pattern = escaped if "*" in search else f"*{escaped}*"
        queries.append({"wildcard": {"tapline.resource.uri": {"value": pattern, "case_insensitive": True}}})
    if host:
        ends = [{"term": {"source.ip": host}}, {"term": {"destination.ip": host}}]
        queries.append({"bool": {"should": ends, "minimum_should_match": 1}})
    return store.shared(
        ("resources", kind, span.known_as, search, host), lambda: _resource_list(store, span, kind, queries)
    )


def _resource_list(store: Store, span: Span, kind: str, queries: list[dict[str, Any]]) -> ResourceList:
    period = Period.of(span)
    answer = store.search(
        RESOURCE.kind,
        size=PAGE,
        query=every(*queries),
        sort=[{"@timestamp": "desc"}, {"event.id": "desc"}],
        track_total_hits=True,
        source_excludes=["tls.server.certificate", "tapline.http.headers"],
        aggs={"most": {"terms": {"field": "tapline.resource.uri", "size": _TOP}}},
    )
    buckets = answer.get("aggregations", {}).get("most", {}).get("buckets", [])
    return ResourceList(
        period=period,
        kind=kind,
        columns=[name for name, _ in _DETAILS[kind]],
        total=answer["hits"].get("total", {}).get("value", 0),
        resources=[_resource(hit["_source"], kind) for hit in answer["hits"]["hits"]],
        most=[Named(name=bucket["key"], count=bucket["doc_count"]) for bucket in buckets if bucket["key"]],
    )


def _resource(document: dict[str, Any], kind: str) -> Resource:
    details = {}
    for name, path in _DETAILS[kind]:
        value = inner(document, path, None)
        if value not in (None, "", [], False):
            details[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Resource(
        id=inner(document, "event.id"),
        time=moment_of(document.get("@timestamp", "")),
        uri=inner(document, "tapline.resource.uri"),
        source=inner(document, "source.ip"),
        destination=inner(document, "destination.ip"),
        destination_port=inner(document, "destination.port", 0),
        community_id=inner(document, "network.community_id"),
        script=inner(document, "tapline.resource.script"),
        details=details,
    )
