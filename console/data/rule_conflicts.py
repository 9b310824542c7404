"""Rules that somebody else has changed while a text of them was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import to_builtins

from console.data.configuration import Change, lines_between
from console.data.rules import SECTION
from console.data.setting import mark_of, policy_of
from console.parts import Console
from tapline.policy.model import Rule


def marks_of(console: Console, keys: Iterable[str]) -> str:
    """Marks of what these rules are now, as a text of them brings them along."""
    return msgspec.json.encode({key: mark_of(console, f"{SECTION}/{key}") for key in keys}).decode()


def conflicts(console: Console, rules: Mapping[str, Rule], marks: str) -> list[Change]:
    """What setting these rules would do to those that are not as they were when the marks were made.

    That are rules that have changed since, or have come since; what the marks say nothing of is taken for new.
    """
    try:
        known = msgspec.json.decode(marks, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError):
        known = {}
    now = policy_of(console).rules
    found = []
    for key, rule in rules.items():
        there = now.get(key)
        if there == rule or (key not in known and there is None):
            continue
        if known.get(key) != mark_of(console, f"{SECTION}/{key}"):
            before = to_builtins(there) if there is not None else None
            what = "changed" if there is not None else "taken back"
            found.append(Change(path=f"{SECTION}/{key}", what=what, lines=lines_between(before, to_builtins(rule))))
    return found
