"""What `tapline doctor` finds: one thing that was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from topics.errors import TaplineError


class Finding(Struct, frozen=True):
    """One thing looked at; ``fix`` is what to do, "" when nothing has to be done."""

    subject: str
    verdict: Literal["ok", "warning", "problem"]
    finding: str
    fix: str = ""


def checked(subject: str, good: str, check: Callable[[], None]) -> Finding:
    """What a check comes to that raises :class:`TaplineError` where something is wrong."""
    try:
        check()
    except TaplineError as error:
        return problem(subject, error)
    return Finding(subject, "ok", good)


def problem(subject: str, error: TaplineError) -> Finding:
    """An error as a finding: what comes after its last colon is what to do."""
    finding, _, fix = str(error).rpartition(": ")
    return Finding(subject, "problem", finding, fix)
