"""Alerts for people to look at: as tables, and one with everything that is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from tapline.commands.output import print_json, print_table
from tapline.policy.model import Exclusion
from tapline.process.printable import printable
from topics.alert_log import read_conditions, read_notifications
from topics.errors import TaplineError
from topics.policy_log import read_entries
from topics.records import Alert, AlertState
from topics.settings import KafkaSettings
from workers.alerts.exclusions import Exclusions

SHOWN_ID: Final = 12
"""How many letters of an id are shown; as many tell it from the others."""

SEVERITIES: Final = ("none", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_LEAST_ID: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def print_list(kafka: KafkaSettings, which: str, entity: str, kind: str, limit: int, *, as_json: bool) -> None:
    """Print the alerts that are engaged, or past, of these entities and types."""
    fits = Exclusions({"it": Exclusion(alert=kind, entity=entity)}).find
    if which == "engaged":
        conditions = [each for each in read_conditions(kafka).values() if each.status == "engaged" and fits(each.alert)]
        conditions.sort(key=lambda each: (-each.alert.severity, -each.alert.began))
        if as_json:
            for each in conditions[:limit]:
                print_json(each)
            return
        seen = acknowledged(kafka)
        columns = ("id", "since", "severity", "type", "entity", "message", "seen by")
        print_table(columns, [_engaged_row(each, seen) for each in conditions[:limit]])
        shown = conditions
    else:
        past = [each for each in read_notifications(kafka) if each.event in ("released", "stored") and fits(each)]
        past.reverse()
        if as_json:
            for alert in past[:limit]:
                print_json(alert)
            return
        columns = ("id", "when", "what", "severity", "type", "entity", "message")
        print_table(columns, [_past_row(each) for each in past[:limit]])
        shown = past  # type: ignore[assignment]
    if len(shown) > limit:
        click.echo(f"… and {len(shown) - limit:,} more (--limit)")


def print_alert(kafka: KafkaSettings, identity: str, *, as_json: bool) -> None:
    """Print everything about one alert; :class:`TaplineError` when there is none of this id."""
    condition, told = find(kafka, identity)
    if as_json:
        print_json({"condition": condition, "told": told})
        return
    alert = condition.alert if condition is not None else told[-1]
    seen = acknowledged(kafka).get(alert.episode, condition.acknowledged if condition is not None else "")
    for name, value in _facts(alert, condition, seen):
        if value:
            click.echo(f"{name + ':':15} {printable(value)}")
    click.echo("\ntold:")
    for each in told:
        click.echo(f"  {_when(each.time)}  {each.event:8}  {SEVERITIES[each.severity]:8}  {printable(each.message)}")
    if not told:
        why = condition.withheld.replace("_", " ") if condition is not None else ""
        click.echo(f"  nothing{': ' + why if why else ''}")


def find(kafka: KafkaSettings, identity: str) -> tuple[AlertState | None, list[Alert]]:
    """The condition of an id, if there is one, and what was told of its episode, oldest first.

    :class:`TaplineError` when no alert, or more than one, has an id that begins so.
    """
    if len(identity) < _LEAST_ID:
        raise TaplineError(f"{identity!r} is too short for an id: give {_LEAST_ID} letters or more")
    conditions = read_conditions(kafka)
    notifications = read_notifications(kafka)
    found = {each.alert.episode for each in conditions.values() if _is(identity, each.id, each.alert.episode)}
    found |= {each.episode for each in notifications if _is(identity, each.id, each.episode)}
    if not found:
        raise TaplineError(f"there is no alert {identity}: see `tapline alerts list`, or `tapline alerts list --past`")
    if len(found) > 1:
        raise TaplineError(f"{len(found)} alerts have an id that begins with {identity}: give more of it")
    (episode,) = found
    condition = next((each for each in conditions.values() if each.alert.episode == episode), None)
    return condition, [each for each in notifications if each.episode == episode]


def acknowledged(kafka: KafkaSettings) -> dict[str, str]:
    """Who has seen to which episode."""
    found: dict[str, str] = {}
    for key, entry in read_entries(kafka).items():
        section, _, episode = key.partition("/")
        if section == "acknowledgements":
            found[episode] = entry.author or "somebody"
    return found


def _is(identity: str, *ids: str) -> bool:
    return any(each.startswith(identity) for each in ids)


def _engaged_row(condition: AlertState, seen: dict[str, str]) -> list[Any]:
    alert = condition.alert
    who = seen.get(alert.episode, condition.acknowledged)
    severity = SEVERITIES[alert.severity] + (" (not told)" if condition.withheld else "")
    return [condition.id[:SHOWN_ID], _when(alert.began), severity, alert.type, alert.entity, alert.message, who]


def _past_row(alert: Alert) -> list[Any]:
    severity = SEVERITIES[alert.severity]
    return [alert.id[:SHOWN_ID], _when(alert.time), alert.event, severity, alert.type, alert.entity, alert.message]


def _facts(alert: Alert, condition: AlertState | None, seen: str) -> list[tuple[str, str]]:
    ends = f"{alert.source_ip} > {alert.destination_ip}" if alert.source_ip and alert.destination_ip else ""
    status: str = condition.status if condition is not None else alert.event
    if condition is not None and condition.withheld:
        status += f", not told: {condition.withheld.replace('_', ' ')}"
    known = ("ended", "comment")
    return [
        ("alert", " ".join(each for each in (alert.type, alert.subtype) if each)),
        ("message", alert.message),
        ("entity", f"{alert.entity_kind} {alert.entity}".strip()),
        ("with", alert.peer or ends),
        ("status", status),
        ("severity", f"{SEVERITIES[alert.severity]} ({alert.severity})"),
        ("score", f"{alert.score} ({alert.category})" if alert.score else ""),
        ("since", _when(alert.began) if alert.began else ""),
        ("last", _when(alert.time)),
        ("asserted", f"{alert.count:,} times" if alert.count > 1 else ""),
        ("ended", " ".join(alert.attributes.get(name, "") for name in known).strip()),
        ("seen by", seen),
        ("script", alert.script),
        ("configuration", alert.configuration),
        ("value", f"{alert.value:g}, threshold {alert.threshold:g}" if alert.value or alert.threshold else ""),
        ("period", f"{alert.granularity or 'window'} from {_when(alert.window * 1_000_000)}" if alert.window else ""),
        ("held by", ", ".join(sorted(condition.holders)) if condition is not None else ""),
        ("signature", alert.signature),
        ("evidence", ", ".join(alert.evidence)),
        ("links", " ".join(alert.links)),
        ("more", ", ".join(f"{name}={value}" for name, value in alert.attributes.items() if name not in known)),
        ("stream", alert.stream),
        (
            "ids",
            ", ".join([*([f"condition {condition.id}"] if condition is not None else []), f"episode {alert.episode}"]),
        ),
    ]


def _when(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{microseconds} us"
