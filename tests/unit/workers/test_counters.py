"""What counter scripts are called with, what they can change, and what is published of it."""

# ruff: noqa: ARG002 - a hook has the shape of its kind

from __future__ import annotations

import logging
import re
from collections import Counter
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from tapline import CounterGroup, CounterMonitor, Meter, SessionMonitor
from tapline.groups import TOTALS
from tests.integration.workers.stream import MadeStream
from tests.unit.workers.made import FIRST_WINDOW, STREAM, messages, scripts
from topics.catalog import FLOW, METRIC
from topics.records import Flow, Metric
from workers.pipeline import Pipeline
from workers.settings import WorkersSettings

KINDS_GROUP = CounterGroup(
    "Kinds",
    tuple(
        Meter(kind, kind)
        for kind in ("counter", "rate", "gauge", "running", "average", "delta_rate", "maximum", "minimum")
    ),
    guid="0D2A4DC6-7F23-4E9C-9C51-0D9A5C1B7A11",
    aliases=("All Kinds",),
)


def flow(number: int, window: int = FIRST_WINDOW, at: float = 1.0, **fields: Any) -> Flow:
    return Flow(
        **{
            "id": f"{window}-{number}-{at}",
            "flow_id": f"f{number}",
            "time": int((window + at) * 1_000_000),
            "community_id": f"1:{number}",
            "source_ip": f"10.0.0.{number % 7}",
            "destination_ip": "192.0.2.1",
            "destination_port": 443,
            "transport": "tcp",
            "application": "TLS",
            "delta_source_bytes": 100 + number,
            "delta_source_packets": 1,
            **fields,
        }
    )


def windows(count: int, flows: int = 20) -> dict[int, list[Flow]]:
    return {
        start: [flow(number, start, at=number * 60 / flows) for number in range(flows)]
        for start in range(FIRST_WINDOW, FIRST_WINDOW + 60 * count, 60)
    }


def run(windows: dict[int, list[Flow]], *monitors: Any, partitions: int = 2, **settings: Any) -> Pipeline:
    pipeline = Pipeline(scripts(*monitors), partitions, settings=WorkersSettings(scripts=[], **settings))
    pipeline.feed(messages(FLOW, windows, partitions, size=1))
    pipeline.stop()
    assert not pipeline.errors
    return pipeline


def published(pipeline: Pipeline, group: str) -> dict[tuple[int, str], dict[str, int | float]]:
    return {(m.window, m.key): m.meters for m in pipeline.published["counter"] if m.group == group}


