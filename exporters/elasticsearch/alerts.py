"""Alerts as ECS documents: what was told of them, and how conditions stand."""

from __future__ import annotations

from typing import Any, Final

from msgspec import field

from exporters.elasticsearch.fields import (
    ECS,
    MODULE,
    Address,
    Attributes,
    Context,
    Conversation,
    Double,
    Event,
    Fields,
    Moment,
    Own,
    destination_of,
    moment,
    network_of,
    observer_of,
    source_of,
    window_start,
)
from topics.records import Alert, AlertState


class Rule(Fields, kw_only=True):
    """``rule``: what raised the alert."""

    name: str
    category: str = ""
    ruleset: str = ""


class AlertFields(Fields, kw_only=True):
    """``tapline.alert``: fields of :class:`topics.records.Alert` under their own names."""

    type: str
    subtype: str = ""
    granularity: str = ""
    entity: str = ""
    entity_kind: str = ""
    peer: str = ""
    category: str = ""
    group: str = ""
    status: str = ""
    priority: int
    score: int = 0
    script: str = ""
    configuration: str = ""
    value: Double | None = None
    threshold: Double | None = None
    flow_id: str = ""
    evidence: list[str] = field(default_factory=list)
    links: list[Address] = field(default_factory=list)
    attributes: Attributes = field(default_factory=dict)
    episode: str = ""
    began: Moment | None = None
    count: int = 0


class AlertOwn(Own, kw_only=True):
    """``tapline`` of an alert's document."""

    alert: AlertFields


class AlertDocument(Conversation, kw_only=True):
    """An alert as a document."""

    rule: Rule
    tapline: AlertOwn


class StateFields(Fields, kw_only=True):
    """``tapline.state``: how a condition stands; ``holders`` are who asserts it."""

    status: str
    holders: list[str] = field(default_factory=list)
    acknowledged: str = ""
    notifications: int = 0
    withheld: str = ""


class StateOwn(AlertOwn, kw_only=True):
    """``tapline`` of a condition's document."""

    state: StateFields


class StateDocument(Conversation, kw_only=True):
    """How a condition stands, as the one document of it: its last event, and who holds it."""

    rule: Rule
    tapline: StateOwn


_TYPES: Final = {
    "store": ["info"],
    "trigger": ["start"],
    "release": ["end"],
    "stored": ["info"],
    "raised": ["start"],
    "changed": ["change"],
    "released": ["end"],
}
_THREAT: Final = ["intrusion_detection"]


def alert_document(record: Alert, context: Context) -> AlertDocument:
    """The document of one alert: a notification, or an alert that has not come to the engine."""
    return AlertDocument(
        data_stream=context.data_stream,
        event=_event(record, context, "alert"),
        tapline=AlertOwn(
            stream=record.stream or context.stream,
            window=window_start(record.window) if record.window else context.window,
            alert=_fields(record),
        ),
        **_shared(record),
    )


def state_document(record: AlertState, context: Context) -> StateDocument:
    """The document of how one condition stands."""
    alert = record.alert
    event = _event(alert, context, "state")
    event.id = record.id
    if record.status == "released":
        event.end = moment(record.time)
    document = StateDocument(
        event=event,
        tapline=StateOwn(
            stream=alert.stream or context.stream,
            window=window_start(alert.window) if alert.window else context.window,
            alert=_fields(alert),
            state=StateFields(
                status=record.status,
                holders=sorted(record.holders),
                acknowledged=record.acknowledged,
                notifications=record.notifications,
                withheld=record.withheld,
            ),
        ),
        **_shared(alert),
    )
    document.timestamp = moment(record.time)
    return document


def _event(record: Alert, context: Context, kind: str) -> Event:
    action = record.event or record.action
    lasting = record.began and record.event != "stored"
    return Event(
        id=record.id,
        kind=kind,
        module=MODULE,
        dataset=context.dataset,
        category=_THREAT,
        type=_TYPES[action],
        action=action,
        start=moment(record.began) if lasting else None,
        end=moment(record.time) if record.event == "released" else None,
        severity=record.severity,
        risk_score=record.score or None,
    )


def _shared(record: Alert) -> dict[str, Any]:
    return {
        "timestamp": moment(record.time),
        "ecs": ECS,
        "observer": observer_of(record),
        "message": record.message,
        "source": source_of(record),
        "destination": destination_of(record),
        "network": network_of(record),
        "rule": Rule(name=record.signature or record.type, category=record.classification, ruleset=record.script),
    }


def _fields(record: Alert) -> AlertFields:
    return AlertFields(
        type=record.type,
        subtype=record.subtype,
        granularity=record.granularity,
        entity=record.entity,
        entity_kind=record.entity_kind,
        peer=record.peer,
        category=record.category,
        group=record.group,
        status=record.status,
        priority=record.priority,
        score=record.score,
        script=record.script,
        configuration=record.configuration,
        value=record.value or None,
        threshold=record.threshold or None,
        flow_id=record.flow_id,
        evidence=record.evidence,
        links=record.links,
        attributes=record.attributes,
        episode=record.episode,
        began=moment(record.began) if record.began else None,
        count=record.count,
    )
