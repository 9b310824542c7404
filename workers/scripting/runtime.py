"""What running scripts speak to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tapline.checks import Check, Entity, FlowStatus, TypeInfo
from tapline.checks.runtime import Band
from tapline.groups import AnyGroup, CounterGroup, Directories
from tapline.script import Script
from topics.catalog import Topic
from topics.codec import BadMessage, decode, encode
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Alert, Endpoints, Flow
from workers.alerts.script_conditions import OWNER, ScriptConditions
from workers.counting.counts import Definitions, ScriptCounts, checked
from workers.environment import Environment, Notice
from workers.scripting.guard import Hook
from workers.scripting.jobs import Job, JobLimit, in_job, jobs_done
from workers.scripting.local_networks import local_networks
from workers.windows.outbox import Outbox
from workers.windows.store import StageStore

SYSTEM: Final = "System"
"""The group of alerts about the scripts themselves."""

RECORD_LIMIT: Final = 1_000_000
"""Most bytes of JSON in a record of a script."""

OVER_BUDGET_ALERT: Final = "scripts-over-budget"
FIRST_INSTANCE: Final = "flow-0"
"""The instance that there is once over all workers, and that says what is to be said once."""

_log = logging.getLogger(__name__)


class CheckServices:
    """What checks ask for beside what all scripts do, as :class:`tapline.checks.runtime.CheckRuntime`.

    A stage gives what it has; what it has not is an error of the script that asks for it.
    """

    def condition(self, check: Check, entity: Entity, info: TypeInfo, *, holds: bool) -> None:  # noqa: ARG002
        raise RuntimeError(
            f"{check.script_name}: trigger, release and thresholds are for checks that run once a period:"
            " raise what has no end with store_alert, a flow's with trigger_status"
        )

    def store_alert(
        self,
        check: Check,
        entity: Entity,  # noqa: ARG002
        info: TypeInfo,  # noqa: ARG002
        about: Endpoints | None = None,  # noqa: ARG002
    ) -> None:
        raise RuntimeError(f"{check.script_name}: no alerts of checks can be stored here")

    def band(self, check: Check, entity: Entity, metric: str) -> Band:  # noqa: ARG002
        raise RuntimeError(f"{check.script_name}: anomalies are for checks that run once a period")

    def remember(self, check: Check, entity: Entity, metric: str, value: float) -> float | None:  # noqa: ARG002
        raise RuntimeError(f"{check.script_name}: deltas are for checks that run once a period")

    def flow_status(
        self,
        check: Check,
        flow: Flow,  # noqa: ARG002
        status: FlowStatus,  # noqa: ARG002
        info: str,  # noqa: ARG002
        score: int | None,  # noqa: ARG002
        client_score: int | None,  # noqa: ARG002
        server_score: int | None,  # noqa: ARG002
        *,
        alerted: bool,  # noqa: ARG002
        severity: int,  # noqa: ARG002
    ) -> None:
        raise RuntimeError(f"{check.script_name}: only flow checks set statuses of flows")


class WindowRuntime:
    """What scripts of one host speak to (:class:`tapline.script.Runtime`), pointed at one window at a time.

    What checks ask for goes to ``services``, which their stage sets.
    """

    def __init__(self, environment: Environment, instance: str) -> None:
        self.instance = instance
        self._environment = environment
        self._jobs: list[Job] = []
        self.stores = StageStore()
        self._conditions = ScriptConditions(self.stores.of(OWNER))
        self._refusal = "a script can emit only in its hooks, not while it is loaded"
        self.stream = ""
        self.window = 0
        self.now = 0
        self.is_local = local_networks(tuple(environment.settings.local_networks))
        self.services = CheckServices()
        self._outbox: Outbox | None = None
        self._counts = ScriptCounts()
        self.know(environment.scripts.groups)

    def know(self, groups: Directories) -> None:
        """Take these for the groups there are."""
        self._groups = groups
        self._definitions = Definitions(groups.counters)

    def point(self, stream: str, window: int, outbox: Outbox, counts: ScriptCounts, jobs: list[Job]) -> None:
        """Let what scripts emit and ask for from here on belong to this window."""
        self.stream = stream
        self.window = window
        self._outbox = outbox
        self._counts = counts
        self._jobs = jobs
        self._environment.budget.point(stream, window)

    def emit(self, topic: Topic, key: str, record: Struct) -> None:
        outbox = self._open_outbox()
        _check(topic, key, record)
        if isinstance(record, Alert) and record.action != "store" and not record.instance:
            record = replace(record, instance=self.instance)
            self._conditions.note(outbox.producer, record)
        outbox.put(topic, key, record)

    def end_conditions(self, *, final: bool) -> None:
        """The window at hand ends: end conditions of scripts that cannot do so, also where the stream ends."""
        outbox = self._open_outbox()
        end = self.window + WINDOW_SECONDS
        for topic, key, alert in self._conditions.finish(outbox.producer, end, self._is_at_work, final=final):
            outbox.put(topic, key, alert)

    def _is_at_work(self, name: str) -> bool:
        return any(each.name == name and not each.fate.suspended for each in self._environment.scripts.scripts)

    def put(self, topic: Topic, key: str, record: Struct) -> None:
        """Publish a record that a part of the stage has made, of what it has looked at."""
        self._open_outbox().put(topic, key, record)

    def _open_outbox(self) -> Outbox:
        """Where this window's records go; an error where scripts may not emit."""
        if in_job():
            raise RuntimeError("work given to run_async cannot emit: return a value, and emit in `then`")
        if self._outbox is None:
            raise RuntimeError(self._refusal)
        return self._outbox

    def refuse(self, why: str) -> None:
        """Let nothing be emitted or asked for until a window is pointed at again."""
        self._outbox = None
        self._refusal = why

    def group(self, kind: type[AnyGroup], name: str) -> str:
        return self._groups.of(kind).canonical(name)

    def submit(
        self, script: Script, work: Hook, arguments: tuple[Any, ...], then: Callable[[Any], None] | None
    ) -> None:
        self._open_outbox()
        limit = self._environment.settings.async_queue
        if len(self._jobs) >= limit:
            jobs_done.labels(script.script_name, "refused").inc()
            raise JobLimit(
                f"run_async: {limit} jobs of this window are under way already;"
                " ask for fewer, or raise workers.async_queue"
            )
        self._jobs.append(Job(script, self._environment.jobs.submit(work, arguments), then))

    def store(self, script: Script) -> MutableMapping[str, Any]:
        if in_job():
            raise RuntimeError("work given to run_async cannot use the store: pass it what it needs")
        return self.stores.of_script(script.script_name)

    def count(self, group: CounterGroup | str, key: str, meters: Mapping[str, int | float]) -> None:
        self._open_outbox()
        name, slots = self._definitions.sample_slots(group, meters)
        self._counts.add(name, key, slots, checked(key, meters), self.now)

    def condition(self, check: Check, entity: Entity, info: TypeInfo, *, holds: bool) -> None:
        self._open_outbox()
        self.services.condition(check, entity, info, holds=holds)

    def store_alert(self, check: Check, entity: Entity, info: TypeInfo, about: Endpoints | None = None) -> None:
        self._open_outbox()
        self.services.store_alert(check, entity, info, about)

    def band(self, check: Check, entity: Entity, metric: str) -> Band:
        self._open_outbox()
        return self.services.band(check, entity, metric)

    def remember(self, check: Check, entity: Entity, metric: str, value: float) -> float | None:
        self._open_outbox()
        return self.services.remember(check, entity, metric, value)

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
        self._open_outbox()
        self.services.flow_status(
            check, flow, status, info, score, client_score, server_score, alerted=alerted, severity=severity
        )

    def notices(self) -> Iterator[Alert]:
        """What this process has to say of its scripts, once a window has been pointed at."""
        environment = self._environment
        for message in environment.budget.overruns():
            _log.warning("%s", message)
            environment.notices.append(Notice(OVER_BUDGET_ALERT, message, "scripts", "", digest(message)))
        waiting = [environment.notices]
        if self.instance == FIRST_INSTANCE:
            waiting.append(environment.common_notices)
        for notices in waiting:
            while notices and self.stream:
                yield self._alert_of(notices.popleft())

    def _alert_of(self, notice: Notice) -> Alert:
        return Alert(
            id=digest(notice.identity, self.stream),
            time=self.now or self.window * 1_000_000,
            type=notice.type,
            message=notice.message,
            group=SYSTEM,
            entity=notice.entity,
            severity=5,
            priority=1,
            script=notice.script,
            stream=self.stream,
            window=self.window,
        )


def _check(topic: Topic, key: str, record: Struct) -> None:
    """See that a record can be published and read again; where not, that is an error of the script that made it.

    Found later, it would cost the records of others that are in the same message.
    """
    try:
        key.encode()
        body = encode([record])
        decode(topic.record, body)
    except (BadMessage, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"this {topic.kind} cannot be published: {error}") from None
    if len(body) > RECORD_LIMIT:
        raise ValueError(f"this {topic.kind} is too large: {len(body):,} bytes of {RECORD_LIMIT:,} at most")
