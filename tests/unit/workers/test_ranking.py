"""Top lists and flow trackers against a plain sort of everything, over partitions, windows and restarts."""
# ruff: noqa: ARG002, N801 - a hook has the shape of its kind, and so has the class of a script's parameters

from __future__ import annotations

import random
from typing import Any

import pytest

from tapline import CounterGroup, CounterMonitor, FlowTracker, Meter, Params, SessionMonitor
from tapline.monitors import Top, TopList
from tests.integration.workers.stream import FIRST_WINDOW, MadeStream
from tests.unit.workers.made import STREAM, messages, scripts
from topics.catalog import CATALOG, FLOW, RANKING, STORE, TRACK, Topic
from topics.codec import Envelope, decode, encode
from topics.errors import TaplineError
from topics.partitions import partition_of
from topics.records import Flow, Stored, Track
from workers.environment import Environment
from workers.pipeline import Pipeline
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.store import newest

LEVELS = CounterGroup("Levels", (Meter("small", top=3), Meter("peak", "maximum", top=5), Meter("never")))


@pytest.mark.parametrize("partitions", [1, 2, 3, 4])
def test_top_lists_are_those_of_a_sort_of_all_keys(partitions: int) -> None:
    lists: dict[tuple[int, str, str], list[tuple[int, str, float]]] = {}

    class Tops(CounterMonitor):
        group = ("Hosts", "Levels")

        def on_topper_flush(self, top: Top) -> None:
            lists.setdefault((top.window, top.group, top.meter), []).append((top.rank, top.key, top.value))

    class Feeds(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            self.count(LEVELS, flow.source_ip, small=1, peak=flow.delta_source_bytes, never=0)

    made = MadeStream(windows=2, flows=300, partitions=partitions)
    pipeline = Pipeline(scripts(Tops, Feeds), partitions)
    pipeline.feed(made.messages())
    assert not pipeline.errors
    for window in made.windows:
        counters = [m for m in pipeline.published["counter"] if m.window == window and m.source == "flow"]
        meters = [("Hosts", name, 20) for name in ("bytes", "bytes_in", "packets_out", "flows", "new_flows")]
        for group, meter, count in [*meters, ("Levels", "small", 3), ("Levels", "peak", 5)]:
            values = sorted((-m.meters[meter], m.key) for m in counters if m.group == group)
            expected = [(rank, key, -value) for rank, (value, key) in enumerate(values[:count], 1)]
            assert lists[window, group, meter] == expected
    assert not any(meter == "never" for _, _, meter in lists), "who has none of it is not among those with most"


@pytest.mark.parametrize("hook", ["on_begin_topper_flush", "topper_filter"])
def test_a_suspended_script_has_no_vote_on_top_lists(hook: str) -> None:
    flushed: list[Any] = []

    class Broken(CounterMonitor):
        group = "Hosts"

    def fails(self: CounterMonitor, top: Any) -> None:
        raise KeyError(top)

    setattr(Broken, hook, fails)

    class Drops(CounterMonitor):
        group = "Hosts"

        def on_topper_flush(self, top: Top) -> None:
            flushed.append(top)

    setattr(Drops, hook, lambda *_: False)
    made = MadeStream(windows=4, flows=20, partitions=1)
    pipeline = Pipeline(scripts(Broken, Drops), 1)
    pipeline.feed(made.messages())
    assert len(pipeline.errors) == 10
    if hook == "topper_filter":
        assert len(flushed) == 10, "until Broken has raised ten times; then Drops alone votes"
    else:
        assert 0 < len(flushed) < len(published_tops(made)), "the lists after the tenth are left out"


def published_tops(made: MadeStream) -> list[Top]:
    """What comes where nobody votes."""
    found: list[Top] = []

    class Looks(CounterMonitor):
        group = "Hosts"

        def on_topper_flush(self, top: Top) -> None:
            found.append(top)

    Pipeline(scripts(Looks), 1).feed(made.messages())
    return found


def test_hooks_of_top_lists_come_in_their_order_and_vote() -> None:
    calls: list[tuple[str, str, Any]] = []

    class Tops(CounterMonitor):
        group = "Aggregates", "Hosts"
        meters = ("flows", "bytes")

        def on_begin_topper_flush(self, top: TopList) -> bool:
            calls.append(("begin", top.group, top.meter))
            return top.group == "Hosts"

        def topper_filter(self, top: Top) -> bool:
            return top.rank != 2

        def on_topper_flush(self, top: Top) -> None:
            calls.append(("key", top.meter, top.rank))

        def on_end_topper_flush(self, top: TopList) -> None:
            calls.append(("end", top.meter, len(top.entries)))
            self.count("Seen", "lists", tops=1)

        def on_flush(self, counter: Any) -> None:
            calls.append(("flush", counter.group, counter.key))

    made = MadeStream(windows=1, flows=2, nodes=1, partitions=1)
    pipeline = Pipeline(scripts(Tops), 1)
    pipeline.feed(made.messages())
    keys = [("key", meter, rank) for meter in ("bytes", "flows") for rank in (1, 3, 4)]
    assert [call for call in calls if call[0] != "flush"] == [
        ("begin", "Aggregates", "bytes"),
        ("end", "bytes", 1),
        ("begin", "Aggregates", "flows"),
        ("end", "flows", 1),
        ("begin", "Hosts", "bytes"),
        *keys[:3],
        ("end", "bytes", 4),
        ("begin", "Hosts", "flows"),
        *keys[3:],
        ("end", "flows", 4),
    ]
    assert calls[0][0] == "flush", "the keys come before what is largest of them"
    seen = [metric for metric in pipeline.published["counter"] if metric.group == "Seen"]
    assert [metric.meters for metric in seen] == [{"tops": 4}], "what they count is counted, and shown to nobody again"


def test_keys_stay_when_some_script_wants_them() -> None:
    ranks: list[int] = []

    class Refuses(CounterMonitor):
        group = "Hosts"
        meters = ("bytes",)

        def on_begin_topper_flush(self, top: TopList) -> bool:
            return False

        def topper_filter(self, top: Top) -> bool:
            return False

    class Wants(Refuses):
        def on_begin_topper_flush(self, top: TopList) -> bool | None:
            return None

        def topper_filter(self, top: Top) -> bool:
            return top.rank < 3

        def on_topper_flush(self, top: Top) -> None:
            ranks.append(top.rank)

    Pipeline(scripts(Refuses, Wants), 1).feed(MadeStream(windows=1, flows=9, nodes=1, partitions=1).messages())
    assert ranks == [1, 2]


def flows_over(windows: int, count: int, seed: int = 3) -> dict[int, list[Flow]]:
    """Flows that come and go and come again, with metrics that rise and fall."""
    draw = random.Random(seed)
    found: dict[int, list[Flow]] = {}
    for window in range(FIRST_WINDOW, FIRST_WINDOW + windows * 60, 60):
        found[window] = [
            Flow(
                id=f"{window}-{number}",
                flow_id=f"flow-{number:04}",
                time=(window + number % 60) * 1_000_000,
                start=FIRST_WINDOW * 1_000_000,
                community_id=f"1:{number}",
                source_ip=f"10.0.{number >> 8}.{number & 255}",
                destination_ip="192.0.2.1",
                destination_port=draw.choice((22, 443)),
                transport=draw.choice(("tcp", "tcp", "udp")),
                delta_source_bytes=draw.randrange(0, 60) * 10,
            )
            for number in draw.sample(range(count), count // 2)
        ]
    return found


class Largest(FlowTracker):
    l4_proto = "TCP"
    bucket_seconds = 180
    top = 7

    def metric(self, flow: Flow) -> float | None:
        return flow.delta_source_bytes if flow.destination_port == 443 else None


class Quick(FlowTracker):
    bucket_seconds = 60

    class params(Params):
        top: int = 2

    def metric(self, flow: Flow) -> float | None:
        return flow.delta_source_bytes


def truth(windows: dict[int, list[Flow]], seconds: int, top: int, tracker: Any) -> dict[int, list[tuple[str, float]]]:
    """Each bucket's largest flows, the slow way."""
    buckets: dict[int, dict[str, float]] = {}
    for window, flows in windows.items():
        best = buckets.setdefault(window - window % seconds, {})
        for flow in flows:
            value = tracker.metric(tracker, flow)
            if value and (not tracker.l4_proto or tracker.l4_proto.lower() == flow.transport):
                best[flow.flow_id] = max(best.get(flow.flow_id, 0), value)
    return {
        bucket: sorted(best.items(), key=lambda item: (-item[1], item[0]))[:top]
        for bucket, best in buckets.items()
        if best
    }


def lists(tracks: list[Track]) -> dict[tuple[str, int], list[tuple[str, float]]]:
    found = {(t.tracker, t.window): [(entry.flow_id, entry.metric) for entry in t.entries] for t in tracks}
    assert len(found) == len(tracks) == len({t.id for t in tracks}), "one list a bucket"
    return found


@pytest.mark.parametrize("partitions", [1, 2, 3, 4])
def test_a_tracker_lists_the_largest_of_each_bucket(partitions: int) -> None:
    windows = flows_over(8, 300)
    pipeline = Pipeline(scripts(Largest, Quick), partitions)
    pipeline.feed(messages(FLOW, windows, partitions))
    assert not pipeline.errors
    expected = {("Largest", bucket): top for bucket, top in truth(windows, 180, 7, Largest).items()}
    expected |= {("Quick", bucket): top for bucket, top in truth(windows, 60, 2, Quick).items()}
    tracks = pipeline.published["track"]
    assert lists(tracks) == expected
    assert {(t.bucket_seconds, t.stream) for t in tracks} == {(180, STREAM), (60, STREAM)}
    entry = tracks[0].entries[0]
    assert (entry.destination_ip, entry.destination_port, entry.start) == ("192.0.2.1", 443, FIRST_WINDOW * 1_000_000)
    assert entry.transport == "tcp"
    stores = [s.core.host.runtime.stores for (kind, _), s in pipeline._stages.items() if kind == "ranking"]
    assert not any(len(store.of("trackers")) for store in stores), "nothing is left of a stream that has ended"


def test_a_bucket_is_listed_when_its_last_window_closes_or_is_passed_over() -> None:
    windows = flows_over(7, 40)
    starts = sorted(windows)
    gone = {start: flows for start, flows in windows.items() if start not in (starts[4], starts[5])}
    pipeline = Pipeline(scripts(Largest), 2)
    seen: list[tuple[int, int]] = []
    for message in messages(FLOW, gone, 2, final=False):
        pipeline.feed([message])
        seen += [(message[2].window, track.window) for track in pipeline.published["track"][len(seen) :]]
    buckets = sorted(truth(gone, 180, 7, Largest))
    closing = {bucket: max(start for start in gone if start - start % 180 == bucket) for bucket in buckets}
    for closed_in, bucket in seen:
        assert closed_in >= closing[bucket]
    assert [bucket for _, bucket in seen] == buckets[: len(seen)]
    assert len(seen) >= 2
    assert (
        lists(pipeline.published["track"]).items()
        <= {("Largest", bucket): top for bucket, top in truth(gone, 180, 7, Largest).items()}.items()
    )


def test_a_stage_that_starts_again_at_any_commit_point_lists_the_same() -> None:
    """What is kept of an open bucket is published; who takes over takes it up, and reads from the commit point."""
    windows = flows_over(6, 200)
    sent: list[tuple[Envelope, bytes]] = []

    def observe(topic: Topic, partition: int, envelope: Envelope, records: list[Any]) -> None:
        if topic is RANKING and partition == partition_of("Largest", 2) and "<" not in envelope.node:
            sent.append((envelope, encode(records)))

    Pipeline(scripts(Largest), 2, observer=observe).feed(messages(FLOW, windows, 2))
    expected = {("Largest", bucket): top for bucket, top in truth(windows, 180, 7, Largest).items()}
    environment = Environment(WorkersSettings(scripts=[]), scripts(Largest), {topic.kind: 2 for topic in CATALOG})

    def run(
        point: CommitPoint | None, kept: list[Stored], end: int
    ) -> tuple[list[CommitPoint], list[Stored], list[Track]]:
        stage = build(RANKING, 0, environment)
        known = known_offset(point.metadata, point.offset) if point else -1
        stage.start(point.metadata if point else "", newest(kept, known))
        points, written, tracks = [], list(kept), []
        for offset in range(point.offset if point else 0, end):
            envelope, body = sent[offset]
            step = stage.message(offset, envelope.headers(), body)
            for out in step.outgoing:
                if not out.envelope.is_snapshot and out.topic in (TRACK, STORE):
                    (tracks if out.topic is TRACK else written).extend(decode(out.topic.record, out.body))
            points += [step.point] if step.point else []
        stage.stop()
        return points, written, tracks

    points, _, tracks = run(None, [], len(sent))
    assert lists(tracks) == expected
    assert len(points) == 6
    for number in range(len(points)):
        # It dies after the next window has closed, which is not committed any more.
        ends = [count for count in range(len(sent)) if len(run(None, [], count)[0]) == min(number + 2, 6)]
        before, kept, listed = run(None, [], ends[0] if ends else len(sent))
        _, _, more = run(before[number], kept, len(sent))
        assert lists([*{track.id: track for track in [*listed, *more]}.values()]) == expected


def test_a_metric_that_is_no_number_leaves_the_flow_out() -> None:
    class Odd(FlowTracker):
        bucket_seconds = 60

        def metric(self, flow: Flow) -> Any:
            return {"flow-0000": "many", "flow-0001": float("nan"), "flow-0002": 10**400}.get(flow.flow_id, 1)

    pipeline = Pipeline(scripts(Odd), 1)
    pipeline.feed(messages(FLOW, flows_over(1, 10), 1))
    (track,) = pipeline.published["track"]
    assert {entry.flow_id for entry in track.entries}.isdisjoint({"flow-0000", "flow-0001", "flow-0002"})
    assert track.entries


def test_hooks_of_a_tracker_surround_its_metrics() -> None:
    calls: list[str] = []

    class Tells(FlowTracker):
        bucket_seconds = 60

        def on_begin_flush(self, window: int) -> None:
            calls.append("begin")

        def metric(self, flow: Flow) -> float:
            calls.append("metric")
            return 1.0

        def on_end_flush(self, window: int) -> None:
            calls.append("end")

    class Session(SessionMonitor):
        def on_end_flush(self, window: int) -> None:
            calls.append("sessions")

    Pipeline(scripts(Tells, Session), 1).feed(messages(FLOW, flows_over(1, 6), 1))
    assert calls == ["sessions", "begin", "metric", "metric", "metric", "end"]


@pytest.mark.parametrize(("name", "value"), [("bucket_seconds", 90), ("bucket_seconds", 0), ("top", 0)])
def test_a_tracker_that_cannot_be_is_refused(name: str, value: int) -> None:
    class Refused(Largest):
        class params(Params):
            bucket_seconds: int = 120
            top: int = 5

    assert scripts(Refused, params={"Refused": {"top": 9}})
    with pytest.raises(TaplineError, match=name):
        scripts(Refused, params={"Refused": {name: value}})
