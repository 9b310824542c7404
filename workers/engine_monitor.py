"""The engine: the windows of the stream themselves, seen once over all workers.

A partition belongs to one worker at a time, so what partition 0 of the flow topic does is done once;
the engine scripts run there, before and after everything else of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tapline.monitors import EngineMonitor
from topics.records import Flow, Partial
from workers.environment import Environment
from workers.flow_tracker import TrackedSessionCore, TrackedState
from workers.scripting.host import ScriptHost
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window

ENGINE_PARTITION = 0
"""The partition of the flow topic whose windows are the engine's."""


class EngineSessionCore(MonitorCore):
    """The session monitor of :data:`ENGINE_PARTITION`, with the engine scripts around its flush."""

    ranks = True

    def __init__(self, environment: Environment, sessions: TrackedSessionCore, instance: str) -> None:
        self._sessions = sessions
        self.engine = ScriptHost(environment, EngineMonitor, instance)
        self.host = sessions.host
        self.engine.runtime = sessions.host.runtime
        self.host.companions.append(self.engine)

    def begin(self) -> TrackedState:
        return self._sessions.begin()

    def take(self, state: TrackedState, records: Sequence[Flow], *, dispatch: bool) -> None:
        self._sessions.take(state, records, dispatch=dispatch)

    def show(self, state: TrackedState, records: Sequence[Flow]) -> None:
        self._sessions.show(state, records)

    def shows(self) -> bool:
        return self._sessions.shows() or self.ticks()

    def ticks(self) -> bool:
        return self.engine.wants("on_metronome") or self._sessions.ticks()

    def tick(self, state: TrackedState, window: Window, second: int) -> Iterable[Partial]:
        self.engine.call("on_metronome", second)
        return self._sessions.tick(state, window, second)

    def end(self, state: TrackedState, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        self.engine.call("on_begin_flush", window.start)
        yield from self._sessions.end(state, window, dispatch=dispatch)
        self.engine.call("on_end_flush", window.start)
