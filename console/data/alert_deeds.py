"""What people do about alerts: acknowledge, exclude, take exclusions back, release."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from pydantic import Field

from console.data.alerts import alert_details
from console.data.model import Answer
from console.data.setting import Done, put
from console.errors import Missing, Mistake
from console.parts import Console
from tapline.policy.handling import EXCLUSIONS, acknowledgement, exclusion
from tapline.policy.units import duration, moment
from topics.alert_log import write_releases

FIELDS: Final = ("alert", "entity", "peer", "port", "transport", "signature", "script")
"""What an exclusion can ask of an alert."""


class Exclusion(Answer):
    """Alerts that nobody wants to hear of: what they have to fit, until when, who said so and why."""

    key: str
    fits: dict[str, str]
    until: datetime | None = Field(description="When it ends; absent for never.")
    author: str
    comment: str


def acknowledge(console: Console, episode: str, author: str, comment: str) -> Done:
    """Say that somebody has seen to an episode."""
    alert = alert_details(console.store, console.standing, episode).alert
    now = time.time_ns() // 1000
    path, value = acknowledgement(episode, author, comment, now)
    return _set(console, path, value, author, comment, f"{_named(alert)}: seen by {author}")


def exclude(console: Console, given: Mapping[str, Any], lasting: str, author: str, comment: str) -> Done:
    """Exclude what fits, for a length of time from now (``12 h``), until a date, or for ever where neither is given."""
    fields = {name: given[name] for name in FIELDS if given.get(name) not in (None, "", "*", 0)}
    if "port" in fields:
        fields["port"] = _port(fields["port"])
    try:
        path, value = exclusion(fields, _end(lasting), author, comment)
    except ValueError as error:
        raise Mistake(str(error)) from error
    fits = ", ".join(f"{name} {value}" for name, value in fields.items())
    return _set(console, path, value, author, comment, f"{fits}: excluded")


def unexclude(console: Console, key: str, author: str) -> Done:
    """Take an exclusion back."""
    path = f"{EXCLUSIONS}/{key}"
    if path not in console.standing.entries():
        raise Missing("no such exclusion is set: it may have been taken back already")
    return _set(console, path, None, author, "", f"exclusion {key}: taken back")


def release(console: Console, episode: str, author: str, comment: str) -> Done:
    """End a condition, whoever holds it."""
    state = next((state for state in console.standing.engaged() if state.alert.episode == episode), None)
    if state is None:
        raise Missing("this is not engaged: there is nothing to release")
    console.audit.write(author, "released", episode, comment)
    write_releases(console.kafka, [state.alert], author, comment)
    return Done(said=f"{state.alert.type} {state.alert.entity}: is being released", in_force=False)


def exclusions(console: Console) -> list[Exclusion]:
    """The exclusions that were set."""
    found = []
    for path, record in sorted(console.standing.entries().items()):
        section, _, key = path.partition("/")
        if section != EXCLUSIONS:
            continue
        value = json.loads(record.value)
        until = value.get("until", 0)
        found.append(
            Exclusion(
                key=key,
                fits={name: str(value[name]) for name in FIELDS if name in value},
                until=datetime.fromtimestamp(until / 1_000_000, UTC) if until else None,
                author=record.author,
                comment=record.comment or value.get("comment", ""),
            )
        )
    return found


def _set(console: Console, path: str, value: Struct | None, author: str, comment: str, said: str) -> Done:
    return put(console, [(path, value)], author, comment, said)


def _end(lasting: str) -> int:
    text = lasting.strip()
    if not text:
        return 0
    try:
        return time.time_ns() // 1000 + duration(text) * 1_000_000
    except ValueError:
        pass
    try:
        return moment(text)
    except ValueError as error:
        raise Mistake(f"{text!r} is neither a length of time, as 12 h, nor a date, as 2026-12-31") from error


def _port(value: Any) -> int:
    try:
        port = int(value)
    except ValueError:
        raise Mistake(f"{value!r} is no port") from None
    if not 0 < port < 65536:
        raise Mistake(f"{value!r} is no port: they run from 1 to 65535")
    return port


def _named(alert: Any) -> str:
    return " ".join(each for each in (alert.type, alert.entity) if each)
