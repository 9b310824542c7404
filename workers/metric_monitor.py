"""Samples of capture nodes and scripts: added up per window, then on to the counter groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tapline.script import Script
from topics.records import Metric, Partial
from workers.counting.counts import Definitions, ScriptCounts
from workers.environment import Environment
from workers.scripting.host import ScriptHost
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window


class _NoScript(Script):
    """No script sees the metric topic itself."""


class MetricCore(MonitorCore):
    """One partition of the metric topic.

    A meter's kind is the one its record names, else the one its group defines, else a counter.
    """

    def __init__(self, environment: Environment, instance: str) -> None:
        self._environment = environment
        self.host = ScriptHost(environment, _NoScript, instance)
        self.host.changed.append(self._changed)
        self._changed()

    def begin(self) -> ScriptCounts:
        return ScriptCounts()

    def take(self, state: ScriptCounts, records: Sequence[Metric], *, dispatch: bool) -> None:  # noqa: ARG002
        definitions = self._definitions
        for record in records:
            group, slots = definitions.find(record.group)
            meters = record.meters
            if record.kinds or slots is not None:
                kinds = record.kinds
                places = [(name, kinds.get(name) or definitions.kind(group, name)) for name in meters]
            else:
                places = [(name, "counter") for name in meters]
            state.add(group, record.key, places, meters.values(), record.time)

    def _changed(self) -> None:
        self._definitions = Definitions(self.host.groups.counters)

    def shows(self) -> bool:
        return self.ticks()

    def ticks(self) -> bool:
        return bool(self._environment.scripts.interest.updates)

    def tick(self, state: ScriptCounts, window: Window, second: int) -> Iterable[Partial]:  # noqa: ARG002
        return state.changed(self._environment.scripts.interest.updates, second)

    def end(self, state: ScriptCounts, window: Window, *, dispatch: bool) -> Iterable[Partial]:  # noqa: ARG002
        return state.partials()
