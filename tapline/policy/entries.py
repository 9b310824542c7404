"""Entries set while the system runs, above what the files say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct, to_builtins

from tapline.policy.model import Alerting, Policy
from tapline.policy.reading import ALERTING, SECTIONS, BadEntry, entry
from topics.records import PolicyEntry

SEPARATOR: Final = "/"


def split_key(key: str) -> tuple[str, str]:
    """Section and key of an entry's path; :class:`BadEntry` when there is no such section."""
    section, _, name = key.partition(SEPARATOR)
    if section == ALERTING and not name:
        return section, ""
    if section not in SECTIONS or not name:
        known = ", ".join(f"{known}/NAME" for known in SECTIONS)
        raise BadEntry(f"{key!r} names no entry: it is one of {known}, {ALERTING}")
    return section, name


def value_of(record: PolicyEntry) -> Struct | None:
    """What an entry says, ``None`` where it takes back what was said; :class:`BadEntry` when it cannot be used."""
    section, name = split_key(record.key)
    if not record.value:
        return None
    try:
        given = json.loads(record.value)
    except ValueError as error:
        raise BadEntry(f"is not JSON: {error}") from None
    return entry(section, name, given)


def laid_over(base: Policy, values: Mapping[str, Struct]) -> Policy:
    """A policy with these entries, by their paths, in the place of its own."""
    sections: dict[str, Any] = {name: dict(getattr(base, name)) for name in SECTIONS}
    alerting = base.alerting
    for key, value in values.items():
        section, name = split_key(key)
        if isinstance(value, Alerting):
            alerting = value
        else:
            sections[section][name] = value
    return Policy(**sections, alerting=alerting)


def entries_of(policy: Policy) -> Iterable[tuple[str, Struct]]:
    """Every entry of a policy with its path."""
    for section in SECTIONS:
        for name, value in getattr(policy, section).items():
            yield f"{section}{SEPARATOR}{name}", value
    if policy.alerting != Alerting():
        yield ALERTING, policy.alerting


def as_json(value: Struct) -> str:
    """An entry's value as its record holds it."""
    return json.dumps(to_builtins(value), separators=(",", ":"), sort_keys=True)
