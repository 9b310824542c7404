"""Alert types: what kind of thing an alert tells of, and the builders of what one such alert says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

Category = Literal["security", "network", "internals", "system", "other"]
"""What an alert or a score is about."""

MOST_SCORE: Final = 250
"""Largest score of one alert; more says nothing more."""


class AlertType(Struct, frozen=True, kw_only=True):
    """A type of alerts, the built-in ones below and those of people's own: its name is the alert's ``type``."""

    name: str
    title: str = ""
    category: Category = "security"
    score: int = 100
    description: str = ""


class TypeInfo(Struct, frozen=True, kw_only=True):
    """What one alert says: made by the builders of this module.

    ``subtype`` is a part of the alert's identity: the metric, or what tells two alerts of one type on one entity
    apart. A severity of 0 follows from the score, a score of -1 is the type's.
    """

    type: AlertType
    message: str
    subtype: str = ""
    score: int = -1
    severity: int = 0
    value: float = 0.0
    threshold: float = 0.0
    peer: str = ""
    evidence: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    attributes: Mapping[str, str] = {}


THRESHOLD_CROSS: Final = AlertType(name="threshold_cross", title="Threshold crossed", category="network", score=100)
ANOMALY: Final = AlertType(name="anomaly", title="Anomaly", category="network", score=50)
ABSENCE: Final = AlertType(name="absence", title="Something is missing", category="network", score=100)
LIST_CONTACT: Final = AlertType(name="list_contact", title="Contact with something on a list", score=200)
UNEXPECTED: Final = AlertType(name="unexpected", title="Something not expected", score=100)
STATUS_CHANGE: Final = AlertType(name="status_change", title="Status changed", category="network", score=50)
LOG_EVENT: Final = AlertType(name="log_event", title="Event of a log", category="system", score=50)

NEW_KEY: Final = AlertType(name="new_key", title="Something new", category="network", score=50)
TOP_CHANGE: Final = AlertType(name="top_change", title="New among the largest", category="network", score=50)

ALERT_TYPES: Final = (
    THRESHOLD_CROSS,
    ANOMALY,
    ABSENCE,
    LIST_CONTACT,
    UNEXPECTED,
    STATUS_CHANGE,
    LOG_EVENT,
    NEW_KEY,
    TOP_CHANGE,
)
"""The built-in types that serve many checks; a check with a type of its own declares it."""

_OPERATORS: Final = {"gt": ">", "lt": "<"}


def severity_of(score: float) -> int:
    """The severity, 1 (debug) to 8 (emergency), that a score has (ntopng's scale)."""
    for limit, severity in ((1, 1), (10, 2), (50, 3), (100, 4), (200, 5), (250, 6)):
        if score < limit:
            return severity
    return 8


def type_info(type: AlertType, message: str, **fields: Any) -> TypeInfo:  # noqa: A002 - the record's name
    """What an alert of any type says; ``fields`` are those of :class:`TypeInfo`."""
    return TypeInfo(type=type, message=message, **fields)


def threshold_cross(
    metric: str,
    value: float,
    operator: str,
    threshold: float,
    *,
    unit: str = "",
    type: AlertType = THRESHOLD_CROSS,  # noqa: A002
    **fields: Any,
) -> TypeInfo:
    """A metric is over (``gt``) or under (``lt``) a threshold."""
    shown = f"{metric} is {value:g} {unit}".rstrip() + f" ({_OPERATORS.get(operator, operator)} {threshold:g})"
    fields.setdefault("subtype", metric)
    return TypeInfo(type=type, message=fields.pop("message", shown), value=value, threshold=threshold, **fields)


def anomaly(metric: str, value: float, lower: float, upper: float, *, method: str = "", **fields: Any) -> TypeInfo:
    """A metric has left the band it was expected in."""
    bound = upper if value > upper else lower
    by = f" ({method})" if method else ""
    message = f"{metric} is {value:g}, expected {lower:g} to {upper:g}{by}"
    fields.setdefault("subtype", metric)
    return TypeInfo(type=ANOMALY, message=message, value=value, threshold=bound, **fields)


def absence(what: str, seconds: float, *, threshold: float = 0.0, **fields: Any) -> TypeInfo:
    """Something has not been seen for so many seconds."""
    message = f"{what} has not been seen for {seconds:g} seconds"
    fields.setdefault("subtype", what)
    return TypeInfo(type=ABSENCE, message=message, value=seconds, threshold=threshold, **fields)


def list_contact(which: str, entry: str, *, peer: str = "", type: AlertType = LIST_CONTACT, **fields: Any) -> TypeInfo:  # noqa: A002
    """Contact with an entry of a list."""
    return TypeInfo(type=type, message=f"contact with {entry} of {which}", subtype=entry, peer=peer or entry, **fields)


def unexpected(what: str, found: str, expected: Sequence[str] = (), **fields: Any) -> TypeInfo:
    """Something was found that is none of those expected."""
    instead = f", expected {', '.join(expected)}" if expected else ""
    fields.setdefault("subtype", found)
    return TypeInfo(type=UNEXPECTED, message=f"{what}: {found}{instead}", **fields)


def status_change(what: str, before: str, after: str, **fields: Any) -> TypeInfo:
    """Something that was in one state is in another."""
    return TypeInfo(type=STATUS_CHANGE, message=f"{what} went from {before} to {after}", subtype=what, **fields)
