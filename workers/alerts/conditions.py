"""Conditions at one stage: when what checks assert run by run becomes an alert, and when it is over.

A stage tells the alert engine transitions only, one event each. Everything is kept in the stage's store, so that a
stage that starts again goes on as if it had not stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tapline.checks.alert_types import MOST_SCORE, Category, TypeInfo, severity_of
from tapline.checks.base import Patience
from tapline.checks.entities import SECONDS, Entity, Granularity
from topics.partitions import digest
from topics.records import Alert
from workers.alerts.identity import gist
from workers.windows.store import OwnerStore

REASSERT_SECONDS: Final = 1800
"""After so long in event time a condition that still holds is told to the engine again."""

NOT_SEEN: Final = "it is not found any more"
SCRIPT_GONE: Final = "its script is gone or off"
STREAM_ENDED: Final = "the stream has ended"
"""Why a condition was released: attribute ``ended`` of the release."""


class ReportedCondition(Struct, frozen=True, kw_only=True):
    """What a check says in one run: of which entity, what, and under which configuration.

    A ``score`` or ``severity`` that is given stands above what ``info`` says.
    """

    script: str
    entity: Entity
    info: TypeInfo
    patience: Patience = Patience()
    configuration: str = ""
    score: int | None = None
    severity: int | None = None


class Engaged(Struct, frozen=True):
    """A condition that is engaged on an entity: what it counts for, in which category, and who asserts it."""

    type: str
    score: int
    category: Category
    script: str = ""


class _Condition(Struct, kw_only=True):
    """How a condition stands: ``since`` is when it was triggered, 0 while it is pending; ``alert`` what was said last.

    ``bad`` and ``clear`` count runs in a row, ``told`` is the end of the window of its last event.
    """

    alert: Alert
    patience: Patience
    since: int = 0
    bad: int = 0
    clear: int = 0
    told: int = 0


_Run = dict[str, tuple[ReportedCondition, bool]]
_Place = tuple[str, str, str]


class Conditions:
    """The conditions of one stage, in all streams. ``instance`` names the stage in its events."""

    def __init__(self, store: OwnerStore, instance: str) -> None:
        self._store = store
        self._instance = instance
        self._known: dict[str, _Condition] | None = None
        self._engaged: dict[_Place, set[str]] = {}
        self._run: dict[str, _Run] = {}

    def report(self, stream: str, condition: ReportedCondition, *, holds: bool) -> None:
        """Take what a check says; of several reports on one condition in a run the last holds."""
        self._run.setdefault(stream, {})[_key(stream, condition)] = (condition, holds)

    def finish(
        self,
        stream: str,
        window_end: int,
        ran: Container[Granularity],
        active: Callable[[str, Granularity], bool],
        skipped: Container[str] = (),
    ) -> list[Alert]:
        """The events of a window (its end in epoch seconds) whose hooks have all been called, in a settled order.

        ``ran`` are the granularities that had a run: what was engaged in one of them and was not asserted has a
        clear run. ``active`` says whether a script runs at a granularity; the conditions of one that
        does not are released at once. Scripts that were ``skipped`` have not looked, so nothing of theirs is clear.
        """
        run = self._run.pop(stream, {})
        known = self._load()
        beginning = f"{stream}\x00"
        events: list[Alert] = []
        for key in sorted({*run, *(key for key in known if key.startswith(beginning))}):
            reported = run.get(key)
            condition = known.get(key)
            if reported is not None and reported[1]:
                event = self._holds(key, condition, reported[0], stream, window_end)
            elif condition is None:
                continue
            elif not active(condition.alert.script, _granularity(condition.alert)):
                event = self._end(key, condition, window_end, SCRIPT_GONE)
            elif reported is not None or (
                _granularity(condition.alert) in ran and condition.alert.script not in skipped
            ):
                event = self._clear(key, condition, reported[0] if reported else None, window_end)
            else:
                event = self._again(key, condition, window_end)
            if event is not None:
                events.append(event)
        return events

    def end_of_stream(self, stream: str, window_end: int) -> list[Alert]:
        """The releases of everything in a stream that has ended with this window."""
        self._run.pop(stream, None)
        known = self._load()
        keys = sorted(key for key in known if key.startswith(f"{stream}\x00"))
        ended = [self._end(key, known[key], window_end, STREAM_ENDED) for key in keys]
        return [event for event in ended if event is not None]

    def engaged(self, stream: str, kind: str, name: str) -> tuple[Engaged, ...]:
        """What is engaged on an entity now."""
        known = self._load()
        alerts = (known[key].alert for key in sorted(self._engaged.get((stream, kind, name), ())))
        return tuple(Engaged(each.type, each.score, each.category, each.script) for each in alerts)  # type: ignore[arg-type]

    def places(self, stream: str) -> Iterator[tuple[str, str]]:
        """The entities, as kind and name, on which something is engaged."""
        self._load()
        for at, kind, name in self._engaged:
            if at == stream:
                yield kind, name

    def _holds(
        self, key: str, condition: _Condition | None, reported: ReportedCondition, stream: str, window_end: int
    ) -> Alert | None:
        alert = self._alert(reported, stream, window_end)
        if condition is None:
            condition = _Condition(alert=alert, patience=reported.patience)
            self._load()[key] = condition
        before = (condition.bad, condition.clear, condition.patience)
        condition.clear = 0
        condition.patience = reported.patience
        if condition.since:
            if alert.severity != condition.alert.severity or gist(alert.message) != gist(condition.alert.message):
                return self._tell(key, condition, alert, window_end)
            if window_end - condition.told >= REASSERT_SECONDS:
                return self._tell(key, condition, alert, window_end)
        else:
            condition.bad += 1
            if condition.bad >= condition.patience.for_runs:
                condition.since = window_end
                self._place(condition.alert, key, stream)
                return self._tell(key, condition, alert, window_end)
        if (condition.bad, condition.clear, condition.patience) != before:
            self._keep(key, condition)
        return None

    def _clear(
        self, key: str, condition: _Condition, reported: ReportedCondition | None, window_end: int
    ) -> Alert | None:
        if not condition.since:
            self._forget(key)
            return None
        if reported is not None and _is_between(reported):
            if condition.clear:
                condition.clear = 0
                self._keep(key, condition)
            return self._again(key, condition, window_end)
        condition.clear += 1
        patience = condition.patience
        if condition.clear >= patience.clear_runs and window_end - condition.since >= patience.hold_seconds:
            return self._end(key, condition, window_end, NOT_SEEN)
        self._keep(key, condition)
        return self._again(key, condition, window_end)

    def _again(self, key: str, condition: _Condition, window_end: int) -> Alert | None:
        """Tell the engine that a condition is still engaged, where it has not heard of it for long."""
        if not condition.since or window_end - condition.told < REASSERT_SECONDS:
            return None
        return self._tell(key, condition, condition.alert, window_end)

    def _tell(self, key: str, condition: _Condition, alert: Alert, window_end: int) -> Alert:
        condition.alert = self._event(alert, "trigger", window_end)
        condition.told = window_end
        self._keep(key, condition)
        return condition.alert

    def _end(self, key: str, condition: _Condition, window_end: int, why: str) -> Alert | None:
        self._forget(key)
        if not condition.since:
            return None
        event = self._event(condition.alert, "release", window_end)
        return replace(event, attributes={**event.attributes, "ended": why})

    def _event(self, alert: Alert, action: str, window_end: int) -> Alert:
        place = (alert.stream, alert.type, alert.subtype, alert.granularity, alert.entity_kind, alert.entity)
        identity = digest("event", self._instance, alert.script, action, window_end, *place)
        return replace(
            alert,
            id=identity,
            action=action,
            time=window_end * 1_000_000,
            window=window_end - SECONDS[_granularity(alert)],
            source_ip=alert.entity if alert.entity_kind == "host" and _is_address(alert.entity) else "",
        )

    def _alert(self, reported: ReportedCondition, stream: str, window_end: int) -> Alert:
        entity, info = reported.entity, reported.info
        score = next(each for each in (reported.score, info.score, info.type.score) if each is not None and each >= 0)
        score = min(score, MOST_SCORE)
        severity = reported.severity or info.severity or severity_of(score)
        return Alert(
            id="",
            time=window_end * 1_000_000,
            type=info.type.name,
            message=info.message,
            action="trigger",
            subtype=info.subtype,
            granularity=entity.granularity,
            entity=entity.name,
            entity_kind=entity.kind,
            severity=severity,
            priority=1 if severity >= 6 else 2 if severity >= 4 else 3,
            score=score,
            script=reported.script,
            configuration=reported.configuration,
            value=float(info.value),
            threshold=float(info.threshold),
            stream=stream,
            peer=info.peer,
            evidence=list(info.evidence),
            links=list(info.links),
            attributes=dict(info.attributes),
            category=info.type.category,
            instance=self._instance,
        )

    def _load(self) -> dict[str, _Condition]:
        if self._known is None:
            self._known = {key: msgspec.convert(self._store[key], _Condition) for key in self._store}
            for key, condition in self._known.items():
                if condition.since:
                    self._place(condition.alert, key, condition.alert.stream)
        return self._known

    def _keep(self, key: str, condition: _Condition) -> None:
        value: dict[str, Any] = msgspec.to_builtins(condition)
        self._store[key] = value

    def _forget(self, key: str) -> None:
        condition = self._load().pop(key)
        if key in self._store:
            del self._store[key]
        place = (condition.alert.stream, condition.alert.entity_kind, condition.alert.entity)
        keys = self._engaged.get(place)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._engaged[place]

    def _place(self, alert: Alert, key: str, stream: str) -> None:
        self._engaged.setdefault((stream, alert.entity_kind, alert.entity), set()).add(key)


def _key(stream: str, condition: ReportedCondition) -> str:
    entity, info = condition.entity, condition.info
    parts = (stream, condition.script, entity.kind, entity.name, entity.granularity, info.type.name, info.subtype)
    return "\x00".join(parts)


def _granularity(alert: Alert) -> Granularity:
    return alert.granularity  # type: ignore[return-value] # it is that of an Entity


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_between(reported: ReportedCondition) -> bool:
    """True for a value that is over the threshold no more and has not come to the clear threshold."""
    clear, info = reported.patience.clear_threshold, reported.info
    if clear is None or clear == info.threshold:
        return False
    return info.value > clear if clear < info.threshold else info.value < clear
