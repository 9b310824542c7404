"""Alerts, of capture nodes and of scripts: scripts see them first, then the alert engine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace
from prometheus_client import Counter

from tapline.groups import AlertGroup
from tapline.monitors import AlertMonitor
from topics.records import WINDOW_SECONDS, Alert, AlertState, Partial
from workers.alerts.engine import AlertEngine
from workers.environment import Environment
from workers.item_monitor import ItemCore, Place
from workers.scripting.flushing import Kept, Voter, vote
from workers.windows.ledger import Window
from workers.windows.outbox import Outgoing

_MOST: Final = {"severity": 8, "priority": 3}

_log = logging.getLogger(__name__)
_unusable = Counter("tapline_alert_rewrites_unusable", "What alert scripts wanted an alert to be and it cannot.")


class AlertCore(ItemCore):
    """The alert monitor of one partition, and its engine."""

    base = AlertMonitor
    new_hook = "on_new_alert"
    groups = AlertGroup

    def __init__(self, environment: Environment, instance: str) -> None:
        super().__init__(environment, instance)
        stores = self.host.runtime.stores
        self._engine = AlertEngine(environment, int(instance.rpartition("-")[2]), stores.of("alerts"))
        self._admitting: dict[Place, tuple[Voter, ...]] = {}
        self.host.changed.append(self._admitting.clear)

    def restore(self, states: Iterable[AlertState], known: int) -> None:
        self._engine.restore(states, known)

    def shows(self) -> bool:
        return True

    def take(self, state: Kept, records: Sequence[Alert], *, dispatch: bool) -> None:  # noqa: ARG002
        if not dispatch:
            for record in records:
                self._judge(record, admitted=True)

    def show(self, state: Kept, records: Sequence[Alert]) -> None:  # type: ignore[override]
        self._flushes.keep(state, records)
        for record in records:
            place = (record.group, record.script)
            alert = record
            for hook in self._hooks_for(place):
                alert = _rewritten(alert, hook(alert))
            voters = self._voters(place)
            self._judge(alert, admitted=not (voters and vote(voters, alert)[1]))

    def end(self, state: Kept, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        super().end(state, window, dispatch=dispatch)
        return self._engine.window_ended(window.lane.stream, window.start + WINDOW_SECONDS, self.offset)

    def settle(self) -> None:
        self._engine.settle()

    def drain(self) -> list[Outgoing]:
        return self._engine.drain()

    def _judge(self, alert: Alert, *, admitted: bool) -> None:
        runtime = self.host.runtime
        self._engine.take(alert, runtime.stream, runtime.window, self.offset, admitted=admitted)

    def _voters(self, place: Place) -> tuple[Voter, ...]:
        found = self._admitting.get(place)
        if found is None:
            found = self._admitting[place] = self.host.voters("admit", self._attached_to(place))
        return found


def _rewritten(alert: Alert, said: Any) -> Alert:
    """An alert with what a script wants it to say: of a mapping its message, priority and severity."""
    if not isinstance(said, Mapping):
        return alert
    usable: dict[str, Any] = {}
    for name, value in said.items():
        is_text = name == "message" and isinstance(value, str) and value.isprintable()
        if is_text or (name in _MOST and type(value) is int and 1 <= value <= _MOST[name]):
            usable[name] = value
        else:
            _unusable.inc()
            _log.warning("an alert of type %s cannot be told with %s %.100r", alert.type, name, value)
    return replace(alert, **usable)
