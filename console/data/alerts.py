"""Alerts: those that are engaged, as Kafka has them, and those that are past, as Elasticsearch has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from pydantic import Field

from console.data.model import Answer, Period
from console.data.span import Span
from console.data.store import Store, every, inner, moment_of
from console.errors import Missing
from console.live.standing import Standing, entity_of, most_severe_first
from topics.catalog import NOTIFICATION
from topics.records import Alert as AlertRecord
from topics.records import AlertState

SEVERITIES: Final = ("none", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
MOST: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Alert(Answer):
    """An alert, with why it was raised: a value against a threshold, in a window, by a script under a configuration.

    ``what`` is ``engaged`` for a condition that holds, else what was told of it: ``raised``, ``changed``,
    ``released``, or ``stored`` for one without an end. ``episode`` is what all that is told from its beginning to its
    end has in common.
    """

    id: str
    episode: str
    what: str
    time: datetime | None
    began: datetime | None
    severity: int
    severity_word: str
    type: str
    subtype: str = ""
    entity: str = ""
    entity_kind: str = ""
    peer: str = ""
    source: str = ""
    destination: str = ""
    port: int = 0
    transport: str = ""
    message: str = ""
    score: int = 0
    category: str = ""
    value: float | None = None
    threshold: float | None = None
    window: datetime | None = None
    granularity: str = ""
    script: str = ""
    configuration: str = ""
    signature: str = ""
    evidence: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    attributes: dict[str, str] = Field(default_factory=dict)
    stream: str = ""
    node: str = ""
    count: int = 0
    acknowledged: str = Field(default="", description="Who has seen to it.")
    withheld: str = Field(default="", description="Why nobody was told of it, if so.")


class EngagedAlerts(Answer):
    """What holds now, the most severe first."""

    problem: str = Field(description="Why this may be out of date; empty when it is not.")
    total: int
    alerts: list[Alert]


class PastAlerts(Answer):
    """What was told, the newest first."""

    period: Period
    total: int
    alerts: list[Alert]


class AlertDetails(Answer):
    """One alert: how it stands or stood last, and all that was told of it, the oldest first."""

    alert: Alert
    told: list[Alert]


class AlertFilter(msgspec.Struct, frozen=True):
    """Which alerts are meant: of a type, about an entity, at least so severe."""

    type: str = ""
    entity: str = ""
    severity: int = 0

    def fits(self, alert: Alert) -> bool:
        """True when all that is given fits."""
        return (
            (not self.type or alert.type == self.type)
            and (not self.entity or self.entity in (alert.entity, alert.peer, alert.source, alert.destination))
            and alert.severity >= self.severity
        )


def engaged_alerts(standing: Standing, asked: AlertFilter, most: int = MOST) -> EngagedAlerts:
    """The engaged alerts that fit."""
    seen = standing.acknowledged()
    found = [_of_state(state, seen) for state in most_severe_first(standing.engaged())]
    fitting = [alert for alert in found if asked.fits(alert)]
    return EngagedAlerts(problem=standing.problem, total=len(fitting), alerts=fitting[:most])


def past_alerts(store: Store, standing: Standing, asked: AlertFilter, span: Span, most: int = MOST) -> PastAlerts:
    """What was told in a span, without what only changed."""
    queries: list[dict[str, Any]] = [{"terms": {"event.action": ["raised", "released", "stored"]}}]
    if asked.type:
        queries.append({"term": {"tapline.alert.type": asked.type}})
    if asked.entity:
        names: list[dict[str, Any]] = [
            {"term": {"tapline.alert.entity": asked.entity}},
            {"term": {"tapline.alert.peer": asked.entity}},
        ]
        if _is_address(asked.entity):
            names += [{"term": {"source.ip": asked.entity}}, {"term": {"destination.ip": asked.entity}}]
        queries.append({"bool": {"should": names, "minimum_should_match": 1}})
    if asked.severity:
        queries.append({"range": {"event.severity": {"gte": asked.severity}}})
    answer = store.search(
        NOTIFICATION.kind,
        size=most,
        query=every(span.over(), *queries),
        sort=[{"@timestamp": "desc"}, {"event.id": "desc"}],
        track_total_hits=True,
    )
    seen = standing.acknowledged()
    alerts = [_of_document(hit["_source"], seen) for hit in answer["hits"]["hits"]]
    return PastAlerts(period=Period.of(span), total=answer["hits"].get("total", {}).get("value", 0), alerts=alerts)


def alert_details(store: Store, standing: Standing, episode: str) -> AlertDetails:
    """All about one episode; :class:`Missing` where nobody knows of it."""
    seen = standing.acknowledged()
    answer = store.search(
        NOTIFICATION.kind,
        size=MOST,
        query=every({"term": {"tapline.alert.episode": episode}}),
        sort=[{"@timestamp": "asc"}],
    )
    told = [_of_document(hit["_source"], seen) for hit in answer["hits"]["hits"]]
    state = next((state for state in standing.engaged() if state.alert.episode == episode), None)
    if state is not None:
        return AlertDetails(alert=_of_state(state, seen), told=told)
    if not told:
        raise Missing("there is no such alert: it may be older than what is kept")
    return AlertDetails(alert=told[-1], told=told)


def _of_state(state: AlertState, seen: dict[str, Any]) -> Alert:
    record = state.alert
    found = _of_record(record, "engaged")
    entry = seen.get(record.episode)
    author = entry.author or "somebody" if entry is not None else state.acknowledged
    return found.model_copy(
        update={"id": state.id, "acknowledged": author, "withheld": state.withheld.replace("_", " ")}
    )


def _of_record(record: AlertRecord, what: str) -> Alert:
    return Alert(
        id=record.id,
        episode=record.episode,
        what=what,
        time=_moment(record.time),
        began=_moment(record.began),
        severity=record.severity,
        severity_word=SEVERITIES[min(record.severity, 8)],
        type=record.type,
        subtype=record.subtype,
        entity=entity_of(record),
        entity_kind=record.entity_kind,
        peer=record.peer,
        source=record.source_ip,
        destination=record.destination_ip,
        port=record.destination_port,
        transport=record.transport,
        message=record.message,
        score=record.score,
        category=record.category,
        value=record.value or None,
        threshold=record.threshold or None,
        window=_moment(record.window * 1_000_000),
        granularity=record.granularity,
        script=record.script,
        configuration=record.configuration,
        signature=record.signature,
        evidence=tuple(record.evidence),
        links=tuple(record.links),
        attributes=dict(record.attributes),
        stream=record.stream,
        node=record.node,
        count=record.count,
    )


def _of_document(document: dict[str, Any], seen: dict[str, Any]) -> Alert:
    own = inner(document, "tapline.alert", {})
    severity = inner(document, "event.severity", 0)
    episode = own.get("episode", "")
    source, destination = inner(document, "source.ip"), inner(document, "destination.ip")
    return Alert(
        id=inner(document, "event.id"),
        episode=episode,
        what=inner(document, "event.action"),
        time=moment_of(document.get("@timestamp", "")),
        began=moment_of(own.get("began", "")),
        severity=severity,
        severity_word=SEVERITIES[min(severity, 8)],
        type=own.get("type", ""),
        subtype=own.get("subtype", ""),
        entity=own.get("entity", "") or source,
        entity_kind=own.get("entity_kind", ""),
        peer=own.get("peer", ""),
        source=source,
        destination=destination,
        port=inner(document, "destination.port", 0),
        transport=inner(document, "network.transport"),
        message=document.get("message", ""),
        score=own.get("score", 0),
        category=own.get("category", ""),
        value=own.get("value"),
        threshold=own.get("threshold"),
        window=moment_of(inner(document, "tapline.window")),
        granularity=own.get("granularity", ""),
        script=own.get("script", ""),
        configuration=own.get("configuration", ""),
        signature="" if inner(document, "rule.name") == own.get("type", "") else inner(document, "rule.name"),
        evidence=tuple(own.get("evidence", ())),
        links=tuple(own.get("links", ())),
        attributes=dict(own.get("attributes", {})),
        stream=inner(document, "tapline.stream"),
        node=inner(document, "observer.name"),
        count=own.get("count", 0),
        acknowledged=(seen[episode].author or "somebody") if episode in seen else "",
    )


def _moment(microseconds: int) -> datetime | None:
    if not microseconds:
        return None
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
