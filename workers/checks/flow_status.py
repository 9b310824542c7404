"""Statuses of flows: what they count for, the alert that comes of them, and the scores of hosts."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec.structs import force_setattr

from tapline.arguments import check_level, check_numbers, check_record
from tapline.checks.alert_types import MOST_SCORE as MOST_ALERT_SCORE
from tapline.checks.alert_types import TypeInfo, severity_of
from tapline.checks.base import Check
from tapline.checks.entities import Entity
from tapline.checks.flow_check import MOST_SCORE, FlowStatus
from topics.catalog import ALERT, ANNOTATION
from topics.partitions import digest
from topics.records import Alert, Annotation, Endpoints, Flow
from workers.checks.alert_records import alert_of, check_text, clamped, emit_alert, priority_of
from workers.checks.flow_memory import FlowMemory, Found, KnownFlow
from workers.checks.hosting import InForce
from workers.counting.counts import ScriptCounts, Slot
from workers.counting.groups import SCORES
from workers.scripting.runtime import CheckServices, WindowRuntime

MOST_NAME: Final = 200
"""Most characters of a status's name."""

MOST_SEEN: Final = 10_000

_SCORES: Final = ("score", "client_score", "server_score")
_METERS: Final = ("score", "network", "security")
_SLOTS: Final[list[Slot]] = [(name, "counter") for name in _METERS]
_ENDS: Final = tuple(name for name in Endpoints.__struct_fields__ if name != "id")
_ends_of: Final = attrgetter(*_ENDS)


class News(NamedTuple):
    """A status that a flow did not have, or not for so much: who found it, and what that says."""

    check: Check
    status: FlowStatus
    info: str
    found: Found


class Trigger(NamedTuple):
    """A status that is worth an alert."""

    check: Check
    status: FlowStatus
    info: str
    score: int
    client_score: int
    server_score: int
    severity: int
    configuration: str


class Verdict:
    """What the checks say of a flow whose record they are looking at."""

    __slots__ = ("flow", "known", "new_by", "news", "trigger")

    def __init__(self, flow: Flow, known: KnownFlow) -> None:
        self.flow = flow
        self.known = known
        self.news: list[News] = []
        self.new_by: list[Check] = []
        self.trigger: Trigger | None = None


class Scored(NamedTuple):
    """A flow with a score that had packets in a window."""

    source_ip: str
    destination_ip: str
    known: KnownFlow


