"""What the console needs of scripts and rules that takes the workers' code: the command hands it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from tapline.checks.base import Check
from tapline.policy.model import Policy, Rule
from tapline.script import Script
from topics.records import Alert, Metric

Place = Literal["enabled", "shipped", "aside"]
"""Where a file is: run by the workers, only shipped, or set aside in their folder."""


class FoundScript(Struct, frozen=True, kw_only=True):
    """A script of a file; of a file that cannot be used ``broken`` says why, with file and line.

    ``switch`` is the name by which its file is enabled and disabled. ``monitor_class`` is its class.
    ``params`` are those it runs with, before the policy.
    """

    name: str
    file: str
    switch: str
    place: Place
    monitor: str = ""
    purpose: str = ""
    broken: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    monitor_class: type[Script] | None = None
    problems: list[str] = field(default_factory=list)


class Workshop(Protocol):
    """The scripts there are, which of them the workers run, and how rules are judged."""

    def scripts(self) -> Sequence[FoundScript]:
        """Every script: those that the workers run, those set aside, those that ship."""

    def checks(self) -> Mapping[str, type[Check]]:
        """The checks that the workers run, by name."""

    def monitors(self) -> Mapping[str, type[Script]]:
        """The scripts and checks that the workers run, by name."""

    def enable(self, switch: str) -> str:
        """Have the workers run a file; what was done. :class:`~topics.errors.TaplineError` where that cannot be."""

    def disable(self, switch: str) -> str:
        """Have the workers no longer run a file; what was done."""

    def groups(self) -> Mapping[str, Sequence[str]]:
        """The counter groups there are, by name, with the names of their meters."""

    def group(self, name: str) -> str:
        """The own name of a counter group that goes by several."""

    def asks(self, rule: Rule) -> str:
        """What a rule asks, in words."""

    def rehearse(self, policy: Policy, windows: Iterable[tuple[str, int, Sequence[Metric]]]) -> Iterator[Alert]:
        """The events that the rules of a policy would have made of these windows: stream, start and counters."""
