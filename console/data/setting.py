"""The policy as it is in force, and setting entries of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from console.data.model import Answer
from console.errors import Missing, Mistake, Outdated, Unavailable
from console.parts import Console
from tapline.policy.changes import Misfit, fitting, in_force, together
from tapline.policy.effective import PolicyView
from tapline.policy.entries import as_json
from tapline.policy.model import Policy
from tapline.policy.reading import Read, read_files
from topics.errors import TaplineError
from topics.partitions import digest
from topics.policy_log import write_entries


class Done(Answer):
    """What was done; ``in_force`` says that the console has read it back from Kafka, as every worker does."""

    said: str
    in_force: bool


def files_of(console: Console) -> Read:
    """What the policy's files say; :class:`Unavailable` with file and line where they cannot be used."""
    try:
        return read_files(console.policy_files, None)
    except TaplineError as error:
        raise Unavailable(f"a file of the policy cannot be used: {error}") from error


def policy_of(console: Console, changed: Mapping[str, Struct | None] = {}) -> Policy:
    """The policy in force, or as it would be with these changes."""
    try:
        return together(files_of(console).policy, console.standing.entries(), changed)
    except Misfit as error:
        raise Unavailable(f"an entry of the policy cannot be read: {error}") from error


def view_of(console: Console) -> PolicyView:
    """The policy in force with answers."""
    return PolicyView(policy_of(console))


def fitted(console: Console, values: Mapping[str, Any]) -> dict[str, Struct]:
    """The entries that these values make beside what is in force; :class:`Misfit` where one cannot be used."""
    return fitting(files_of(console).policy, console.standing.entries(), values, console.workshop.monitors())


def mark_of(console: Console, path: str) -> str:
    """A mark that is another when the entry is: a form brings along the one it was made of."""
    known = {row.path: row for row in in_force(files_of(console), console.standing.entries())}
    row = known.get(path)
    return digest(path, "" if row is None else f"{row.value!r}{row.source}{row.time}")


def see_that_it_is_unchanged(console: Console, path: str, mark: str) -> None:
    """:class:`Outdated` when somebody has changed an entry since a form was made of it."""
    if mark != mark_of(console, path):
        raise Outdated(f"somebody has changed {path} meanwhile: go back, reload, and look at what it is now")


def put(console: Console, entries: Sequence[tuple[str, Struct | None]], author: str, comment: str, said: str) -> Done:
    """Set entries, or take them back (``None``): noted in the trail, written, and read back."""
    if console.standing.problem:
        raise Unavailable(f"Kafka: {console.standing.problem}: nothing was changed")
    texts = [(path, "" if value is None else as_json(value)) for path, value in entries]
    for path, text in texts:
        console.audit.write(author, "set" if text else "took back", path, f"{comment} {text}".strip())
    write_entries(console.kafka, texts, author, comment)
    if not texts:
        return Done(said=said, in_force=True)
    return Done(said=said, in_force=console.standing.wait_until_set(*texts[-1]))


def put_whole(console: Console, section: str, name: str, value: Mapping[str, Any], author: str) -> Done:
    """Set an entry to all that is given, with its comment; :class:`Mistake` where it cannot be used."""
    path = f"{section}/{name}"
    try:
        found = fitted(console, {path: dict(value)})
    except Misfit as error:
        raise Mistake(str(error)) from error
    return put(console, [(path, found[path])], author, str(value.get("comment", ""))[:1000], f"{name}: set")


def take_back(console: Console, section: str, name: str, author: str, said: str) -> Done:
    """Take back an entry; :class:`Missing` where it was not set, as what files say stays."""
    path = f"{section}/{name}"
    if path not in console.standing.entries():
        raise Missing(f"nothing is set of {name} but in files")
    return put(console, [(path, None)], author, "", f"{name}: {said}")
