"""The alerts that checks raise, as records."""

from __future__ import annotations

from typing import Any, Final

from tapline.arguments import check_attributes, check_numbers, check_texts
from tapline.checks.alert_types import MOST_SCORE, TypeInfo, severity_of
from tapline.checks.base import Check
from tapline.checks.entities import Entity
from topics.catalog import ALERT
from topics.partitions import digest
from topics.records import Alert, Endpoints
from workers.checks.hosting import InForce
from workers.scripting.runtime import WindowRuntime

MOST_TEXT: Final = 10_000
"""Most characters that a check says of what it found."""

_ENDS: Final = tuple(name for name in Endpoints.__struct_fields__ if name not in ("id", "time"))

_ADDRESSED: Final = ("host",)
"""The kinds of entities that are addresses."""


def clamped(value: float, most: int) -> int:
    """A score as a whole number from 0 to ``most``."""
    return max(0, min(most, int(value)))


def priority_of(severity: int) -> int:
    """The priority, 1 (high) to 3 (low), that goes with a severity."""
    return 1 if severity >= 6 else 2 if severity >= 4 else 3


def check_text(name: str, text: str) -> None:
    """See that a check gave a text, and no longer one than anybody reads."""
    check_texts(**{name: text})
    text.encode()
    if len(text) > MOST_TEXT:
        raise ValueError(f"{name} has {len(text):,} characters; {MOST_TEXT:,} are the most")


def alert_of(
    runtime: WindowRuntime,
    check: Check,
    entity: Entity,
    info: TypeInfo,
    in_force: InForce | None = None,
    about: Endpoints | None = None,
) -> Alert:
    """An alert without an end that a check raises on an entity.

    A score and a severity that the policy sets stand above those of the check. One check's same words on the same
    entity at the same time are one alert. It has the ends of the record it is ``about``.
    """
    if not isinstance(entity, Entity) or not isinstance(info, TypeInfo):
        raise TypeError("an alert is about an Entity and says a TypeInfo, as self.type_info('what is wrong')")
    check_text("message", info.message)
    check_texts(entity=entity.name, subtype=info.subtype, peer=info.peer)
    check_numbers(value=info.value, threshold=info.threshold, score=info.score)
    check_attributes(info.attributes)
    score = clamped(info.type.score if info.score < 0 else info.score, MOST_SCORE)
    severity, configuration = info.severity, ""
    if in_force is not None:
        score = score if in_force.score is None else in_force.score
        severity = in_force.severity or severity
        configuration = in_force.configuration
    severity = severity or severity_of(score)
    ends: dict[str, Any] = {"source_ip": entity.name} if entity.kind in _ADDRESSED else {}
    if about is not None:
        ends = {name: getattr(about, name) for name in _ENDS}
    name, kind, script = info.type.name, entity.kind, check.script_name
    what = (script, name, info.subtype, kind, entity.name, info.message)
    return Alert(
        id=digest("stored", runtime.stream, runtime.now, *what),
        time=runtime.now,
        type=name,
        subtype=info.subtype,
        message=info.message,
        entity=entity.name,
        entity_kind=kind,
        category=info.type.category,
        score=score,
        severity=severity,
        priority=priority_of(severity),
        script=script,
        configuration=configuration,
        value=info.value,
        threshold=info.threshold,
        peer=info.peer,
        evidence=list(info.evidence),
        links=list(info.links),
        attributes=dict(info.attributes),
        instance=runtime.instance,
        stream=runtime.stream,
        window=runtime.window,
        **ends,
    )


def emit_alert(runtime: WindowRuntime, alert: Alert) -> None:
    """Publish an alert of a check."""
    runtime.emit(ALERT, f"{alert.type}\x00{alert.entity}", alert)
