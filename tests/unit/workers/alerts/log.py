"""One partition of the alert topic and a worker on it that can be killed anywhere, without Kafka."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy
from topics.catalog import ALERT, ALERT_STATE, CATALOG, NOTIFICATION, PARTIAL, STORE
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode, open_message
from topics.records import Alert, AlertState, Partial, Snapshot, Stored
from workers.environment import Environment
from workers.scripting.scripts import ScriptSet, load_files
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage
from workers.windows.store import newest

Message = tuple[Envelope, bytes]
FIRST_WINDOW = 1_700_000_040 // 60 * 60


class Log:
    """Messages of producers, each numbered and marked as producers do."""

    def __init__(self, stream: str = "live") -> None:
        self.stream = stream
        self.messages: list[Message] = []
        self._sent: Counter[tuple[str, int]] = Counter()

    def put(self, node: str, window: int, *alerts: Alert) -> None:
        """Alerts of a producer in the window that begins at this epoch second."""
        for start in range(0, len(alerts), MAX_RECORDS):
            some = alerts[start : start + MAX_RECORDS]
            envelope = Envelope(ALERT.schema, node, self.stream, window, self._sent[node, window], len(some))
            self._sent[node, window] += len(some)
            self.messages.append((envelope, encode(some)))

    def mark(self, node: str, window: int, *, final: bool = False) -> None:
        """The end of a producer's window."""
        marker = Snapshot(node=node, stream=self.stream, window=window, announced=self._sent[node, window], final=final)
        self.messages.append((Envelope(SNAPSHOT_SCHEMA, node, self.stream, window, 0, 1), encode([marker])))


def environment_of(policy: Policy | None = None, scripts: ScriptSet | None = None) -> Environment:
    """What a worker's stages share, with one partition of everything."""
    environment = Environment(
        WorkersSettings(scripts=[]),
        scripts or load_files([], {}),
        {topic.kind: topic.partitions or 1 for topic in CATALOG},
    )
    environment.policy = PolicyView(policy or Policy())
    return environment


@dataclass
class Kafka:
    """What the topics hold that the alert stage writes, and the offset it has committed."""

    states: list[AlertState] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    told: list[Alert] = field(default_factory=list)
    partials: dict[tuple[str, str, int, int], list[Partial]] = field(default_factory=dict)
    point: CommitPoint | None = None

    def write(self, out: Outgoing) -> None:
        if out.body is None:
            return
        envelope, records = open_message(out.envelope.headers(), out.body, out.topic)
        if envelope.is_snapshot:
            return
        if out.topic is ALERT_STATE:
            assert out.key == records[0].id.encode()
            self.states += records
        elif out.topic is STORE:
            self.stored += records
        elif out.topic is NOTIFICATION:
            self.told += records
        elif out.topic is PARTIAL:
            place = (envelope.node, envelope.stream, envelope.window, envelope.sequence)
            assert place not in self.partials or self.partials[place] == records, "a window's sums have changed"
            self.partials[place] = records

    def notifications(self) -> dict[str, Alert]:
        """What was told by id; what was told twice must say the same."""
        found: dict[str, Alert] = {}
        for alert in self.told:
            before = found.setdefault(alert.id, alert)
            assert (before.event, before.episode, before.time) == (alert.event, alert.episode, alert.time)
        return found

    def standing(self) -> dict[str, AlertState]:
        """How every condition stands in the end, by identity."""
        return {record.id: record for record in self.states}

    def outcomes(self) -> Counter[str]:
        """The counters of the group Alerts, over all windows and types."""
        counted: Counter[str] = Counter()
        for partials in self.partials.values():
            for partial in partials:
                if partial.group == "Alerts":
                    for name, meter in zip(partial.names, partial.meters, strict=True):
                        assert isinstance(meter, int)
                        counted[name] += meter
        return counted


def started(kafka: Kafka, environment: Environment) -> tuple[Stage, int]:
    """A stage as a worker starts it, and the offset to read from."""
    stage = build(ALERT, 0, environment)
    point = kafka.point
    known = known_offset(point.metadata, point.offset) if point else -1
    stage.start(point.metadata if point else "", newest(kafka.stored, known))
    stage.core.restore(kafka.states, known)
    return stage, point.offset if point else 0


def run(
    messages: Sequence[Message],
    kafka: Kafka,
    environment: Environment,
    *,
    until: int | None = None,
    draw: random.Random | None = None,
    commits: bool = True,
) -> None:
    """Work from the commit point on, and be killed at the offset ``until``.

    What of that offset's output has got into Kafka by then is drawn: topics are written side by side, each in its
    order, and notifications when all states are in. What is committed lags behind as much as is drawn.
    """
    stage, offset = started(kafka, environment)
    while offset < len(messages):
        envelope, body = messages[offset]
        step = stage.message(offset, envelope.headers(), body)
        assert step.waiting is None
        if offset == until and draw is not None:
            for out in _some(step.outgoing, draw):
                kafka.write(out)
            return
        for out in step.outgoing:
            kafka.write(out)
        if step.point is not None and commits and (draw is None or draw.random() < 0.7):
            kafka.point = step.point
        offset += 1
    stage.stop()


def _some(outgoing: Iterable[Outgoing], draw: random.Random) -> list[Outgoing]:
    by_topic: dict[str, list[Outgoing]] = {}
    for out in outgoing:
        by_topic.setdefault(out.topic.kind, []).append(out)
    written: list[Outgoing] = []
    whole = True
    for kind in sorted(by_topic, key=lambda kind: kind == NOTIFICATION.kind):
        some = by_topic[kind][: draw.randint(0, len(by_topic[kind]))]
        if kind == ALERT_STATE.kind:
            whole = len(some) == len(by_topic[kind])
        if kind == NOTIFICATION.kind and not whole:
            continue
        written += some
    return written


def alert(time: int, action: Any = "trigger", *, kind: str = "flood", entity: str = "10.0.0.1", **fields: Any) -> Alert:
    """An alert of an epoch second."""
    fields.setdefault("id", f"{kind}/{entity}/{action}/{time}/{fields.get('instance', '')}")
    fields.setdefault("message", f"{kind} on {entity}: {time % 100} a second")
    if action != "store":
        fields.setdefault("instance", "flow-0")
    fields.setdefault("severity", 5)
    return Alert(time=time * 1_000_000, type=kind, action=action, entity=entity, **fields)


def once(messages: Sequence[Message], policy: Policy | None = None, scripts: ScriptSet | None = None) -> Kafka:
    """What comes of these messages when nothing happens."""
    kafka = Kafka()
    run(messages, kafka, environment_of(policy, scripts))
    return kafka


Told = Callable[[Kafka], list[tuple[str, int]]]


def events(kafka: Kafka) -> list[tuple[str, int]]:
    """What was told in its order: what became of it, and when (epoch seconds)."""
    return [(each.event, each.time // 1_000_000) for each in kafka.told]
