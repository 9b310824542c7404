"""What periodic checks keep: the same after a restart at any commit point, and nothing of a stream that has ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapline.checks import Entity, HostCheck, InterfaceCheck, Patience, SystemCheck
from tapline.checks.entities import SECONDS
from tests.unit.workers.checks.flows import flow
from tests.unit.workers.checks.test_memory import told
from tests.unit.workers.checks.test_periodic import burst, sample
from tests.unit.workers.made import FIRST_WINDOW, STREAM, messages, scripts
from topics.catalog import CATALOG, FLOW, METRIC, PARTIAL, STORE, Topic
from topics.codec import Envelope, decode, encode
from topics.records import MeterKind, Stored
from workers.checks.periods import Ended, Kinds, Period, Periods
from workers.counting.meters import KINDS
from workers.environment import Environment
from workers.pipeline import Message, Pipeline
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage
from workers.windows.store import StageStore, newest


class Busy(HostCheck):
    """Tells of more flows than there were the time before, at each granularity."""

    default_value = "busy;gt;2"
    patience = Patience(for_runs=2, clear_runs=2)

    def all(self, entity: Entity) -> None:
        self.check_threshold(entity, self.delta(entity, "flows", entity.value("flows")), f"more a {entity.granularity}")


class Often(HostCheck):
    """Tells of hosts with many contacts in five minutes."""

    groups = ("Behaviour", "Contacts")
    default_value = "often;gt;3"
    patience = Patience(clear_runs=1)
    meter = "servers"
    min = five_minutes = HostCheck.compare


class Score(HostCheck):
    counts_to_score = False
    default_value = "score;gt;50"
    patience = Patience(clear_runs=1)
    meter = "score"
    min = HostCheck.compare


class Unusual(HostCheck):
    local_only = True
    patience = Patience(clear_runs=1)

    def min(self, entity: Entity) -> None:
        self.check_anomaly(entity, "flows")


class Losses(InterfaceCheck):
    default_value = "losses;gt;0"
    patience = Patience(clear_runs=1)

    def min(self, entity: Entity) -> None:
        self.check_threshold(entity, entity.value("dropped") * entity.value("flows"), "losses")

    def five_minutes(self, entity: Entity) -> None:
        self.check_threshold(entity, entity.value("dropped"), "losses in all")


class Missing(SystemCheck):
    default_value = "missing;gt;3"
    patience = Patience(clear_runs=1)
    meter = "received"
    min = SystemCheck.compare


CHECKS = (Busy, Often, Score, Unusual, Losses, Missing)
WINDOWS = 12


def partial_messages(ahead: Literal["flows", "samples"]) -> list[Message]:
    """What the counters get of some windows, of which one kind of records is some windows ahead."""
    sent: list[Message] = []

    def observe(topic: Topic, partition: int, envelope: Envelope, records: list[Any]) -> None:
        if topic is PARTIAL and partition == 0:
            sent.append((topic, partition, envelope, encode(records)))

    flows, samples = {}, {}
    for number in range(WINDOWS):
        start = FIRST_WINDOW + number * 60
        flows[start] = [
            each
            for second in (1, 2, 3)
            for host in range(4)
            for each in burst(
                (number * (host + 3)) % 7, second, window=number, source_ip=f"10.0.0.{host}",
                destination_ip=f"192.0.2.{number % 5}", observation_point=f"eth{host}",
            )
        ]  # fmt: skip
        flows[start] += [flow(f"lone-{number}", number)]
        samples[start] = [sample(f"eth{host}", number, packets=5, dropped=(number + host) % 3) for host in range(4)]
    of_flows = [each for each in messages(FLOW, flows, 1, size=7) if each[0] is not METRIC]
    of_samples = [each for each in messages(METRIC, samples, 1, size=3) if each[0] is METRIC]
    some = len(of_flows if ahead == "flows" else of_samples) // 3
    first, second = (of_flows, of_samples) if ahead == "flows" else (of_samples, of_flows)
    pipeline = Pipeline(scripts(*CHECKS), 1, observer=observe)
    with pipeline:
        pipeline.feed(first[:some])
        for number in range(max(len(first) - some, len(second))):
            pipeline.feed(second[number : number + 1])
            pipeline.feed(first[some + number : some + number + 1])
    return sent


class Counters:
    """One partition of the partial topic with its stage, and all it has published."""

    def __init__(self, sent: Sequence[Message]) -> None:
        partitions = {topic.kind: topic.partitions or 1 for topic in CATALOG}
        self.environment = Environment(WorkersSettings(scripts=[]), scripts(*CHECKS), partitions)
        self.messages = list(sent)
        self.stage = self.start("", ())
        self.steps: list[tuple[list[Outgoing], CommitPoint | None]] = []
        for offset, message in enumerate(self.messages):
            step = self.stage.message(offset, message[2].headers(), message[3])
            self.steps.append((step.outgoing, step.point))

    def start(self, metadata: str, stored: Iterable[Stored]) -> Stage:
        stage = build(PARTIAL, 0, self.environment)
        stage.start(metadata, stored)
        return stage

    def stored(self) -> list[Stored]:
        return [
            record
            for outgoing, _ in self.steps
            for message in outgoing
            if message.topic is STORE
            for record in decode(Stored, message.body)
        ]

    def again(self, point: CommitPoint) -> list[Outgoing]:
        stage = self.start(point.metadata, newest(self.stored(), known_offset(point.metadata, point.offset)))
        return [
            message
            for offset in range(point.offset, len(self.messages))
            for message in stage.message(offset, self.messages[offset][2].headers(), self.messages[offset][3]).outgoing
        ]


@pytest.mark.parametrize("ahead", ["flows", "samples"])
def test_a_worker_that_takes_over_at_any_commit_point_publishes_the_same(ahead: Literal["flows", "samples"]) -> None:
    counters = Counters(partial_messages(ahead))
    published = told(message for outgoing, _ in counters.steps for message in outgoing)
    types = {json.loads(place[-1]).get("type") for place in published if place[0] == "alert"}
    assert {"Busy", "Often", "Score", "Losses", "Missing"} <= types
    points = 0
    for number, (_, point) in enumerate(counters.steps):
        if point is None:
            continue
        points += 1
        again = told(counters.again(point))
        assert again <= published, f"after {number}: something that was not said before"
        later = told(message for outgoing, _ in counters.steps[number + 1 :] for message in outgoing)
        assert later <= again, f"after {number}: something is missing"
    assert points >= WINDOWS


def test_nothing_is_kept_of_a_stream_that_has_ended() -> None:
    counters = Counters(partial_messages("flows"))
    kept = {record.owner for record in newest(counters.stored(), 1 << 60) if record.owner.startswith("check-")}
    assert {owner.partition("/")[0] for owner in kept} <= {"check-bands"}
    bands = [record.value for record in newest(counters.stored(), 1 << 60) if record.owner.startswith("check-bands")]
    assert not any(STREAM in value for value in bands)


VALUES: dict[MeterKind, st.SearchStrategy[Any]] = {
    "counter": st.integers(0, 9),
    "rate": st.integers(0, 9),
    "gauge": st.integers(0, 9),
    "running": st.integers(0, 9),
    "average": st.tuples(st.integers(0, 9), st.integers(1, 4)).map(list),
    "delta_rate": st.integers(0, 9).map(lambda value: [value, 1]),
    "maximum": st.integers(0, 9),
    "minimum": st.integers(0, 9),
    "distinct": st.sets(st.integers(0, 9), min_size=1).map(sorted),
    "sustained": st.integers(0, 9),
}
TAKEN = st.lists(
    st.tuples(st.integers(1, 9), st.dictionaries(st.sampled_from("ab"), st.fixed_dictionaries(VALUES), max_size=2)),
    min_size=1,
    max_size=30,
)


def straight(kind: MeterKind, values: list[Any], seconds: int) -> float:
    """What a period comes to, the slow way."""
    if kind in ("average", "delta_rate"):
        return float(sum(value[0] for value in values) / sum(value[1] for value in values))
    if kind == "distinct":
        return len(set().union(*values))
    if kind == "rate":
        return float(sum(values) * 60 / seconds)
    if kind in ("gauge", "running"):
        return float(values[-1])
    if kind in ("maximum", "sustained"):
        return float(max(values))
    return float(min(values) if kind == "minimum" else sum(values))


@given(taken=TAKEN, restart=st.integers(0, 30))
def test_periods_come_to_what_their_windows_do_with_gaps_and_a_restart(
    taken: list[tuple[int, dict[str, dict[MeterKind, Any]]]], restart: int
) -> None:
    """Windows some minutes apart, of two keys with a meter of each kind; the lane is taken over somewhere."""
    assert VALUES.keys() == KINDS.keys()
    stores = StageStore()
    stores.point(set())
    store = stores.of("periods")
    periods = Periods(store, "lane")
    window, ended = FIRST_WINDOW, list[Ended]()
    windows: list[tuple[int, dict[str, dict[MeterKind, Any]]]] = []
    for number, (minutes, keys) in enumerate(taken):
        window += minutes * 60
        windows.append((window, keys))
        if number == restart:
            periods = Periods(store, "lane")

        def parts(kinds: dict[str, Kinds], keys: dict[str, dict[MeterKind, Any]] = keys) -> Any:
            kinds["group"] = {kind: kind for kind in VALUES}
            return [("group", key, dict(meters)) for key, meters in keys.items()]

        ended += periods.add(window, "day", parts, final=number == len(taken) - 1)
    for granularity in ("five_minutes", "hour", "day"):
        seconds = SECONDS[granularity]
        expected: dict[int, dict[str, dict[MeterKind, list[Any]]]] = {}
        for start, keys in windows:
            for key, meters in keys.items():
                row = expected.setdefault(start - start % seconds, {}).setdefault(key, {})
                for kind, value in meters.items():
                    row.setdefault(kind, []).append(value)
        found = {each.start: each.counted.get("group", {}) for each in ended if each.granularity == granularity}
        assert {start: keys for start, keys in found.items() if keys} == {
            start: {
                key: {kind: pytest.approx(straight(kind, values, seconds)) for kind, values in row.items()}
                for key, row in keys.items()
            }
            for start, keys in expected.items()
        }
    assert not len(store), "all periods have ended"


def test_sets_grow_no_more_beyond_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.checks.periods.MOST_MEMBERS_IN_ALL", 10)
    stores = StageStore()
    stores.point(set())
    period = Period(stores.of("periods"), "p")
    kinds: dict[str, Kinds] = {"Contacts": {"servers": "distinct"}}
    for first in range(0, 30, 5):
        period.add(0, [("Contacts", "10.0.0.1", {"servers": list(range(first, first + 5))})], kinds)
    assert period.results(300)["Contacts"]["10.0.0.1"]["servers"] == 10