class FlowStatuses(CheckServices):
    """Takes what flow checks say of flows; :meth:`close` makes annotations and alerts of it.

    ``in_force`` are the settings of the checks for the flow at hand, by the id of their instance.
    """

    def __init__(self, runtime: WindowRuntime, memory: FlowMemory) -> None:
        self._runtime = runtime
        self._memory = memory
        self._open: dict[str, Verdict] = {}
        self._seen: dict[int, FlowStatus] = {}
        self.in_force: dict[int, InForce] = {}

    def flow_status(
        self,
        check: Check,
        flow: Flow,
        status: FlowStatus,
        info: str,
        score: int | None,
        client_score: int | None,
        server_score: int | None,
        *,
        alerted: bool,
        severity: int,
    ) -> None:
        if status is not self._seen.get(id(status)):
            self._see(status)
        if type(flow) is not Flow or type(info) is not str or info or severity:
            _check_said(flow, info, severity)
        if not (score is client_score is server_score is None):
            given = zip(_SCORES, (score, client_score, server_score), strict=True)
            check_numbers(**{name: value for name, value in given if value is not None})
        in_force = self.in_force.get(id(check))
        if in_force is not None and in_force.score is not None:
            score, client_score, server_score = in_force.score, None, None
        total, client, server = _scores(status, score, client_score, server_score)
        if alerted:
            client, server = _within(client, server, MOST_ALERT_SCORE)
        verdict = self._open.get(flow.flow_id)
        if verdict is None:
            known = self._memory.of(self._runtime.stream).get(flow.flow_id) or KnownFlow()
            verdict = self._open[flow.flow_id] = Verdict(flow, known)
        verdict.flow = flow
        known = verdict.known
        before = known.statuses.get(status.name)
        if before is None or total > before.score:
            found = Found(status.number, total, client, server, check.category)
            known.statuses[status.name] = found
            verdict.news.append(News(check, status, info, found))
            if before is None:
                verdict.new_by.append(check)
            recall(flow, known)
        if alerted:
            best = verdict.trigger
            alert_score = min(total, MOST_ALERT_SCORE)
            if best is None or (alert_score, -status.number) > (best.score, -best.status.number):
                if in_force is not None and in_force.severity:
                    severity = in_force.severity
                configuration = in_force.configuration if in_force else ""
                verdict.trigger = Trigger(check, status, info, alert_score, client, server, severity, configuration)

    def _see(self, status: FlowStatus) -> None:
        """See that a status can be told, once for each."""
        if not isinstance(status, FlowStatus):
            raise TypeError(f"status has to be a FlowStatus, as FlowStatus(name='…'), not {status!r:.100}")
        check_text("title of the status", status.title)
        check_text("name of the status", status.name)
        if not 0 < len(status.name) <= MOST_NAME:
            raise ValueError(f"a status has a name of 1 to {MOST_NAME} characters")
        check_numbers(number=status.number, score=status.score, client_share=status.client_share)
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[id(status)] = status

    def store_alert(self, check: Check, entity: Entity, info: TypeInfo, about: Endpoints | None = None) -> None:
        runtime = self._runtime
        emit_alert(runtime, alert_of(runtime, check, entity, info, self.in_force.get(id(check)), about))

    def changed(self) -> list[Verdict]:
        """Of which flows something is open that they did not have."""
        return [verdict for verdict in self._open.values() if verdict.new_by]

    def close(self, scored: dict[str, Scored]) -> None:
        """Publish what is open: an annotation for each new status, and an alert where one is due.

        The flows that have a score are added to those of the window.
        """
        if not self._open:
            return
        runtime, memory = self._runtime, self._memory
        stream, window = runtime.stream, runtime.window
        for flow_id, verdict in self._open.items():
            flow, known = verdict.flow, verdict.known
            ends = dict(zip(_ENDS, _ends_of(flow), strict=True))
            for news in verdict.news:
                runtime.put(ANNOTATION, f"\x00{flow_id}", self._annotation(flow, news, ends))
            trigger = verdict.trigger
            if trigger is not None and trigger.score > known.alerted:
                known.alerted = trigger.score
                alert = self._alert(flow, known, trigger, ends)
                runtime.put(ALERT, f"{alert.type}\x00{alert.entity}", alert)
            scored[flow_id] = Scored(flow.source_ip, flow.destination_ip, known)
            if flow.record != "final":
                memory.touch(stream, flow_id, known, window)
                memory.change(stream, known)
        self._open.clear()

    def _annotation(self, flow: Flow, news: News, ends: dict[str, Any]) -> Annotation:
        runtime = self._runtime
        name, found = news.status.name, news.found
        return Annotation(
            id=digest("annotation", "status", runtime.stream, flow.flow_id, name, found.score),
            kind="status",
            key=flow.flow_id,
            name=name,
            value=news.info,
            description=news.status.title,
            flow_id=flow.flow_id,
            application=flow.application,
            script=news.check.script_name,
            stream=runtime.stream,
            window=runtime.window,
            score=found.score,
            client_score=found.client_score,
            server_score=found.server_score,
            **ends,
        )

    def _alert(self, flow: Flow, known: KnownFlow, trigger: Trigger, ends: dict[str, Any]) -> Alert:
        runtime = self._runtime
        status, check = trigger.status, trigger.check
        entity, peer = flow.source_ip, flow.destination_ip
        if trigger.server_score > trigger.client_score:
            entity, peer = peer, entity
        severity = trigger.severity or severity_of(trigger.score)
        what = status.title or status.name
        said = f"{what}: {trigger.info}" if trigger.info else what
        return Alert(
            id=digest("flow status", runtime.stream, flow.flow_id, status.name, trigger.score),
            type=status.name,
            message=f"{said}; {explained(known)}",
            entity=entity,
            entity_kind="flow",
            category=check.category,
            peer=peer,
            score=trigger.score,
            severity=severity,
            priority=priority_of(severity),
            script=check.script_name,
            configuration=trigger.configuration,
            instance=runtime.instance,
            stream=runtime.stream,
            window=runtime.window,
            flow_id=flow.flow_id,
            evidence=[flow.flow_id],
            attributes={
                "flow_score": str(known.score),
                "client_score": str(sum(found.client_score for found in known.statuses.values())),
                "server_score": str(sum(found.server_score for found in known.statuses.values())),
                "predominant_status": known.predominant(),
            },
            **ends,
        )


def recall(flow: Flow, known: KnownFlow) -> None:
    """Let those who see a flow's record after this know its score and the reasons for it."""
    force_setattr(flow, "score", known.score)
    force_setattr(flow, "reasons", known.reasons)


def explained(known: KnownFlow) -> str:
    """A flow's score, with the part of each of its reasons, the largest first."""
    order = sorted(known.statuses.items(), key=lambda each: (-each[1].score, each[1].number, each[0]))
    parts = [
        f"{name} {found.score} (client {found.client_score}, server {found.server_score})" for name, found in order
    ]
    return f"score {known.score}: {', '.join(parts)}"


def count_scores(scored: dict[str, Scored], counts: ScriptCounts, time: int) -> None:
    """Give the hosts of a window their shares of the scores of its flows."""
    hosts: dict[str, list[int]] = {}
    for source_ip, destination_ip, known in scored.values():
        for ip, share in ((source_ip, "client_score"), (destination_ip, "server_score")):
            for found in known.statuses.values():
                score = getattr(found, share)
                if score:
                    sums = hosts.setdefault(ip, [0, 0, 0])
                    sums[0] += score
                    if found.category in _METERS:
                        sums[_METERS.index(found.category)] += score
    for ip, sums in hosts.items():
        counts.add(SCORES.name, ip, _SLOTS, sums, time)


def _check_said(flow: Flow, info: str, severity: int) -> None:
    """See that what a check says of a flow can be told."""
    check_record("flow", flow, Flow)
    check_text("info", info)
    if severity:
        check_level("severity", severity, 8, "1 debug, 8 emergency")


def _scores(
    status: FlowStatus, score: int | None, client_score: int | None, server_score: int | None
) -> tuple[int, int, int]:
    """A status's scores: of the flow, of its client and of its server; what is not given follows from the status."""
    total = status.score if score is None else score
    client = total * status.client_share // 100 if client_score is None else client_score
    server = total - total * status.client_share // 100 if server_score is None else server_score
    return clamped(total, MOST_SCORE), clamped(client, MOST_SCORE), clamped(server, MOST_SCORE)


def _within(client: int, server: int, most: int) -> tuple[int, int]:
    """Two shares in the same proportion, together no more than ``most``."""
    if client + server <= most:
        return client, server
    client = client * most // (client + server)
    return client, most - client
