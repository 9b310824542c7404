"""What people do about alerts: entries of the policy, and releases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapline.commands.alert_listing import SHOWN_ID, find
from tapline.policy.entries import as_json
from tapline.policy.handling import EXCLUSIONS, acknowledgement, exclusion, telling
from tapline.policy.reading import BadEntry
from tapline.policy.units import duration as seconds_of
from tapline.policy.units import moment
from topics.alert_log import write_releases
from topics.errors import TaplineError
from topics.policy_log import read_entries, write_entries
from topics.records import Alert
from topics.settings import KafkaSettings


def acknowledge(kafka: KafkaSettings, identities: Sequence[str], author: str, comment: str) -> Iterator[str]:
    """Acknowledge the episodes of these alerts; yields a line for each."""
    alerts = [_alert(kafka, identity) for identity in identities]
    now = time.time_ns() // 1000
    entries = [acknowledgement(alert.episode, author, comment, now) for alert in alerts]
    write_entries(kafka, [(path, as_json(value)) for path, value in entries], author, comment)
    for alert in alerts:
        yield f"{_named(alert)}: seen by {author}"


def release(kafka: KafkaSettings, identities: Sequence[str], author: str, comment: str) -> Iterator[str]:
    """Release these conditions; yields a line for each. :class:`TaplineError` when one is not engaged."""
    alerts = []
    for identity in identities:
        condition, _ = find(kafka, identity)
        if condition is None or condition.status != "engaged":
            raise TaplineError(f"{identity} is not engaged: there is nothing to release")
        alerts.append(condition.alert)
    write_releases(kafka, alerts, author, comment)
    for alert in alerts:
        yield f"{_named(alert)}: released by {author}"


def exclude(
    kafka: KafkaSettings,
    identity: str | None,
    fields: Mapping[str, Any],
    duration: str,
    until: str,
    author: str,
    comment: str,
) -> str:
    """Set an exclusion and say so; what is not given fits everything, an ID gives what tells that alert."""
    given = dict(fields)
    if identity:
        given = telling(_alert(kafka, identity)) | given
    if not given:
        raise TaplineError("this would exclude every alert: give an ID, or what is to fit (see --help)")
    end = _end(duration, until)
    try:
        path, value = exclusion(given, end, author, comment)
    except BadEntry as error:
        raise TaplineError(f"this exclusion cannot be: {error}") from error
    write_entries(kafka, [(path, as_json(value))], author, comment)
    key = path.removeprefix(f"{EXCLUSIONS}/")
    fits = ", ".join(f"{name} {value}" for name, value in given.items())
    return f"{fits}: excluded{' from now on' if not end else ''}; `tapline alerts unexclude {key}` takes it back"


def unexclude(kafka: KafkaSettings, keys: Sequence[str], author: str, comment: str) -> None:
    """Take exclusions back; :class:`TaplineError` when one was not set."""
    known = read_entries(kafka)
    for key in keys:
        if f"{EXCLUSIONS}/{key}" not in known:
            raise TaplineError(f"no exclusion {key} was set: see `tapline alerts exclusions`")
    write_entries(kafka, [(f"{EXCLUSIONS}/{key}", "") for key in keys], author, comment)


def exclusions(kafka: KafkaSettings) -> list[dict[str, str]]:
    """The exclusions that were set: key, what fits, until when, who and why."""
    rows = []
    for path, record in sorted(read_entries(kafka).items()):
        section, _, key = path.partition("/")
        if section != EXCLUSIONS:
            continue
        value = json.loads(record.value)
        until = value.get("until", 0)
        end = time.strftime("%Y-%m-%d %H:%M", time.gmtime(until // 1_000_000)) if until else ""
        fits = {name: each for name, each in value.items() if name not in ("until", "author", "comment")}
        rows.append(
            {
                "key": key,
                "fits": ", ".join(f"{name} {each}" for name, each in fits.items()),
                "until": end,
                "author": record.author,
                "comment": record.comment or value.get("comment", ""),
            }
        )
    return rows


def _alert(kafka: KafkaSettings, identity: str) -> Alert:
    condition, told = find(kafka, identity)
    return condition.alert if condition is not None else told[-1]


def _end(duration: str, until: str) -> int:
    if duration and until:
        raise TaplineError("--for and --until exclude each other: give one of them")
    try:
        if duration:
            return time.time_ns() // 1000 + seconds_of(duration) * 1_000_000
        return moment(until) if until else 0
    except ValueError as error:
        raise TaplineError(str(error)) from error


def _named(alert: Alert) -> str:
    return " ".join(each for each in (alert.episode[:SHOWN_ID], alert.type, alert.entity) if each)
