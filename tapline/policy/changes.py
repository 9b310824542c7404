"""Changing the policy: what is in force and why, whether a change fits, what an import comes to, the policy as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct, to_builtins

from tapline.policy.entries import as_json, entries_of, laid_over, split_key, value_of
from tapline.policy.model import Policy
from tapline.policy.reading import BadEntry, Read, entry, problems
from tapline.script import Script
from topics.records import PolicyEntry

SET: Final = "set"
"""The source of an entry that was set while everything runs."""

_OF_EPISODES: Final = "acknowledgements"


class InForce(Struct, frozen=True):
    """An entry in force: its value as JSON can hold it, ``file:line`` or :data:`SET` as where it comes from."""

    path: str
    value: Any
    source: str
    author: str = ""
    comment: str = ""
    time: int = 0


class Misfit(ValueError):
    """An entry that cannot be used: ``path`` is the entry's, :attr:`problem` what is wrong with it."""

    def __init__(self, path: str, problem: BadEntry) -> None:
        super().__init__(f"{path or 'the policy'}: {problem}")
        self.path = path
        self.problem = problem


def in_force(files: Read, held: Mapping[str, PolicyEntry]) -> list[InForce]:
    """Every entry in force by path: those of the files, and above them those that were set."""
    rows = {
        path: InForce(path, to_builtins(value), files.places.get(path, "default"))
        for path, value in entries_of(files.policy)
    }
    for path, record in held.items():
        rows[path] = InForce(path, json.loads(record.value), SET, record.author, record.comment, record.time)
    return [rows[path] for path in sorted(rows)]


def together(base: Policy, held: Mapping[str, PolicyEntry], changed: Mapping[str, Struct | None] = {}) -> Policy:
    """A policy with the entries that were set, and with these changes of them; ``None`` takes one back.

    :class:`Misfit` when an entry that was set cannot be read.
    """
    values: dict[str, Struct] = {}
    for path, record in held.items():
        try:
            value = value_of(record)
        except BadEntry as error:
            raise Misfit(path, error) from error
        if value is not None:
            values[path] = value
    for path, value in changed.items():
        if value is None:
            values.pop(path, None)
        else:
            values[path] = value
    return laid_over(base, values)


def fitting(
    base: Policy,
    held: Mapping[str, PolicyEntry],
    values: Mapping[str, Any],
    monitors: Mapping[str, type[Script]] | None,
) -> dict[str, Struct]:
    """The entries that these values make beside what is in force; :class:`Misfit` where one cannot be used."""
    found: dict[str, Struct] = {}
    for path, value in values.items():
        try:
            found[path] = entry(*split_key(path), value)
        except BadEntry as error:
            raise Misfit(path, error) from error
    for path, problem in problems(together(base, held, found), monitors):
        if path in found:
            raise Misfit(path, problem)
    return found


def changes_of_import(policy: Policy, held: Mapping[str, PolicyEntry], *, replace: bool) -> list[tuple[str, str]]:
    """What setting every entry of a policy changes of what was set: paths with JSON text, empty where one goes.

    Those of which the policy says nothing go with ``replace``; what people have acknowledged stays.
    """
    wanted = {path: as_json(value) for path, value in entries_of(policy)}
    changes = [(path, text) for path, text in wanted.items() if path not in held or held[path].value != text]
    if replace:
        changes += [(path, "") for path in held if path not in wanted and not path.startswith(f"{_OF_EPISODES}/")]
    return changes


def as_yaml(rows: Iterable[InForce]) -> str:
    """Entries as one policy file, without what people have acknowledged."""
    sections: dict[str, Any] = {}
    for row in rows:
        section, _, name = row.path.partition("/")
        if section == _OF_EPISODES:
            continue
        if name:
            sections.setdefault(section, {})[name] = row.value
        else:
            sections[section] = row.value
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True) if sections else "{}\n"
