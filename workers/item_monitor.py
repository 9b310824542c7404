"""What the alert, resource and full-text monitors have in common: items as they come, items flushed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import ClassVar, Final, Protocol

from tapline.groups import AnyGroup
from tapline.script import Script
from topics.records import Partial
from workers.environment import Environment
from workers.scripting.attributes import name_of
from workers.scripting.flushing import FlushTable, Kept, Select
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window


class Item(Protocol):
    """A record that belongs to a group."""

    @property
    def group(self) -> str:
        """The group's name."""

    @property
    def script(self) -> str:
        """The script that made it, empty for a capture node."""

    @property
    def time(self) -> int:
        """Event time, microseconds since the epoch."""


Place = tuple[str, str]
"""An item's group, and the script that made it."""

_PLACE_OF: Final = attrgetter("group", "script")


class ItemCore(MonitorCore):
    """One partition of a topic whose records are single items.

    Subclasses name the script type and its hook for a new item. Scripts attach by group; those
    without one see every group. No script sees an item of its own.
    """

    base: ClassVar[type[Script]]
    new_hook: ClassVar[str]
    groups: ClassVar[type[AnyGroup]]

    def __init__(self, environment: Environment, instance: str) -> None:
        self.host = ScriptHost(environment, self.base, instance)
        self._new_hooks: dict[Place, tuple[Hook, ...]] = {}
        self.host.changed.append(self._new_hooks.clear)
        self._flushes = FlushTable(self.host, _PLACE_OF, self._attached_to, lambda _: True)

    def begin(self) -> Kept:
        return Kept()

    def show(self, state: Kept, records: Sequence[Item]) -> None:
        self._flushes.keep(state, records)
        runtime = self.host.runtime
        for record in records:
            runtime.now = record.time
            for hook in self._hooks_for((record.group, record.script)):
                hook(record)

    def end(self, state: Kept, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        if dispatch:
            self.host.call("on_begin_flush", window.start)
            self._flushes.flush(state)
            self.host.call("on_end_flush", window.start)
        return ()

    def _hooks_for(self, place: Place) -> tuple[Hook, ...]:
        """The hooks for a new item of this place."""
        hooks = self._new_hooks.get(place)
        if hooks is None:
            hooks = tuple(self.host.hooks(self.new_hook, self._attached_to(place)))
            self._new_hooks[place] = hooks
        return hooks

    def _attached_to(self, place: Place) -> Select:
        """Select the scripts that want this group, but for the one that made the item."""
        group, script = place
        directory = self.host.groups.of(self.groups)
        return lambda monitor: directory.selector(monitor.group)(group) and name_of(monitor) != script
