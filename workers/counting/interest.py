"""What the loaded counter scripts ask for beyond the totals of keys, so that nothing is made for nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tapline.groups import CounterGroup, Directory, Meter
from tapline.monitors import CounterMonitor
from tapline.script import Script

TOPPER_HOOKS: Final = ("on_begin_topper_flush", "topper_filter", "on_topper_flush", "on_end_topper_flush")


def writes(monitor: type[Script], base: type[Script], *hooks: str) -> bool:
    """True when a script has written one of these hooks of its type."""
    return any(getattr(monitor, hook, None) is not getattr(base, hook, None) for hook in hooks)


class Groups:
    """Tells whether any of some scripts is attached to a counter group."""

    def __init__(self, monitors: Iterable[type[CounterMonitor]], directory: Directory) -> None:
        self._selectors = [directory.selector(monitor.group) for monitor in monitors]
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._selectors)

    def __call__(self, group: str) -> bool:
        known = self._known.get(group)
        if known is None:
            known = self._known[group] = any(select(group) for select in self._selectors)
        return known


class CounterInterest:
    """The groups whose interim sums, totals, new keys and top lists are wanted; each tells by a group's name."""

    def __init__(self, monitors: Sequence[type[CounterMonitor]], directory: Directory) -> None:
        def attached(*hooks: str) -> Groups:
            return Groups((m for m in monitors if writes(m, CounterMonitor, *hooks)), directory)

        self.updates = attached("on_update")
        self.totals = attached("on_totals")
        self.new_keys = attached("on_new_key")
        self.toppers = attached(*TOPPER_HOOKS)
        self._directory = directory
        self._topping = [
            (directory.selector(monitor.group), monitor.meters)
            for monitor in monitors
            if writes(monitor, CounterMonitor, *TOPPER_HOOKS)
        ]

    def top_meters(self, group: str, present: Iterable[str]) -> list[Meter]:
        """The meters of a group whose top lists are wanted, in the order of its definition.

        Where nobody defines the group, those ``present`` in its records, by name.
        """
        defined = self._directory.find(group)
        known = defined.meters if isinstance(defined, CounterGroup) else [Meter(name) for name in sorted(present)]
        wanted = [meters for selects, meters in self._topping if selects(group)]
        return [meter for meter in known if any(not meters or meter.name in meters for meters in wanted)]
