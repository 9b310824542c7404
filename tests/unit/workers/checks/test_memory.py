"""What is known of flows over windows: as little as is needed, and the same after a restart anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tapline import Flow, FlowCheck, FlowStatus
from tests.unit.workers.checks.flows import by_window, flow, long_flow
from tests.unit.workers.made import FIRST_WINDOW, messages, scripts
from topics.catalog import CATALOG, FLOW, STORE, Topic
from topics.codec import Envelope, decode
from topics.records import Stored
from workers.environment import Environment
from workers.pipeline import Message
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage
from workers.windows.store import newest

OWNER = "flow checks"


class Worse(FlowCheck):
    """Finds something worse in every third record of a flow."""

    priority = 5

    def all(self, flow: Flow) -> None:
        if flow.sequence % 3 == 1:
            status = FlowStatus(name=f"status-{flow.sequence}", score=10 + flow.sequence)
            self.trigger_status(flow, status, f"{flow.application} {flow.score} {flow.reasons}")


class Detects(FlowCheck):
    """Tells by a status of what it was told."""

    def protocol_detected(self, flow: Flow) -> None:
        self.set_status(flow, FlowStatus(name="detected", score=1), f"{flow.sequence} {flow.application}")

    def status_changed(self, flow: Flow) -> None:
        self.set_status(flow, FlowStatus(name=f"changed-{flow.sequence}", score=2), ",".join(flow.reasons))


class Log:
    """One partition of the flow topic with its stage, and all it has published."""

    def __init__(self, *checks: type[FlowCheck]) -> None:
        partitions = {topic.kind: topic.partitions or 1 for topic in CATALOG}
        self.environment = Environment(WorkersSettings(scripts=[]), scripts(*checks), partitions)
        self.messages: list[Message] = []
        self.steps: list[tuple[list[Outgoing], CommitPoint | None]] = []
        self.stage = self.start("", ())

    def start(self, metadata: str, stored: Iterable[Stored]) -> Stage:
        stage = build(FLOW, 1, self.environment)
        stage.start(metadata, stored)
        return stage

    def feed(self, flows: Iterable[Flow], size: int = 3, *, final: bool = True) -> None:
        self.take(messages(FLOW, by_window(list(flows)), 1, size=size, final=final))

    def take(self, sent: Iterable[Message]) -> None:
        for message in sent:
            if message[0] is FLOW:
                step = self.stage.message(len(self.messages), message[2].headers(), message[3])
                self.messages.append(message)
                self.steps.append((step.outgoing, step.point))

    def stored(self) -> list[Stored]:
        return [
            record
            for outgoing, _ in self.steps
            for message in outgoing
            if message.topic is STORE
            for record in decode(Stored, message.body)
        ]

    def kept(self) -> dict[str, Any]:
        """What the stage keeps now."""
        return {record.key: record.value for record in newest(self.stored(), 1 << 60) if record.owner == OWNER}

    def again(self, point: CommitPoint) -> list[Outgoing]:
        """What is published by one who takes over at a commit point."""
        stage = self.start(point.metadata, newest(self.stored(), known_offset(point.metadata, point.offset)))
        return [
            message
            for offset in range(point.offset, len(self.messages))
            for message in stage.message(offset, self.messages[offset][2].headers(), self.messages[offset][3]).outgoing
        ]


def told(outgoing: Iterable[Outgoing]) -> set[tuple[Any, ...]]:
    """The records of messages, each with the place at which readers know it: how they are batched does not matter."""
    found: set[tuple[Any, ...]] = set()
    for message in outgoing:
        envelope = message.envelope
        place = (message.topic.kind, message.partition, envelope.node, envelope.stream, envelope.window, message.key)
        records: list[Any] = json.loads(message.body)
        found.update((*place, envelope.sequence + number, json.dumps(each)) for number, each in enumerate(records))
    return found


def traffic() -> list[Flow]:
    """Flows that go on for some windows, some of unknown protocol, with a gap; and others that come and go."""
    found: list[Flow] = []
    for number in range(12):
        records = long_flow(f"long-{number}", 3 + number % 5)
        if number % 3 == 0:
            records[0] = flow(f"long-{number}", 0, sequence=0, record="update", application="")
        if number % 4 == 0:
            records[1] = flow(
                f"long-{number}", 1, sequence=1, record="update", delta_source_packets=0, delta_destination_packets=0
            )
        found += records
    found += [flow(f"short-{number}", number % 6) for number in range(20)]
    return found


def one_after_the_other(log: Log) -> None:
    log.feed(traffic())


def one_ahead_of_the_other(log: Log) -> None:
    """Two nodes, of which one has sent all its windows before the other has ended its first."""
    flows = by_window(traffic())
    ahead, behind = (
        list(messages(FLOW, windows, 1, node=node, stream="live", size=3))
        for node, windows in (
            ("ahead", {window: some[::2] for window, some in flows.items()}),
            ("behind", {window: some[1::2] for window, some in flows.items()}),
        )
    )
    log.take([behind[0], *ahead, *behind[1:]])


@pytest.mark.parametrize("send", [one_after_the_other, one_ahead_of_the_other])
def test_a_worker_that_takes_over_at_any_commit_point_publishes_the_same(send: Callable[[Log], None]) -> None:
    log = Log(Worse, Detects)
    send(log)
    published = told(message for outgoing, _ in log.steps for message in outgoing)
    assert {"alert", "annotation", "store"} <= {place[0] for place in published}
    points = 0
    for number, (_, point) in enumerate(log.steps):
        if point is None:
            continue
        points += 1
        again = told(log.again(point))
        assert again <= published, f"after {number}: something that was not said before"
        later = told(message for outgoing, _ in log.steps[number + 1 :] for message in outgoing)
        assert later <= again, f"after {number}: something is missing"
    assert points >= 7


def test_a_worker_that_dies_in_a_window_says_the_same_again() -> None:
    log = Log(Worse, Detects)
    log.feed(traffic())
    published = told(message for outgoing, _ in log.steps for message in outgoing)
    for number, (_, point) in enumerate(log.steps):
        if point is None:
            continue
        stage = log.start(point.metadata, newest(log.stored(), known_offset(point.metadata, point.offset)))
        for offset in range(point.offset, min(number + 3, len(log.messages))):
            step = stage.message(offset, log.messages[offset][2].headers(), log.messages[offset][3])
            assert told(step.outgoing) <= published


def test_nothing_is_kept_of_flows_that_need_nothing_to_be_known() -> None:
    class Looks(FlowCheck):
        def protocol_detected(self, flow: Flow) -> None:
            pass

        def flow_end(self, flow: Flow) -> None:
            self.set_status(flow)

    log = Log(Looks)
    log.feed([*long_flow("long", 4), *(flow(f"short-{number}", 1) for number in range(5))])
    assert not [record for record in log.stored() if record.owner == OWNER]


def test_an_unknown_protocol_is_awaited_only_where_a_check_asks_for_it() -> None:
    class Ends(FlowCheck):
        def flow_end(self, flow: Flow) -> None:
            pass

    log = Log(Ends)
    log.feed(long_flow("long", 4, application=""))
    assert not [record for record in log.stored() if record.owner == OWNER]


def test_what_is_known_of_a_flow_goes_with_its_end() -> None:
    log = Log(Worse, Detects)
    others = [flow("other", number, sequence=number, record="update") for number in range(8)]
    log.feed([*long_flow("long", 5), *others], size=1)
    sizes = []
    for number in range(len(log.steps)):
        if log.steps[number][1] is not None:
            part = [
                record
                for outgoing, _ in log.steps[: number + 1]
                for message in outgoing
                if message.topic is STORE
                for record in decode(Stored, message.body)
                if record.owner == OWNER
            ]
            sizes.append(sum(record.value.count('"long"') for record in newest(part, 1 << 60)))
    assert sizes == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("minutes", "kept"), [(50, True), (76, False)])
def test_a_flow_not_seen_for_an_hour_is_forgotten(minutes: int, *, kept: bool) -> None:
    log = Log(Detects)
    flows = [flow("gone", 0, sequence=0, record="update")]
    flows += [flow("still there", number, sequence=number, record="update") for number in range(0, minutes, 5)]
    flows += [flow("still there", minutes, sequence=99, record="update")]
    log.feed(flows, final=False)
    text = "".join(log.kept().values())
    assert '"still there"' in text
    assert ('"gone"' in text) is kept


def test_a_stream_that_has_ended_leaves_nothing() -> None:
    log = Log(Worse, Detects)
    log.feed(flow("long", number, sequence=number, record="update") for number in range(5))
    assert [record for record in log.stored() if record.owner == OWNER]
    assert not log.kept()


def test_many_flows_share_few_values() -> None:
    log = Log(Detects)
    flows = [
        flow(f"flow-{number}", window, sequence=window, record="update") for window in (0, 1) for number in range(2500)
    ]
    log.feed(flows, size=1000)
    first = [record for record in log.stored() if record.owner == OWNER and record.value]
    assert len(first) == 3, "a thousand flows each, written when they came and not again in the next window"
    assert all(record.key.partition("\x00")[2].startswith(str(FIRST_WINDOW)) for record in first)


def test_envelopes_of_statuses_are_those_of_the_window() -> None:
    log = Log(Detects)
    log.feed(long_flow("long", 2, application=""))
    topics: list[tuple[Topic, Envelope]] = [(m.topic, m.envelope) for outgoing, _ in log.steps for m in outgoing]
    windows = {envelope.window for topic, envelope in topics if topic.kind == "annotation"}
    assert windows == {FIRST_WINDOW + 60}
