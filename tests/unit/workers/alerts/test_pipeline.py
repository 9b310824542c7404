"""Alerts on the whole way: from flows over rules and scripts to what is told, and what is counted of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tapline import CounterMonitor, SessionMonitor
from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy, Rule
from tests.unit.workers.made import FIRST_WINDOW, STREAM, messages, scripts
from topics.catalog import FLOW
from topics.records import Alert, Flow, Metric
from workers.pipeline import Pipeline
from workers.scripting.scripts import ScriptSet

HOST = "10.0.0.1"


def flows(volumes: list[int]) -> dict[int, list[Flow]]:
    """A flow of this many bytes in each minute."""
    found = {}
    for number, volume in enumerate(volumes):
        window = FIRST_WINDOW + 60 * number
        end = (window + 30) * 1_000_000
        found[window] = [
            Flow(
                id=f"{number:032x}",
                flow_id=f"{number:032x}",
                time=end,
                start=end,
                end=end,
                record="final",
                community_id=f"1:{number}",
                source_ip=HOST,
                destination_ip="198.51.100.1",
                source_port=40_000,
                destination_port=443,
                transport="tcp",
                protocol_number=6,
                delta_source_bytes=volume,
                total_source_bytes=volume,
                delta_source_packets=1,
                total_source_packets=1,
            )
        ]
    return found


def fed(volumes: list[int], policy: Policy | None = None, loaded: ScriptSet | None = None) -> dict[str, list[Any]]:
    with Pipeline(loaded, 2) as pipeline:
        pipeline.environment.policy = PolicyView(policy or Policy(), 1)
        pipeline.feed(messages(FLOW, flows(volumes)))
        assert pipeline.errors == []
        return pipeline.published


def events(published: dict[str, list[Any]], kind: str) -> list[str]:
    return [alert.event for alert in published["notification"] if alert.type == kind]


def outcomes(published: dict[str, list[Any]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for metric in published["counter"]:
        if metric.group == "Alerts":
            counted.update({name: int(value) for name, value in metric.meters.items()})
    return counted


def test_input_that_flaps_for_an_hour_is_one_alert() -> None:
    rule = Rule(name="upload", group="Hosts", metric="bytes_out", value=1000)
    quiet = [100] * 6
    published = fed([100, *[5000, 100] * 30, *quiet], Policy(rules={"upload": rule}))
    (kind,) = {alert.type for alert in published["notification"]}
    assert events(published, kind) == ["raised", "released"]
    raised, released = published["notification"]
    assert (raised.entity, raised.began) == (HOST, (FIRST_WINDOW + 120) * 1_000_000)
    assert released.time - raised.time == 63 * 60 * 1_000_000, "after five quiet minutes"
    counted = outcomes(published)
    assert counted["raised"] == counted["released"] == 1
    assert counted["received"] == counted["raised"] + counted["released"] + counted["refreshed"] + counted["stored"]


class Volume(CounterMonitor):
    """Says once that it is much and once that it is over, as scripts do."""

    group = "Hosts"

    def on_load(self) -> None:
        self.fired = False

    def on_flush(self, counter: Metric) -> None:
        if counter.key != HOST:
            return
        much = counter.meters["bytes_out"] > 1000
        if much != self.fired:
            self.fired = much
            self.threshold_alert("much", counter, f"{counter.meters['bytes_out']} bytes", fired=much)


class Told(SessionMonitor):
    def on_flush(self, flow: Flow) -> None:
        self.alert("seen", flow, "a flow")


def test_thresholds_of_scripts_go_through_the_engine() -> None:
    published = fed([100, 5000, 5000, 5000, 100, 100], loaded=scripts(Volume))
    assert events(published, "much") == ["raised", "released"]
    assert [alert.action for alert in published["alert"] if alert.type == "much"] == ["trigger", "release"]
    assert {alert.instance.partition("-")[0] for alert in published["alert"] if alert.type == "much"} == {"partial"}


def test_what_a_script_does_not_end_ends_with_the_stream() -> None:
    published = fed([100, 5000, 5000], loaded=scripts(Volume))
    assert events(published, "much") == ["raised", "released"]
    ended: list[Alert] = [alert for alert in published["notification"] if alert.event == "released"]
    assert ended[0].attributes["ended"] == "the stream has ended"
    assert {state.status for state in published["alert-state"]} == {"engaged", "released"}


def test_one_shot_alerts_of_scripts_are_told_once_for_the_same_ends() -> None:
    published = fed([100] * 6, loaded=scripts(Told))
    assert len(published["alert"]) == 6
    assert [(alert.event, alert.stream) for alert in published["notification"]] == [("stored", STREAM)] * 2
    counted = outcomes(published)
    assert (counted["received"], counted["stored"], counted["repeated"]) == (6, 2, 4)
