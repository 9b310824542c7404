"""Checks of single items: what syslog handlers and checks of resources have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from tapline.checks import Entity, TypeInfo
from tapline.checks.base import Check
from tapline.policy.effective import PolicyView
from topics.records import Document, Endpoints, Partial, Resource
from workers.checks.alert_records import alert_of, emit_alert
from workers.checks.hosting import CheckSettings, InForce
from workers.environment import Environment
from workers.item_monitor import ItemCore
from workers.scripting.flushing import Kept
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.scripting.runtime import CheckServices, WindowRuntime
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window

ItemRecord = Document | Resource


class ItemCheck(NamedTuple):
    """A check at work: how to call it, and the settings it has."""

    check: Any
    call: Hook
    settings: CheckSettings


class ItemAlerts(CheckServices):
    """Stores the alerts of checks; ``in_force`` are their settings for the item at hand."""

    def __init__(self, runtime: WindowRuntime) -> None:
        self._runtime = runtime
        self.in_force: dict[int, InForce] = {}

    def store_alert(self, check: Check, entity: Entity, info: TypeInfo, about: Endpoints | None = None) -> None:
        alert = alert_of(self._runtime, check, entity, info, self.in_force.get(id(check)), about)
        emit_alert(self._runtime, alert)


class CheckedItemCore(MonitorCore):
    """An item monitor of one partition, with the checks of its items before it.

    Which checks get an item is looked up by :meth:`key_of` it, in a table filled as they come.
    """

    base: ClassVar[type[Check]]

    def __init__(self, environment: Environment, items: ItemCore, instance: str) -> None:
        self._environment = environment
        self._items = items
        self.host = items.host
        self._checks = ScriptHost(environment, self.base, instance)
        runtime = self._checks.runtime = self.host.runtime
        self.host.companions.append(self._checks)
        self._checks.changed.append(self._forget)
        self._alerts = ItemAlerts(runtime)
        runtime.services = self._alerts
        self._view: PolicyView | None = None
        self._by_key: dict[str, tuple[ItemCheck, ...]] = {}
        self._all: list[ItemCheck] = []

    @abstractmethod
    def key_of(self, record: Any) -> str | None:
        """What an item is looked up by, ``None`` where no check can want it."""

    @abstractmethod
    def wants(self, check: Any, key: str) -> bool:
        """True when a check wants items of this key."""

    @abstractmethod
    def call_of(self, check: Any) -> tuple[str, Hook]:
        """The name of the hook that takes an item, and the function."""

    def takes(self, check: Any, record: Any) -> bool:  # noqa: ARG002 - there for those who look closer
        """True when a check that wants items of this kind takes this one."""
        return True

    def begin(self) -> Kept:
        return self._items.begin()

    def take(self, state: Kept, records: Sequence[Any], *, dispatch: bool) -> None:
        self._items.take(state, records, dispatch=dispatch)

    def show(self, state: Kept, records: Sequence[Any]) -> None:
        if self._checks.scripts:
            self._check(records)
        self._items.show(state, records)

    def shows(self) -> bool:
        return bool(self._checks.scripts) or self._items.shows()

    def ticks(self) -> bool:
        return self._checks.wants("on_metronome") or self._items.ticks()

    def tick(self, state: Kept, window: Window, second: int) -> Iterable[Partial]:
        self._checks.call("on_metronome", second)
        return self._items.tick(state, window, second)

    def end(self, state: Kept, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        return self._items.end(state, window, dispatch=dispatch)

    def _check(self, records: Sequence[ItemRecord]) -> None:
        if self._view is not self._environment.policy:
            self._prepare()
        runtime, known = self.host.runtime, self._by_key
        for record in records:
            key = self.key_of(record)
            if key is None:
                continue
            checks = known.get(key)
            if checks is None:
                checks = known[key] = tuple(each for each in self._all if self.wants(each.check, key))
            runtime.now = record.time
            for each in checks:
                if record.script != each.check.script_name and self._is_on(each, record):
                    each.call(record)

    def _is_on(self, each: ItemCheck, record: ItemRecord) -> bool:
        """Put the settings in force that a check has for an item's sender; false when it is off for it."""
        if not self.takes(each.check, record):
            return False
        if each.settings.is_uniform:
            return True
        name = record.source_ip
        other = record.destination_ip
        if other and each.settings.specificity("host", other) > each.settings.specificity("host", name):
            name = other
        in_force = each.settings.of("", "host", name)
        self._put_in_force(each.check, in_force)
        return in_force.enabled

    def _prepare(self) -> None:
        """Find the checks that are at work, and what the policy says of them."""
        self._view = view = self._environment.policy
        self._by_key.clear()
        self._alerts.in_force.clear()
        self._all = []
        at_work = [hosted for hosted in self._checks.scripts if hosted.monitor is not None]
        for hosted in sorted(at_work, key=lambda each: -cast("Check", each.monitor).priority):
            check = cast("Check", hosted.monitor)
            settings = CheckSettings(hosted.script, view)
            in_force = settings.of("", "host", "")
            if settings.is_uniform and not in_force.enabled:
                continue
            self._put_in_force(check, in_force)
            self._all.append(ItemCheck(check, hosted.guarded(*self.call_of(check)), settings))

    def _put_in_force(self, check: Check, in_force: InForce) -> None:
        check.params = in_force.params
        self._alerts.in_force[id(check)] = in_force

    def _forget(self) -> None:
        self._view = None
