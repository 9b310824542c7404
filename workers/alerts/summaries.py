"""What people are told of alerts that were counted and not told: one alert for many."""

from __future__ import annotations

from typing import Final

from topics.partitions import digest
from topics.records import Alert
from workers.alerts.identity import identity_of
from workers.alerts.rate_limits import HeldBack

SUMMARY_TYPE: Final = "alerts-held-back"

HOUR: Final = 3_600_000_000
"""Microseconds."""


def limited(alert: Alert, limit: int) -> Alert:
    """That more alerts like this one are not told within its hour."""
    until = (alert.time // HOUR + 1) * HOUR
    message = (
        f"{alert.type} on {alert.entity or 'nothing in particular'}: more than {limit} notifications within an"
        " hour; the others of this hour are counted and not told (alerting.per_identity_hour)"
    )
    identity = digest("held-back", identity_of(alert, alert.stream), until)
    return _summary(identity, alert.stream, alert.type, alert.time, message, limit, alert.entity)


def held_back(held: HeldBack, limit: int, offset: int) -> Alert:
    """How many alerts of a type were not told in a minute that has ended with the message at this offset."""
    message = (
        f"{held.alerts:,} alerts of type {held.type} within a minute were counted and not told,"
        f" beyond the {limit:,} that were (alerting.per_type_minute)"
    )
    time = (held.minute + 60) * 1_000_000
    identity = digest("held-back", held.stream, held.type, held.minute, offset)
    return _summary(identity, held.stream, held.type, time, message, held.alerts, held.type)


def _summary(identity: str, stream: str, type_: str, time: int, message: str, value: float, entity: str) -> Alert:
    return Alert(
        id=identity,
        time=time,
        type=SUMMARY_TYPE,
        subtype=type_,
        message=message,
        entity=entity,
        entity_kind="system",
        severity=4,
        priority=2,
        value=value,
        category="internals",
        stream=stream,
        window=time // 60_000_000 * 60,
        event="stored",
        episode=identity,
        began=time,
        count=1,
    )
