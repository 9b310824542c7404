"""Flow checks: who sees which flows, and when.

A message's flows go to one check after the other, those of a higher priority first, each getting all that are for
it at once: hooks cost a tenth of what they cost when they are called flow by flow. Which flows those are is found once
for all checks that select alike.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import compress, groupby
from typing import Any, Final, NamedTuple

from tapline.checks.flow_check import FlowCheck
from tapline.checks.hooks import written
from tapline.policy.effective import PolicyView
from topics.records import Flow, Partial
from workers.checks.flow_memory import FlowMemory, KnownFlow
from workers.checks.flow_status import FlowStatuses, Scored, count_scores, recall
from workers.checks.hosting import CheckSettings, InForce
from workers.environment import Environment
from workers.scripting.host import ScriptHost
from workers.scripting.hosted import HostedScript
from workers.sg_monitor import Protocols, SessionCore, SessionState, matches
from workers.windows.core import MonitorCore
from workers.windows.ledger import Window

UNKNOWN: Final = frozenset(("", "Unknown"))
"""What the application of a flow is called while nobody knows it."""

DETECTED: Final = "protocol_detected"
CHANGED: Final = "status_changed"
_OF_RECORDS: Final = (DETECTED, "periodic_update", "flow_end")
LOCAL: Final = "local"
"""Of any direction, with a local end."""

_SYN_ACK: Final = 0x12
_OPENED: Final = frozenset(("established", "closing", "closed"))
_LOGS: Final = ("eve:", "ipfix:", "netflow:", "sflow:", "syslog:", "zeek:")
"""How observation points begin whose flows were not made of packets."""


class Filter(NamedTuple):
    """What the attributes of a check select flows by."""

    protocols: Protocols
    handshake: bool
    direction: str
    packets: bool
    risks: tuple[str, ...]


class Called(NamedTuple):
    """A check that has a hook, and the method that is called."""

    hosted: HostedScript
    method: str
    filter: Filter
    settings: CheckSettings
    chooses: bool


class Selection:
    """Some flows, and which of them each filter leaves; found once for all checks and hooks that select alike."""

    def __init__(self, filters: Iterable[Filter], is_local: Callable[[str], bool]) -> None:
        self._is_local = is_local
        known = list(dict.fromkeys(filters))
        self._protocols = list(dict.fromkeys(each.protocols for each in known if any(each.protocols)))
        self._takers: dict[tuple[str, str], tuple[int, ...]] = {}
        self._kinds: dict[Protocols, Callable[[str, str], bool]] = {}
        self._risks: dict[str, list[tuple[str, ...]]] = {}
        for risks in dict.fromkeys(each.risks for each in known if each.risks):
            for risk in risks:
                self._risks.setdefault(risk, []).append(risks)
        self.take([])

    def take(self, flows: list[Flow]) -> None:
        """Select from these flows from here on."""
        self._flows = flows
        self._found: dict[Filter, list[Flow]] = {}
        self._protocol_shares: dict[Protocols, list[Flow]] | None = None
        self._risk_shares: dict[tuple[str, ...], list[Flow]] | None = None
        self._direction_shares: dict[str, list[Flow]] = {}
        self._locals: tuple[list[bool], list[bool]] | None = None

    def holds(self, flows: list[Flow]) -> bool:
        """True when it selects from these flows."""
        return flows is self._flows

    def of(self, wanted: Filter) -> list[Flow]:
        """The flows that a filter leaves, in their order."""
        found = self._found.get(wanted)
        if found is None:
            found = self._found[wanted] = self._selected(wanted)
        return found

    def _selected(self, wanted: Filter) -> list[Flow]:
        """The flows that have the rarest of what a filter asks for, and of those the ones that have the rest."""
        flows, protocols = self._flows, wanted.protocols
        if wanted.risks:
            flows = self._of_risks(wanted.risks)
        elif wanted.direction:
            flows = self._of_direction(wanted.direction)
        elif any(protocols):
            flows = self._of_protocols(protocols)
        if any(protocols) and (wanted.risks or wanted.direction):
            kinds = self._kinds_of(protocols)
            flows = [flow for flow in flows if kinds(flow.transport, flow.application)]
        if wanted.risks and wanted.direction:
            directed = {flow.id for flow in self._of_direction(wanted.direction)}
            flows = [flow for flow in flows if flow.id in directed]
        if wanted.handshake:
            flows = [flow for flow in flows if flow.transport != "tcp" or flow.setup_rtt_us or _was_opened(flow)]
        if wanted.packets:
            flows = [flow for flow in flows if not flow.observation_point.startswith(_LOGS)]
        return flows

    def _kinds_of(self, protocols: Protocols) -> Callable[[str, str], bool]:
        """Tells whether flows of a transport and application are selected."""
        found = self._kinds.get(protocols)
        if found is None:
            found = self._kinds[protocols] = lru_cache(maxsize=10_000)(partial(matches, protocols))
        return found

    def _of_protocols(self, protocols: Protocols) -> list[Flow]:
        if self._protocol_shares is None:
            self._protocol_shares = self._by_protocols(self._flows)
        return self._protocol_shares[protocols]

    def _of_risks(self, risks: tuple[str, ...]) -> list[Flow]:
        if self._risk_shares is None:
            self._risk_shares = self._by_risk(self._flows)
        return self._risk_shares.get(risks, [])

    def _of_direction(self, direction: str) -> list[Flow]:
        found = self._direction_shares.get(direction)
        if found is None:
            found = self._direction_shares[direction] = self._by_direction(direction)
        return found

    def _by_direction(self, direction: str) -> list[Flow]:
        """The flows of one direction, or those with a local end."""
        flows = self._flows
        if self._locals is None:
            is_local = self._is_local
            self._locals = (
                [is_local(flow.source_ip) for flow in flows],
                [is_local(flow.destination_ip) for flow in flows],
            )
        source, destination = self._locals
        if direction == "inbound":
            return list(compress(flows, map(operator.gt, destination, source)))
        if direction == "outbound":
            return list(compress(flows, map(operator.gt, source, destination)))
        if direction == "internal":
            return list(compress(flows, map(operator.and_, source, destination)))
        either = map(operator.or_, source, destination)
        return list(compress(flows, either if direction == LOCAL else map(operator.not_, either)))

    def _by_protocols(self, flows: list[Flow]) -> dict[Protocols, list[Flow]]:
        """The flows of the transports and applications that checks select."""
        wanted, takers = self._protocols, self._takers
        shares: list[list[Flow]] = [[] for _ in wanted]
        appends = [share.append for share in shares]
        for flow in flows:
            kind = (flow.transport, flow.application)
            numbers = takers.get(kind)
            if numbers is None:
                numbers = tuple(number for number, each in enumerate(wanted) if matches(each, *kind))
                takers[kind] = numbers
            for number in numbers:
                appends[number](flow)
        return dict(zip(wanted, shares, strict=True))

    def _by_risk(self, flows: list[Flow]) -> dict[tuple[str, ...], list[Flow]]:
        """The flows that have one of the risks of a check."""
        shares: dict[tuple[str, ...], list[Flow]] = {}
        table = self._risks
        for flow in flows:
            if flow.risks:
                wanted = dict.fromkeys(risks for risk in flow.risks for risks in table.get(risk, ()))
                for risks in wanted:
                    shares.setdefault(risks, []).append(flow)
        return shares


class CheckedState:
    """One window of the session monitor, and its flows that have a score."""

    __slots__ = ("scored", "sessions")

    def __init__(self, sessions: SessionState) -> None:
        self.sessions = sessions
        self.scored: dict[str, Scored] = {}


class CheckedSessionCore(MonitorCore):
    """The session monitor of one partition of the flow topic, with the flow checks before it."""

    def __init__(self, environment: Environment, sessions: SessionCore, instance: str) -> None:
        self._environment = environment
        self._sessions = sessions
        self.host = sessions.host
        self._checks = ScriptHost(environment, FlowCheck, instance)
        runtime = self._checks.runtime = self.host.runtime
        self.host.companions.append(self._checks)
        self._checks.changed.append(self._forget)
        self._memory = FlowMemory(runtime.stores.of("flow checks"))
        self._statuses = FlowStatuses(runtime, self._memory)
        runtime.services = self._statuses
        self._view: PolicyView | None = None
        self._tables: dict[str, list[Called]] = {}
        self._selection = Selection((), runtime.is_local)

    def begin(self) -> CheckedState:
        return CheckedState(self._sessions.begin())

    def take(self, state: CheckedState, records: Sequence[Flow], *, dispatch: bool) -> None:
        self._sessions.take(state.sessions, records, dispatch=dispatch)

    def show(self, state: CheckedState, records: Sequence[Flow]) -> None:
        if self._checks.scripts:
            self._check(state, records)
        self._sessions.show(state.sessions, records)

    def shows(self) -> bool:
        return bool(self._checks.scripts) or self._sessions.shows()

    def ticks(self) -> bool:
        return self._checks.wants("on_metronome") or self._sessions.ticks()

    def tick(self, state: CheckedState, window: Window, second: int) -> Iterable[Partial]:
        self._checks.call("on_metronome", second)
        self._close(state)
        return self._sessions.tick(state.sessions, window, second)

    def end(self, state: CheckedState, window: Window, *, dispatch: bool) -> Iterable[Partial]:
        if dispatch:
            self._close(state)
            count_scores(state.scored, window.state.counts, window.start * 1_000_000)
            self._memory.end(window.lane.stream, window.start, final=window.final)
        return self._sessions.end(state.sessions, window, dispatch=dispatch)

    def _check(self, state: CheckedState, records: Sequence[Flow]) -> None:
        """Let the checks see the records of a message, and settle what they say of them."""
        if self._view is not self._environment.policy:
            self._prepare()
        runtime, memory = self.host.runtime, self._memory
        stream, window = runtime.stream, runtime.window
        detected, updated, ended = self._sorted(state, records, memory.of(stream), stream, window)
        if len(ended) == len(detected) == len(records):
            ended = detected
        for hook, flows in zip(_OF_RECORDS, (detected, updated, ended), strict=True):
            self._dispatch(hook, flows)
        self._selection.take([])
        self._close(state)
        if memory.of(stream):
            for flow in ended:
                if flow.sequence:
                    memory.drop(stream, flow.flow_id)

    def _sorted(
        self, state: CheckedState, records: Sequence[Flow], known: dict[str, KnownFlow], stream: str, window: int
    ) -> tuple[list[Flow], list[Flow], list[Flow]]:
        """The flows whose application is known from this record on, those that go on, and those that end."""
        detected: list[Flow] = []
        updated: list[Flow] = []
        ended: list[Flow] = []
        detects = bool(self._tables[DETECTED])
        for flow in records:
            goes_on = flow.record != "final"
            if flow.sequence == 0:
                if goes_on and flow.application in UNKNOWN:
                    if detects:
                        self._await_detection(stream, flow, window)
                else:
                    detected.append(flow)
            elif known and flow.flow_id in known and self._met_again(state, flow, known[flow.flow_id], window):
                detected.append(flow)
            (updated if goes_on else ended).append(flow)
        return detected, updated, ended

    def _await_detection(self, stream: str, flow: Flow, window: int) -> None:
        """Remember a flow whose application is not known yet."""
        known = KnownFlow()
        known.pending = True
        self._memory.touch(stream, flow.flow_id, known, window)

    def _met_again(self, state: CheckedState, flow: Flow, known: KnownFlow, window: int) -> bool:
        """Take up what is known of a flow; true when its application is known now and was not before."""
        stream = self.host.runtime.stream
        if known.statuses:
            recall(flow, known)
            if flow.delta_packets:
                state.scored[flow.flow_id] = Scored(flow.source_ip, flow.destination_ip, known)
        self._memory.touch(stream, flow.flow_id, known, window)
        if not known.pending or (flow.application in UNKNOWN and flow.record != "final"):
            return False
        known.pending = False
        if known.statuses:
            self._memory.change(stream, known)
        else:
            self._memory.drop(stream, flow.flow_id)
        return True

    def _dispatch(self, hook: str, flows: list[Flow]) -> None:
        """Call the checks that have a hook with those of some flows that are for them."""
        table = self._tables[hook]
        if not flows or not table:
            return
        selection = self._selection
        if not selection.holds(flows):
            selection.take(flows)
        for called in table:
            mine = selection.of(called.filter)
            if mine:
                self._call(called, mine)

    def _call(self, called: Called, flows: list[Flow]) -> None:
        """Call a check with its flows, with the settings that hold for each of them."""
        hosted, settings = called.hosted, called.settings
        if settings.is_uniform:
            self._run(called, flows)
            return
        for in_force, some in groupby(flows, lambda flow: _settings_of(settings, flow)):
            if in_force.enabled and self._put_in_force(hosted, in_force):
                self._run(called, list(some))

    def _run(self, called: Called, flows: list[Flow]) -> None:
        if called.chooses:
            flows = called.hosted.chosen("of_interest", flows)
        called.hosted.each(called.method, flows, self.host.runtime)

    def _close(self, state: CheckedState) -> None:
        """Tell the checks of statuses that others have set, then publish what has been found."""
        changed = self._statuses.changed()
        told = self._tables.get(CHANGED)
        if changed and told:
            setters = {verdict.flow.flow_id: tuple(verdict.new_by) for verdict in changed}
            self._selection.take([verdict.flow for verdict in changed])
            for called in told:
                own = called.hosted.monitor
                flows = self._selection.of(called.filter)
                mine = [flow for flow in flows if any(setter is not own for setter in setters[flow.flow_id])]
                self._call(called, mine)
            self._selection.take([])
        self._statuses.close(state.scored)

    def _prepare(self) -> None:
        """Make the tables anew, of the checks that are at work and what the policy says of them."""
        self._view = view = self._environment.policy
        self._statuses.in_force.clear()
        tables: dict[str, list[Called]] = {hook: [] for hook in (*_OF_RECORDS, CHANGED)}
        for hosted in sorted(self._checks.scripts, key=lambda each: -_check_of(each).priority):
            if hosted.monitor is None:
                continue
            check = _check_of(hosted)
            settings = CheckSettings(hosted.script, view)
            if settings.is_uniform:
                in_force = settings.of("", "flow", "")
                if not in_force.enabled:
                    continue
                self._put_in_force(hosted, in_force)
            wanted = _filter_of(check)
            for hook, method in written(check).items():
                tables[hook].append(
                    Called(hosted, method, wanted, settings, hosted.overrides("of_interest", FlowCheck))
                )
        self._tables = tables
        filters = (each.filter for called in tables.values() for each in called)
        self._selection = Selection(filters, self.host.runtime.is_local)

    def _put_in_force(self, hosted: HostedScript, in_force: InForce) -> bool:
        check: Any = hosted.monitor
        if check is None:
            return False
        check.params = in_force.params
        self._statuses.in_force[id(check)] = in_force
        return True

    def _forget(self) -> None:
        self._view = None


def _check_of(hosted: HostedScript) -> type[FlowCheck]:
    check = hosted.script.monitor
    assert issubclass(check, FlowCheck)
    return check


def _filter_of(check: type[FlowCheck]) -> Filter:
    return Filter(
        Protocols(check.l4_proto, check.l7_proto),
        check.three_way_handshake_ok,
        check.direction or (LOCAL if check.local_only else ""),
        check.packet_interface_only,
        tuple(dict.fromkeys(check.risks)),
    )


def _was_opened(flow: Flow) -> bool:
    """True where the flags say that a TCP handshake was seen whole, for flows that do not tell how long it took."""
    return bool(flow.tcp_flags_source & flow.tcp_flags_destination & _SYN_ACK == _SYN_ACK and flow.state in _OPENED)


def _settings_of(settings: CheckSettings, flow: Flow) -> InForce:
    """What holds of a check for a flow: by that of its ends for which there is the most specific entry."""
    client, server = flow.source_ip, flow.destination_ip
    of_client, of_server = settings.specificity("host", client), settings.specificity("host", server)
    if of_client < 0 and of_server < 0:
        return settings.of("", "flow", "")
    return settings.of("", "flow", server if of_server > of_client else client)
