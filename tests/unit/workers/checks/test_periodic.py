"""When periodic checks run, on what, and what becomes of what they assert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import pytest

from tapline.checks import Entity, HostCheck, InterfaceCheck, NetworkCheck, Patience, PeriodicCheck, SystemCheck
from tapline.policy.effective import PolicyView
from tapline.policy.model import CheckSettings, Override, Policy, Selector
from tapline.script import Script
from tests.unit.workers.checks.flows import CLIENT, SERVER, flow
from tests.unit.workers.made import FIRST_WINDOW, STREAM, messages, scripts
from topics.catalog import FLOW, METRIC, RESOURCE
from topics.records import Alert, Dns, Flow, Metric, Resource
from workers.pipeline import Pipeline
from workers.settings import WorkersSettings

SECOND = 1_000_000
Windows = Mapping[int, Sequence[Any]]


def run(
    checks: Sequence[type[Script]],
    windows: Windows,
    samples: Windows | None = None,
    *,
    policy: Policy | None = None,
    partitions: int = 2,
    settings: WorkersSettings | None = None,
) -> Pipeline:
    """The stages with these checks over flows, and over samples where there are some, by number of the window."""
    pipeline = Pipeline(scripts(*checks), partitions, settings=settings)
    with pipeline:
        if policy is not None:
            pipeline.environment.policy = PolicyView(policy, 1)
        starts = {FIRST_WINDOW + number * 60: records for number, records in windows.items()}
        if samples is None:
            pipeline.feed(messages(FLOW, starts, partitions))
        else:
            for start, records in starts.items():
                number = (start - FIRST_WINDOW) // 60
                final = number == max(windows)
                flows = list(messages(FLOW, {start: records}, partitions, final=final))
                sampled = list(messages(METRIC, {start: samples.get(number, ())}, partitions, final=final))
                pipeline.feed([each for each in flows if each[0] is not METRIC])
                pipeline.feed([each for each in sampled if each[0] is METRIC])
    assert pipeline.errors == []
    return pipeline


def alerts(pipeline: Pipeline) -> list[Alert]:
    return [alert for alert in pipeline.published["alert"] if alert.entity_kind]


def told(pipeline: Pipeline) -> list[tuple[str, str, int]]:
    """What became of conditions: action, entity, and the number of the window."""
    return [(alert.action, alert.entity, (alert.time // SECOND - FIRST_WINDOW) // 60 - 1) for alert in alerts(pipeline)]


def burst(count: int, second: int = 10, *, window: int = 0, **changes: Any) -> list[Flow]:
    """So many flows that begin in one second, each a SYN that nobody answers."""
    time = (FIRST_WINDOW + window * 60 + second) * SECOND
    values: dict[str, Any] = {
        "time": time, "start": time, "end": time, "tcp_flags_source": 2, "delta_destination_packets": 0, "state": "syn",
    }  # fmt: skip
    return [flow(f"{window}/{second}/{number}", window, **{**values, **changes}) for number in range(count)]


class Seen(HostCheck):
    """Keeps what it saw."""

    seen: ClassVar[list[Entity]] = []

    def min(self, entity: Entity) -> None:
        self.seen.append(entity)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Seen.seen.clear()
    Longer.seen.clear()


class Longer(HostCheck):
    """Keeps what it saw at all granularities."""

    seen: ClassVar[list[Entity]] = []

    def all(self, entity: Entity) -> None:
        self.seen.append(entity)


def test_a_host_is_seen_with_the_meters_of_all_its_groups() -> None:
    run([Seen], {0: burst(5)})
    by_name = {entity.name: entity for entity in Seen.seen}
    assert by_name.keys() == {CLIENT, SERVER}
    client, server = by_name[CLIENT], by_name[SERVER]
    assert (client.kind, client.granularity, client.window, client.is_local) == ("host", "min", FIRST_WINDOW, True)
    assert not server.is_local
    assert client.meters["flows"] == client.meters["client_tcp_syn"] == client.meters["client_tcp_unanswered"] == 5
    assert server.meters["server_tcp_syn"] == 5
    assert client.value("server_tcp_syn") == 0


class Flood(HostCheck):
    name = "flood"
    default_value = "flood;gt;256"
    patience = Patience(clear_runs=1)
    meter = "client_syn_per_second"
    min = HostCheck.compare


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_burst_is_no_flood_three_seconds_are(partitions: int) -> None:
    short = run([Flood], {0: burst(10_000)}, partitions=partitions)
    assert alerts(short) == []
    exactly = run([Flood], {0: burst(256, 10) + burst(256, 11) + burst(900, 12)}, partitions=partitions)
    assert alerts(exactly) == [], "gt is strict"
    flooded = run([Flood], {0: burst(257, 10) + burst(900, 11) + burst(257, 12), 1: []}, partitions=partitions)
    assert told(flooded) == [("trigger", CLIENT, 0), ("release", CLIENT, 1)]
    (trigger, _) = alerts(flooded)
    assert (trigger.value, trigger.threshold, trigger.script) == (257, 256, "flood")


def test_a_host_that_falls_silent_is_looked_at_until_its_alert_is_released() -> None:
    class Talks(HostCheck):
        name = "talks"
        default_value = "talks;gt;0"
        patience = Patience(clear_runs=3)
        local_only = True
        meter = "flows"
        min = HostCheck.compare

    pipeline = run([Talks], {0: burst(1), 1: [], 2: [], 3: [], 4: [], 5: []})
    assert told(pipeline) == [("trigger", CLIENT, 0), ("release", CLIENT, 3)]


def test_local_only_leaves_out_others() -> None:
    class Local(Seen):
        local_only = True

    run([Local], {0: burst(1)})
    assert {entity.name for entity in Seen.seen} == {CLIENT}


def test_checks_run_in_the_order_of_their_priorities() -> None:
    order: list[str] = []

    class Low(HostCheck):
        local_only = True
        priority = -20

        def min(self, entity: Entity) -> None:  # noqa: ARG002
            order.append("low")

    class High(Low):
        priority = 5

        def min(self, entity: Entity) -> None:  # noqa: ARG002
            order.append("high")

    run([Low, High], {0: burst(1)})
    assert order == ["high", "low"]


def test_parameters_are_those_of_the_host() -> None:
    other = burst(3, source_ip="10.0.0.2", second=20)
    policy = Policy(
        checks={"many": CheckSettings(overrides=(Override(match=Selector(host="10.0.0.2"), params={"threshold": 2}),))}
    )

    class Many(HostCheck):
        name = "many"
        default_value = "many;gt;3"
        meter = "client_flows"
        min = HostCheck.compare

    (alert,) = [each for each in alerts(run([Many], {0: burst(3) + other}, policy=policy)) if each.action == "trigger"]
    assert (alert.entity, alert.threshold, alert.configuration) == ("10.0.0.2", 2, "checks/many/overrides[0]")


def test_longer_periods_add_up_and_end_with_their_last_window_or_with_the_stream() -> None:
    first = -(FIRST_WINDOW // 60) % 5
    count = first + 7
    run([Longer], {number: burst(2, window=number) for number in range(count)})
    mine = [entity for entity in Longer.seen if entity.name == CLIENT]
    minutes = [entity for entity in mine if entity.granularity == "min"]
    fives = [entity for entity in mine if entity.granularity == "five_minutes"]
    assert len(minutes) == count
    whole = [entity for entity in fives if entity.window == FIRST_WINDOW + first * 60]
    assert [entity.value("client_new_flows") for entity in whole] == [10]
    assert sum(entity.value("client_new_flows") for entity in fives) == 2 * count
    assert sum(entity.value("flows") for entity in fives) == 2 * count
    for granularity in ("hour", "day"):
        long = [entity for entity in mine if entity.granularity == granularity]
        assert sum(entity.value("client_new_flows") for entity in long) == 2 * count
        assert all(entity.window % entity.seconds == 0 for entity in long)


def test_beyond_a_minute_a_check_sees_what_it_says_that_it_reads() -> None:
    class Sparing(HostCheck):
        reads = ("client_new_flows", "bytes")
        seen: ClassVar[list[Entity]] = []

        def five_minutes(self, entity: Entity) -> None:
            self.seen.append(entity)

        hour = five_minutes

        def min(self, entity: Entity) -> None:
            assert "client_tcp_syn" in entity.meters or entity.name != CLIENT

    class Comparing(HostCheck):
        default_value = "comparing;gt;5"
        meter = "flows"
        five_minutes = HostCheck.compare

    pipeline = run([Sparing, Comparing], {number: burst(2, window=number) for number in range(10)})
    kept = [entity.meters for entity in Sparing.seen if entity.name == CLIENT]
    assert kept
    assert all(set(meters) == {"client_new_flows", "bytes", "flows"} for meters in kept)
    assert [alert.action for alert in alerts(pipeline)][:1] == ["trigger"]

    class Curious(HostCheck):
        seen: ClassVar[list[Entity]] = []

        def five_minutes(self, entity: Entity) -> None:
            self.seen.append(entity)

    run([Sparing, Curious], {number: burst(2, window=number) for number in range(10)})
    assert all("client_tcp_syn" in entity.meters for entity in Curious.seen if entity.name == CLIENT)


def test_peaks_of_a_period_are_its_largest_and_sets_are_united() -> None:
    class Contacts(HostCheck):
        groups = ("Behaviour", "Contacts")
        seen: ClassVar[list[Entity]] = []

        def five_minutes(self, entity: Entity) -> None:
            self.seen.append(entity)

    first = -(FIRST_WINDOW // 60) % 5
    calm = [each for second in (1, 2, 3) for each in burst(2, second, window=first)]
    busy = [each for second in (1, 2, 3) for each in burst(5, second, window=first + 1, destination_ip="192.0.2.9")]
    run([Contacts], {number: [] for number in range(first)} | {first: calm, first + 1: busy, first + 2: []})
    (client,) = [entity for entity in Contacts.seen if entity.name == CLIENT]
    assert client.value("client_syn_per_second") == 5
    assert client.value("servers") == 2
    assert client.value("server_ports") == 1


def sample(name: str, number: int, **meters: float) -> Metric:
    time = (FIRST_WINDOW + number * 60 + 59) * SECOND
    return Metric(id=f"{name}/{number}", time=time, group="Capture", key=name, meters=meters, source="packet")


def test_an_interface_is_seen_with_its_flows_and_its_packets() -> None:
    class Both(InterfaceCheck):
        packet_interface_only = True
        seen: ClassVar[list[Entity]] = []

        def min(self, entity: Entity) -> None:
            self.seen.append(entity)

    samples = {0: [sample("eth0", 0, packets=9, dropped=3)], 1: [sample("eth0", 1, packets=1, dropped=0)]}
    flows = {0: burst(2, observation_point="eth0") + burst(1, 20, observation_point="log"), 1: []}
    run([Both], flows, samples)
    assert [(entity.name, entity.value("flows"), entity.value("dropped")) for entity in Both.seen] == [
        ("eth0", 2, 3),
        ("eth0", 0, 0),
    ]
    assert [entity.value("packets") for entity in Both.seen] == [6, 1], "of Interfaces, where it has some"


def test_networks_and_the_system_are_looked_at() -> None:
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    local: set[str] = set()

    def keeper(base: type[PeriodicCheck]) -> type[PeriodicCheck]:
        class Keeps(base):  # type: ignore[misc, valid-type]
            name = f"keeps_{base.kind}"

            def min(self, entity: Entity) -> None:
                found.setdefault(entity.kind, {})[entity.name] = entity.meters
                if entity.is_local:
                    local.add(entity.name)

        return Keeps

    run([keeper(NetworkCheck), keeper(SystemCheck)], {0: burst(4)})
    assert found["network"]["10.0.0.0/24"]["client_tcp_syn"] == 4
    assert found["network"]["192.0.2.0/24"]["server_tcp_syn"] == 4
    assert found["system"][f"flow/{STREAM}"]["received"] == 4
    assert f"metric/{STREAM}" in found["system"]
    assert local == {"10.0.0.0/24"}


def test_what_grows_is_told_by_how_much() -> None:
    grown: list[float] = []

    class Growth(HostCheck):
        local_only = True

        def min(self, entity: Entity) -> None:
            grown.append(self.delta(entity, "flows", entity.value("flows"), skip_first=True))

    run([Growth], {0: burst(2), 1: burst(5, window=1), 2: burst(3, window=2)})
    assert grown == [0, 3, 3]


def test_an_engaged_alert_counts_to_the_score_and_a_check_of_the_score_does_not_hold_itself() -> None:
    class Score(HostCheck):
        name = "score_threshold"
        default_value = "score_threshold;gt;99"
        patience = Patience(clear_runs=1)
        counts_to_score = False
        meter = "score"
        min = HostCheck.compare

    flood = burst(257, 10) + burst(257, 11) + burst(257, 12)
    pipeline = run([Flood, Score], {0: flood, 1: burst(1, window=1), 2: burst(1, window=2), 3: []})
    mine = [alert for alert in alerts(pipeline) if alert.script == "score_threshold"]
    assert [(alert.action, alert.window - FIRST_WINDOW) for alert in mine] == [("trigger", 60), ("release", 120)]
    assert mine[0].attributes["score_reasons"] == "flood 100"
    assert mine[0].attributes["score_alerts"] == "100"
    scores = [counter for counter in pipeline.published["counter"] if counter.group == "Scores"]
    assert [(counter.window - FIRST_WINDOW, counter.meters) for counter in scores] == [
        (60, {"score": 100, "flows": 0, "alerts": 100, "security": 100})
    ]


def test_checks_that_take_too_long_are_dropped_and_told_and_release_nothing() -> None:
    class Slow(HostCheck):
        name = "slow"
        default_value = "slow;gt;0"
        patience = Patience(clear_runs=1)
        meter = "flows"
        min = HostCheck.compare

    pipeline = Pipeline(scripts(Slow), 1)
    windows = {FIRST_WINDOW + number * 60: burst(1, window=number) for number in range(3)}
    with pipeline:
        some = list(messages(FLOW, windows, 1, final=False))
        pipeline.feed([each for each in some if each[2].window == FIRST_WINDOW])
        object.__setattr__(pipeline.environment, "settings", WorkersSettings(scripts=[], script_window_seconds=0.0))
        pipeline.feed([each for each in some if each[2].window > FIRST_WINDOW])
        assert [alert.action for alert in alerts(pipeline)] == ["trigger", "trigger"]
        told = [alert for alert in pipeline.published["alert"] if alert.type == "checks-dropped"]
    assert len(told) == 2
    assert "slow" in told[0].message


def test_a_check_that_is_off_costs_and_does_nothing() -> None:
    class Off(Seen):
        default_enabled = False

    pipeline = run([Off], {0: burst(3)})
    assert Seen.seen == []
    assert not [counter for counter in pipeline.published["counter"] if counter.group == "Behaviour"]


def test_requests_and_replies_are_counted_from_resources_and_silence_releases_in_their_own_lane() -> None:
    class Asks(HostCheck):
        name = "asks"
        groups = ("Requests",)
        default_value = "asks;gt;1"
        patience = Patience(clear_runs=1)
        meter = "dns_queries_sent"
        min = HostCheck.compare

    def dns(number: int, kind: Literal["query", "answer"]) -> Resource:
        return Resource(
            id=f"{number}/{kind}",
            time=(FIRST_WINDOW + 5) * SECOND,
            group="dns",
            community_id="c",
            source_ip=CLIENT,
            destination_ip=SERVER,
            dns=Dns(type=kind),
        )

    pipeline = Pipeline(scripts(Asks, Seen), 2)
    windows = {FIRST_WINDOW: [dns(0, "query"), dns(1, "query"), dns(1, "answer")], FIRST_WINDOW + 60: []}
    with pipeline:
        pipeline.feed(messages(RESOURCE, windows, 2))
    assert told(pipeline) == [("trigger", CLIENT, 0), ("release", CLIENT, 1)]
    counted = {each.key: each.meters for each in pipeline.published["counter"] if each.group == "Requests"}
    assert counted == {
        CLIENT: {"dns_queries_sent": 2, "dns_replies_received": 1},
        SERVER: {"dns_queries_received": 2, "dns_replies_sent": 1},
    }
    assert Seen.seen == [], "another check has nothing to do with that"
