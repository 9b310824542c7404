"""Session groups: flows. Counts them in all counter groups and runs the session scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tapline.groups import SESSION_GROUPS
from tapline.monitors import FlowTracker, SessionMonitor
from topics.records import Flow, Partial
from workers.counting.flow_counters import FlowCounters
from workers.counting.wanted import WantedGroups
from workers.environment import Environment
from workers.scripting.flushing import FlushTable, Kept, Select, usable
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.scripting.hosted import HostedScript
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window

if TYPE_CHECKING:
    from workers.counting.behaviour import FlowBehaviour

FLOWS: Final = SESSION_GROUPS[0].name
"""The group all flows belong to."""

STREAM_HOOKS: Final = ("on_new_flow", "on_update", "on_terminate")
"""The hooks for flows as they come."""

Kind = tuple[str, str]
"""A flow's transport and application."""

Hooks = tuple[tuple[Hook, ...], tuple[Hook, ...], tuple[Hook, ...]]
_KIND_OF: Final = attrgetter("transport", "application")


class Protocols(NamedTuple):
    """The flows that ``l4_proto`` and ``l7_proto`` of a script select; empty ones select all."""

    l4_proto: str
    l7_proto: str


class SessionState:
    """One window's counters, and its flows where a script wants them flushed."""

    __slots__ = ("behaviour", "counters", "kept")

    def __init__(self, counters: FlowCounters, behaviour: FlowBehaviour | None = None) -> None:
        self.counters = counters
        self.behaviour = behaviour
        self.kept = Kept()


class SessionCore(MonitorCore):
    """The session monitor of one partition of the flow topic.

    Which scripts see a flow is looked up by its transport and application, in a table filled as they
    come, so that a script whose filter does not match costs nothing.
    """

    def __init__(self, environment: Environment, instance: str) -> None:
        self._environment = environment
        self.host = ScriptHost(environment, SessionMonitor, instance)
        self._prefixes = (environment.settings.subnet_prefix_v4, environment.settings.subnet_prefix_v6)
        self._wanted = WantedGroups(environment)
        self._stream_hooks: dict[Kind, Hooks] = {}
        self._alone: list[tuple[HostedScript, str]] = []
        self._together: list[HostedScript] = []
        self.host.changed.append(self._changed)
        self._flushes = FlushTable(self.host, _KIND_OF, self._selecting, selective)

    def begin(self) -> SessionState:
        wanted = self._wanted.now()
        if not wanted:
            return SessionState(FlowCounters())
        # numpy takes its time to load
        from workers.counting.behaviour import FlowBehaviour  # noqa: PLC0415
        from workers.counting.numbered_counters import NumberedFlowCounters  # noqa: PLC0415

        counters = NumberedFlowCounters()
        return SessionState(counters, FlowBehaviour(counters, wanted, self.host.runtime.is_local, *self._prefixes))

    def take(self, state: SessionState, records: Sequence[Flow], *, dispatch: bool) -> None:  # noqa: ARG002
        if state.behaviour is None:
            state.counters.add(records)
        else:
            state.behaviour.add(records)

    def show(self, state: SessionState, records: Sequence[Flow]) -> None:
        self._flushes.keep(state.kept, records)
        coming: dict[str, list[Flow]] = {}
        for hosted, name in self._alone:
            if name not in coming:
                coming[name] = _coming(name, records)
            hosted.each(name, coming[name], self.host.runtime)
        if self._together:
            self._show_together(records)

    def _show_together(self, records: Sequence[Flow]) -> None:
        runtime = self.host.runtime
        table = self._stream_hooks
        for flow in records:
            kind: Any = (flow.transport, flow.application)
            try:
                hooks = table[kind]
            except (KeyError, TypeError):
                kind = usable(kind)
                hooks = table[kind] = self._stream_hooks_for(kind)
            new, update, terminate = hooks
            runtime.now = flow.time
            if new and flow.sequence == 0:
                for hook in new:
                    hook(flow)
            if update and flow.record == "update":
                for hook in update:
                    hook(flow)
            if terminate and flow.record == "final":
                for hook in terminate:
                    hook(flow)

    def shows(self) -> bool:
        return super().shows() or self.ticks()

    def ticks(self) -> bool:
        return bool(self._environment.scripts.interest.updates) or super().ticks()

    def tick(self, state: SessionState, window: Window, second: int) -> Iterable[Partial]:
        super().tick(state, window, second)
        wanted = self._environment.scripts.interest.updates
        if not wanted:
            return ()
        of_scripts = window.state.counts.changed(wanted, second)
        return chain(state.counters.changed(*self._prefixes, wanted, second), of_scripts)

    def end(self, state: SessionState, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        if dispatch:
            self.host.call("on_begin_flush", window.start)
            self._flushes.flush(state.kept)
            self.host.call("on_end_flush", window.start)
        counted = state.counters.partials(*self._prefixes)
        return counted if state.behaviour is None else chain(counted, state.behaviour.partials())

    def _changed(self) -> None:
        """Sort the scripts: those with one hook for all flows get a message's flows at once, the others one by one."""
        self._stream_hooks.clear()
        self._alone, self._together = [], []
        for hosted in self.host.scripts:
            written = [name for name in STREAM_HOOKS if hosted in self.host.attached(name)]
            if len(written) == 1 and not selective(hosted.script.monitor):
                self._alone.append((hosted, written[0]))
            elif written:
                self._together.append(hosted)

    def _stream_hooks_for(self, kind: Kind) -> Hooks:
        select = self._selecting(kind)
        wanted = [hosted for hosted in self._together if select(hosted.script.monitor)]
        new, update, terminate = (
            tuple(hosted.hook(name) for hosted in wanted if hosted in self.host.attached(name)) for name in STREAM_HOOKS
        )
        return new, update, terminate

    def _selecting(self, kind: Kind) -> Select:
        """Select the scripts that want flows of this transport and application."""
        sessions = self.host.groups.sessions
        return lambda monitor: matches(monitor, *kind) and sessions.selector(monitor.group)(FLOWS)


def _coming(hook: str, records: Sequence[Flow]) -> list[Flow]:
    """The flows that a stream hook is for."""
    if hook == "on_new_flow":
        return [flow for flow in records if flow.sequence == 0]
    record = "update" if hook == "on_update" else "final"
    return [flow for flow in records if flow.record == record]


def selective(monitor: type[Any]) -> bool:
    """True when a script does not want every flow."""
    return bool(monitor.l4_proto or monitor.l7_proto or monitor.group)


def matches(monitor: type[SessionMonitor | FlowTracker] | Protocols, transport: object, application: object) -> bool:
    """True when a script's declared protocols select a flow of this transport and application.

    ``l7_proto`` matches either part of nDPI's name: ``TLS`` and ``Google`` both select ``TLS.Google``.
    """
    if not (isinstance(transport, str) and isinstance(application, str)):
        # A script has put something else into its flow.
        return not (monitor.l4_proto or monitor.l7_proto)
    if monitor.l4_proto and monitor.l4_proto.lower() != transport.lower():
        return False
    wanted = monitor.l7_proto.lower()
    return not wanted or wanted == application.lower() or wanted in application.lower().split(".")