def test_a_script_counts_in_meters_of_every_kind() -> None:
    class Feeds(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            value = flow.delta_source_bytes
            for group in ("all kinds", "{0d2a4dc6-7f23-4e9c-9c51-0d9a5c1b7a11}", KINDS_GROUP):
                self.count(group, "each", counter=value)
            self.count(
                "Kinds", "each", rate=value, gauge=value, running=value, average=value, maximum=value, minimum=value
            )

        def on_begin_flush(self, window: int) -> None:
            if self.is_first:
                self.count(KINDS_GROUP, "each", delta_rate=2**32 - 600 + (window - FIRST_WINDOW) * 10)

    found = published(run(windows(2), Feeds), "Kinds")
    total = sum(range(100, 120))
    first = found[FIRST_WINDOW, "each"]
    assert first == {
        "counter": total * 3,
        "rate": total / 60,
        "gauge": 119,
        "running": total,
        "average": total / 20,
        "maximum": 119,
        "minimum": 100,
    }, "there is no rate of readings before there are two"
    second = {**first, "running": total * 2, "delta_rate": 10}
    assert found[FIRST_WINDOW + 60, "each"] == second


def test_a_meter_that_a_group_does_not_have_is_an_error_that_names_those_it_has() -> None:
    class Wrong(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Kinds", "a", counter=1, meter0=1)

    class Odd(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Nobody's", "a", seen=float("nan"))

    class Huge(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Nobody's", "a", seen=10**400)

    class Text(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Nobody's", "a", seen="12")

    class Number(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Nobody's", 12, seen=1)

    pipeline = Pipeline(scripts(Wrong, Odd, Huge, Text, Number))
    pipeline.feed(messages(FLOW, windows(1)))
    said = {error.script: str(error.error) for error in pipeline.errors}
    assert said["Wrong"].startswith("counter group Kinds has no meter 'meter0'; it has counter, rate, gauge")
    assert said["Odd"] == "a sample of seen has to be a finite number, not float nan"
    assert said["Huge"].startswith("a sample of seen has to be a finite number, not int 1000")
    assert said["Text"] == "a sample of seen has to be a finite number, not str '12'"
    assert said["Number"] == "key has to be a text, not int 12"
    assert not published(pipeline, "Kinds")


def test_samples_of_capture_nodes_combine_by_the_kinds_they_name_or_the_group_defines() -> None:
    class Defines(CounterMonitor):
        group = "Kinds"

    def sample(at: int, **fields: Any) -> Metric:
        return Metric(id=str(at), time=(FIRST_WINDOW + at) * 1_000_000, key="k", **fields)

    metrics = [
        sample(2, group="Named", meters={"load": 7, "hits": 2}, kinds={"load": "gauge"}),
        sample(1, group="Named", meters={"load": 9, "hits": 3}, kinds={"load": "gauge"}),
        sample(3, group="All Kinds", meters={"maximum": 4, "extra": 1}),
        sample(4, group="kinds", meters={"maximum": 2, "extra": 1}),
    ]
    pipeline = Pipeline(scripts(Defines))
    pipeline.feed(messages(METRIC, {FIRST_WINDOW: metrics}))
    assert published(pipeline, "Named") == {(FIRST_WINDOW, "k"): {"load": 7, "hits": 5}}
    assert published(pipeline, "Kinds") == {(FIRST_WINDOW, "k"): {"maximum": 4, "extra": 2}}


@pytest.mark.parametrize("partitions", [1, 3])
def test_updates_show_each_second_what_the_total_has_come_to(partitions: int) -> None:
    calls: list[tuple[int, str, int]] = []
    times: dict[str, list[int]] = {}

    class Updates(CounterMonitor):
        group = ("Hosts", "Mine")

        def on_update(self, counter: Metric) -> None:
            calls.append((self.now, counter.group + counter.key, next(iter(counter.meters.values()))))
            times.setdefault(self.instance, []).append(self.now)

    class Mine(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            self.count("Mine", "flows", seen=1)

    pipeline = run(windows(2), Updates, Mine, partitions=partitions)
    assert all(mine == sorted(mine) for mine in times.values())
    for window in (FIRST_WINDOW, FIRST_WINDOW + 60):
        within = [call for call in calls if window * 1_000_000 < call[0] <= (window + 60) * 1_000_000]
        mine = [value for _, name, value in within if name == "Mineflows"]
        assert mine[-1] == 20
        assert mine == sorted(set(mine))
        assert len(mine) > 5, "many times a window"
        hosts = published(pipeline, "Hosts")
        latest = {name.removeprefix("Hosts"): value for _, name, value in within if name.startswith("Hosts")}
        assert latest == {key: meters["bytes"] for (start, key), meters in hosts.items() if start == window}


def test_only_what_somebody_wants_to_see_is_published_while_a_window_is_open() -> None:
    class Flushes(CounterMonitor):
        def on_flush(self, counter: Metric) -> None: ...

    class Updates(CounterMonitor):
        group = "Apps"

        def on_update(self, counter: Metric) -> None: ...

    silent = run(windows(1), Flushes)
    assert not any(partial.interim for partial in silent.published["partial"])
    assert not any(partial.key == TOTALS for partial in silent.published["partial"])
    assert not silent.published["ranking"]
    told = run(windows(1), Updates)
    assert {partial.group for partial in told.published["partial"] if partial.interim} == {"Apps"}
    assert published(told, "Hosts") == published(silent, "Hosts"), "interim sums are in no total"


def test_a_key_is_new_once_and_again_after_hours_without_it() -> None:
    news: list[tuple[int, str]] = []
    order: list[str] = []

    class New(CounterMonitor):
        group = "Hosts"

        def on_new_key(self, counter: Metric) -> None:
            news.append((counter.window, counter.key))
            order.append("new")

        def on_flush(self, counter: Metric) -> None:
            order.append("flush")

    hour = 3600
    starts = (FIRST_WINDOW, FIRST_WINDOW + 60, FIRST_WINDOW + hour, FIRST_WINDOW + 6 * hour)
    flows = {start: [flow(1, start), *([flow(2, start)] if start != FIRST_WINDOW + hour else [])] for start in starts}
    run(flows, New, partitions=1, new_key_hours=4)
    assert [window for window, key in news if key == "10.0.0.1"] == [FIRST_WINDOW, FIRST_WINDOW + 6 * hour]
    assert order[:2] == ["new", "flush"]
    news.clear()
    run({start: [flow(1, start)] for start in range(FIRST_WINDOW, FIRST_WINDOW + 9 * hour, hour)}, New, partitions=1)
    assert [window for window, key in news if key == "10.0.0.1"] == [FIRST_WINDOW], "seen each hour, it stays known"


class Keeps(CounterMonitor):
    group = "Hosts"
    flushed: ClassVar[list[str]] = []

    def flush_filter(self, counter: Metric) -> bool:
        return counter.key == "192.0.2.1"

    def on_flush(self, counter: Metric) -> None:
        self.flushed.append(counter.key)


class AlsoKeeps(Keeps):
    def flush_filter(self, counter: Metric) -> bool:
        return counter.key.endswith(".3")

    def on_flush(self, counter: Metric) -> None: ...


class NoFilter(CounterMonitor):
    group = "Hosts"

    def on_flush(self, counter: Metric) -> None: ...


@pytest.mark.parametrize(
    ("monitors", "left"),
    [
        ((Keeps,), {"192.0.2.1"}),
        ((Keeps, AlsoKeeps), {"192.0.2.1", "10.0.0.3"}),
        ((Keeps, NoFilter), {"192.0.2.1", *(f"10.0.0.{number}" for number in range(7))}),
    ],
)
def test_a_key_that_all_filters_drop_is_not_published(monitors: tuple[Any, ...], left: set[str]) -> None:
    Keeps.flushed.clear()
    pipeline = run(windows(1), *monitors)
    assert {key for _, key in published(pipeline, "Hosts")} == left == set(Keeps.flushed)
    assert len(published(pipeline, "Subnets")) == 2, "other groups are left alone"


def test_a_filter_that_fails_drops_nothing() -> None:
    class Fails(CounterMonitor):
        group = "Hosts"

        def flush_filter(self, counter: Metric) -> bool:
            raise KeyError(counter.key)

    pipeline = Pipeline(scripts(Fails))
    pipeline.feed(messages(FLOW, windows(1)))
    assert pipeline.errors
    assert len(published(pipeline, "Hosts")) == 8


@pytest.mark.parametrize("broken", ["flush_filter", "on_flush"])
def test_a_suspended_script_has_no_vote_on_counters(broken: str) -> None:
    class Broken(CounterMonitor):
        group = "Hosts"

    def fails(self: CounterMonitor, counter: Metric) -> None:
        raise KeyError(counter.key)

    setattr(Broken, broken, fails)

    class Drops(CounterMonitor):
        group = "Hosts"

        def flush_filter(self, counter: Metric) -> bool:
            return False

    pipeline = Pipeline(scripts(Broken, Drops), partitions=1)
    pipeline.feed(messages(FLOW, windows(3), partitions=1))
    assert len(pipeline.errors) == 10
    left = [metric for metric in pipeline.published["counter"] if metric.group == "Hosts" and metric.source == "flow"]
    assert len(left) == 10, "eight hosts a window, until Broken has raised ten times; then Drops alone votes"


def test_a_filter_can_give_other_values() -> None:
    seen: list[dict[str, Any]] = []

    class Scales(CounterMonitor):
        group = "Aggregates"

        def flush_filter(self, counter: Metric) -> dict[str, int | float]:
            return {"bytes": 1, "share": 0.5}

    class Looks(CounterMonitor):
        group = "Aggregates"

        def on_flush(self, counter: Metric) -> None:
            seen.append(counter.meters)

    pipeline = run(windows(1), Scales, Looks)
    (meters,) = published(pipeline, "Aggregates").values()
    assert (meters["bytes"], meters["share"], meters["flows"]) == (1, 0.5, 20)
    assert seen == [meters]


def test_values_of_scripts_that_nobody_could_read_are_left_out() -> None:
    class Spoils(CounterMonitor):
        group = "Aggregates"
        meters = ("bytes", "packets")

        def flush_filter(self, counter: Metric) -> Any:
            return {"bytes": float("nan"), "packets": "many", "flows": 10**400}

        def on_flush(self, counter: Metric) -> None:
            counter.meters["ratio"] = float("inf")

        def on_topper_flush(self, top: Any) -> None: ...

    (meters,) = published(run(windows(1), Spoils), "Aggregates").values()
    assert set(meters) == {"bytes_in", "bytes_out", "packets_in", "packets_out", "new_flows"}


@pytest.mark.parametrize(
    "left", [{"bytes": True}, {1: 2, None: 3}, {"\ud800": 1}, {"bytes": object()}, {"bytes": Decimal(1)}]
)
@pytest.mark.parametrize("hook", ["on_new_key", "flush_filter", "on_flush"])
def test_what_a_script_leaves_in_a_counter_cannot_end_the_worker(
    hook: str, left: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many warnings would be held back, and be told in the middle of another test.
    monkeypatch.setattr(logging.getLogger("workers.cg_monitor"), "disabled", True)

    def spoil(_self: Any, counter: Any) -> Any:
        counter.meters.clear()
        counter.meters.update(left)
        for name in ("meters", "group", "key", "window"):
            with pytest.raises(AttributeError):
                setattr(counter, name, None)
        return {"packets": 7}

    pipeline = run(windows(1), type("Spoils", (CounterMonitor,), {"group": "Aggregates", hook: spoil}))
    ((place, meters),) = published(pipeline, "Aggregates").items()
    assert place[1] == "TOTAL", "scripts change meters and nothing else of what is published"
    assert all(type(value) in (int, float) for value in meters.values())
    if hook == "flush_filter":
        assert meters["packets"] == 7


@pytest.mark.parametrize("partitions", [1, 4])
def test_totals_are_the_sum_of_the_keys_and_no_key_themselves(partitions: int) -> None:
    totals: list[Metric] = []

    class Totals(CounterMonitor):
        group = re.compile("Hosts|Kinds|Conserv")

        def flush_filter(self, counter: Metric) -> bool:
            return counter.key != "192.0.2.1" or counter.group != "Hosts"

        def on_totals(self, counter: Metric) -> None:
            totals.append(counter)

    class Feeds(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            self.count("Kinds", flow.source_ip, average=flow.delta_source_bytes, gauge=1, maximum=flow.time)

    everything = run(windows(2), partitions=partitions)
    pipeline = run(windows(2), Totals, Feeds, partitions=partitions)
    assert not any(metric.key == TOTALS for metric in pipeline.published["counter"])
    for window in (FIRST_WINDOW, FIRST_WINDOW + 60):
        expected: Counter[str] = Counter()
        for (start, _), meters in published(everything, "Hosts").items():
            if start == window:
                expected.update(meters)
        mine = [t for t in totals if t.window == window and t.source == "flow"]
        assert [t.meters for t in mine if t.group == "Hosts"] == [expected], "of all keys, before the filters"
        kinds = [t.meters for t in mine if t.group == "Kinds"]
        assert [set(meters) for meters in kinds] == [{"average", "maximum"}]
        assert kinds[0]["average"] == sum(range(100, 120)) / 20
    assert any(t.group == "Conservation" for t in totals)


def test_scripts_attach_by_name_list_pattern_and_guid() -> None:
    seen: dict[str, set[str]] = {}

    def attached(to: Any) -> type[CounterMonitor]:
        class Sees(CounterMonitor):
            name = str(to)
            group = to

            def on_flush(self, counter: Metric) -> None:
                seen.setdefault(self.name, set()).add(counter.group)

        return Sees

    ways: dict[Any, set[str]] = {
        "hosts": {"Hosts"},
        "{4cd742b1-c1ca-4708-be78-0fca2eb01a86}": {"Hosts"},
        ("Apps", re.compile("^Subnets"), "393B5EBC-AB41-4387-8F31-8077DB917336"): {"Apps", "Subnets", "Aggregates"},
        re.compile("(st|p|l|rt|et|ace|ate)s$"): {
            "Hosts",
            "Apps",
            "Protocols",
            "Ports",
            "Subnets",
            "Interfaces",
            "Aggregates",
        },
        "Nobody's": set(),
    }
    run(windows(1), *map(attached, ways))
    assert seen == {str(way): groups for way, groups in ways.items() if groups}


def test_hooks_of_a_window_come_in_their_order() -> None:
    calls: list[str] = []

    class All(CounterMonitor):
        group = "Aggregates"

        def on_metronome(self, second: int) -> None:
            calls.append("tick")

        def on_update(self, counter: Metric) -> None:
            calls.append("update")

        def on_begin_flush(self, window: int) -> None:
            calls.append("begin")

        def on_new_key(self, counter: Metric) -> None:
            calls.append("new")

        def flush_filter(self, counter: Metric) -> bool:
            calls.append("filter")
            return True

        def on_flush(self, counter: Metric) -> None:
            calls.append("flush")

        def on_totals(self, counter: Metric) -> None:
            calls.append("totals")

        def on_end_flush(self, window: int) -> None:
            calls.append("end")

    run(windows(2, flows=3), All, partitions=1)
    told = [call for call in calls if call not in ("tick", "update")]
    first = ["begin", "new", "filter", "flush", "totals", "end"]
    assert told[:6] == first
    assert told.count("new") == 1
    assert calls.count("tick") == 120
    assert calls.index("update") < calls.index("begin")


def test_what_meters_keep_is_forgotten_when_the_stream_ends() -> None:
    class Runs(SessionMonitor):
        def on_begin_flush(self, window: int) -> None:
            self.count("Kinds", "k", running=1)

    pipeline = Pipeline(scripts(Runs), 1)
    pipeline.start()
    store = pipeline._stages["partial", 0].core.host.runtime.stores.of("meters")
    pipeline.feed(messages(FLOW, windows(2), 1, final=False))
    assert len(store) == 1
    assert next(iter(store)).startswith(STREAM)
    last = FIRST_WINDOW + 120
    pipeline.feed(messages(FLOW, {last: [flow(1, last)]}, 1))
    assert published(pipeline, "Kinds")[last, "k"] == {"running": 3}
    assert not store


@pytest.mark.parametrize("partitions", [1, 4])
def test_counters_stay_exact_under_counter_scripts(partitions: int) -> None:
    class Everything(CounterMonitor):
        def on_update(self, counter: Metric) -> None: ...

        def on_totals(self, counter: Metric) -> None: ...

        def on_topper_flush(self, top: Any) -> None: ...

    made = MadeStream(windows=3, flows=200, partitions=partitions)
    pipeline = Pipeline(scripts(Everything), partitions)
    pipeline.feed(made.messages())
    found = {
        (m.window, m.group, m.key): {name: m.meters[name] for name in ("bytes", "packets", "flows")}
        for m in pipeline.published["counter"]
        if (m.group, m.source) in (("Hosts", "flow"), ("Aggregates", "flow"))
    }
    assert found == made.truth
