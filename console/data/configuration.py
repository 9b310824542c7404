"""The whole policy: exported, compared with another, imported."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import yaml
from msgspec import Struct, to_builtins

from console.data.model import Answer
from console.data.rules import TextProblem, read_yaml
from console.data.setting import Done, files_of, fitted, put
from console.errors import Outdated
from console.parts import Console
from tapline.policy.changes import Misfit, as_yaml, changes_of_import, in_force
from tapline.policy.entries import entries_of
from topics.partitions import digest

_SHOWN: Final = 500


class EntryRow(Answer):
    """An entry in force, and where it comes from: ``set``, or the file and line that say so."""

    path: str
    source: str
    author: str
    comment: str
    changed: datetime | None
    value: Any


class DiffLine(Answer):
    """A line of what an entry becomes: ``+`` comes, ``-`` goes, a space stays, ``…`` stands for what is left out."""

    sign: str
    text: str


class Change(Answer):
    """What an import does to one entry: ``new``, ``changed``, or ``taken back`` (then its files' holds again)."""

    path: str
    what: str
    lines: list[DiffLine]


class Difference(Answer):
    """What an import would do; ``mark`` is to be brought along to do just that."""

    entries: int
    changes: list[Change]
    mark: str


def entry_rows(console: Console) -> list[EntryRow]:
    """Every entry in force, by path."""
    return [
        EntryRow(
            path=row.path,
            source=row.source,
            author=row.author,
            comment=row.comment,
            changed=datetime.fromtimestamp(row.time / 1_000_000, UTC) if row.time else None,
            value=row.value,
        )
        for row in in_force(files_of(console), console.standing.entries())
        if not row.path.startswith("acknowledgements/")
    ]


def exported(console: Console) -> str:
    """The policy in force as one YAML file, as ``tapline policy export`` writes it."""
    return as_yaml(in_force(files_of(console), console.standing.entries()))


def difference(console: Console, text: str, *, replace: bool) -> Difference:
    """What importing YAML would do; :class:`~console.data.rules.TextProblem` where it cannot be."""
    number, changes = _changes(console, text, replace=replace)
    now = {row.path: row.value for row in in_force(files_of(console), console.standing.entries())}
    from_files = {row.path: row.value for row in in_force(files_of(console), {})}
    found = []
    for path, value in changes[:_SHOWN]:
        after = from_files.get(path) if value is None else to_builtins(value)
        what = "taken back" if value is None else "changed" if path in now else "new"
        found.append(Change(path=path, what=what, lines=lines_between(now.get(path), after)))
    return Difference(entries=number, changes=found, mark=_mark(changes))


def apply(console: Console, text: str, *, replace: bool, mark: str, author: str, comment: str) -> Done:
    """Import YAML, as ``tapline policy import``; :class:`Outdated` where that would do something else by now."""
    _, changes = _changes(console, text, replace=replace)
    if mark != _mark(changes):
        raise Outdated("somebody has changed the policy meanwhile: go back and look at the difference again")
    count = len(changes)
    return put(
        console,
        changes,
        author,
        comment or "import",
        f"{count} {'entry has' if count == 1 else 'entries have'} changed",
    )


def _changes(console: Console, text: str, *, replace: bool) -> tuple[int, list[tuple[str, Struct | None]]]:
    read = read_yaml(text)
    values: Mapping[str, Struct] = dict(entries_of(read.policy))
    try:
        fitted(console, {path: to_builtins(value) for path, value in values.items()})
    except Misfit as error:
        line = int(read.places.get(error.path, "text:0").rpartition(":")[2])
        raise TextProblem(str(error), text, line) from error
    changed = changes_of_import(read.policy, console.standing.entries(), replace=replace)
    return len(values), [(path, values[path] if value else None) for path, value in changed]


def _mark(changes: list[tuple[str, Struct | None]]) -> str:
    return digest("import", *(f"{path}={value!r}" for path, value in changes))


def lines_between(before: Any, after: Any) -> list[DiffLine]:
    """What makes one value of an entry another, as lines of YAML; ``None`` is none."""
    found = list(difflib.unified_diff(_yaml(before), _yaml(after), lineterm=""))[2:]
    return [
        DiffLine(sign="…", text="") if line.startswith("@@") else DiffLine(sign=line[0], text=line[1:])
        for line in found
        if not line.startswith("@@") or line is not found[0]
    ]


def _yaml(value: Any) -> list[str]:
    return [] if value is None else yaml.safe_dump(value, sort_keys=False, allow_unicode=True).splitlines()
