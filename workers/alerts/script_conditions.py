"""Conditions that scripts trigger and release by themselves, and that must not outlive script or stream.

A script that says once that a threshold is crossed need not say so again: the condition lasts until it says
that it is over. What it cannot say is remembered here: that it is gone, or that the stream has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from topics.catalog import ALERT, Topic
from topics.partitions import digest
from topics.records import Alert
from workers.alerts.conditions import REASSERT_SECONDS, SCRIPT_GONE, STREAM_ENDED
from workers.windows.store import OwnerStore

OWNER: Final = "script-conditions"
"""The part of a stage's store that holds them."""


class ScriptConditions:
    """The conditions that scripts of one stage have triggered, each in the lane (``producer``) it was triggered in."""

    def __init__(self, store: OwnerStore) -> None:
        self._store = store

    def note(self, producer: str, alert: Alert) -> None:
        """Take note of an event that a script emits in a window of this lane."""
        key = _key(producer, alert)
        if alert.action == "trigger":
            self._store[key] = msgspec.to_builtins(alert)
        elif key in self._store:
            del self._store[key]

    def finish(
        self, producer: str, window_end: int, active: Callable[[str], bool], *, final: bool
    ) -> list[tuple[Topic, str, Alert]]:
        """What is to be emitted in this lane's window as it ends: releases, and again what has long not been told."""
        if not len(self._store):
            return []
        events: list[Alert] = []
        for key in sorted(key for key in self._store if key.startswith(f"{producer}\x00")):
            alert = msgspec.convert(self._store[key], Alert)
            gone = not active(alert.script)
            if final or gone:
                why = STREAM_ENDED if final and not gone else SCRIPT_GONE
                status = "CLEAR" if alert.status == "FIRED" else alert.status
                over = replace(alert, status=status, attributes={**alert.attributes, "ended": why})
                event = _event(over, "release", window_end)
                del self._store[key]
            elif window_end - alert.time // 1_000_000 >= REASSERT_SECONDS:
                event = _event(alert, "trigger", window_end)
                self._store[key] = msgspec.to_builtins(event)
            else:
                continue
            events.append(event)
        return [(ALERT, f"{event.type}\x00{event.entity}", event) for event in events]


def _event(alert: Alert, action: str, window_end: int) -> Alert:
    identity = digest("event", alert.id, action, window_end)
    return replace(alert, id=identity, action=action, time=window_end * 1_000_000)


def _key(producer: str, alert: Alert) -> str:
    parts = (producer, alert.script, alert.type, alert.subtype, alert.granularity, alert.entity_kind, alert.entity)
    return "\x00".join(parts)
