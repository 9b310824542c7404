"""Rules at work in all stages: from flows to alerts, on any number of partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tapline import CounterMonitor
from tests.unit.workers.made import FIRST_WINDOW, messages, scripts
from topics.catalog import FLOW
from topics.records import Flow, Metric
from workers.pipeline import Pipeline
from workers.settings import WorkersSettings

POLICY = """
rules:
  high: {value: 1 kB, patience: {clear_runs: 1}}
  gone: {measure: absence, select: {network: 10.0.0.0/24}, patience: {clear_runs: 1}}
  app: {group: Apps, metric: flows, value: 2}
  top: {measure: top_change, top: 2, floor: 10}
  net: {group: Subnets, metric: bytes_out, value: 900}
"""


def flow(window: int, host: int, count: int, application: str = "TLS") -> Flow:
    return Flow(
        id=f"{window}-{host}",
        flow_id=f"{window}-{host}",
        time=(window + 1) * 1_000_000,
        community_id=f"1:{host}",
        source_ip=f"10.0.0.{host}",
        destination_ip="198.51.100.1",
        destination_port=443,
        transport="tcp",
        application=application,
        delta_source_bytes=count,
        delta_source_packets=1,
    )


WINDOWS = {
    FIRST_WINDOW: [flow(FIRST_WINDOW, 1, 500), flow(FIRST_WINDOW, 2, 400), flow(FIRST_WINDOW, 3, 5)],
    FIRST_WINDOW + 60: [flow(FIRST_WINDOW + 60, 1, 1000), flow(FIRST_WINDOW + 60, 3, 1001)],
    FIRST_WINDOW + 120: [flow(FIRST_WINDOW + 120, 1, 20), flow(FIRST_WINDOW + 120, 2, 10, "DNS")],
}


def run(folder: Path, partitions: int, *monitors: Any, policy: str = POLICY) -> Pipeline:
    path = folder / "policy.yaml"
    path.write_text(policy, encoding="utf-8")
    settings = WorkersSettings(scripts=[], policy=[str(path)])
    pipeline = Pipeline(scripts(*monitors), partitions, settings=settings)
    pipeline.feed(messages(FLOW, WINDOWS, partitions))
    pipeline.stop()
    assert not pipeline.errors
    return pipeline


def found(pipeline: Pipeline) -> set[tuple[str, str, str, int]]:
    return {
        (alert.script, alert.action, alert.entity, (alert.window - FIRST_WINDOW) // 60)
        for alert in pipeline.published["alert"]
        if alert.configuration.startswith("rules/")
    }


@pytest.mark.parametrize("partitions", [1, 3])
def test_rules_see_all_of_a_key_on_any_number_of_partitions(tmp_path: Path, partitions: int) -> None:
    expected = {
        ("high", "trigger", "10.0.0.3", 1),
        ("high", "trigger", "198.51.100.1", 1),
        ("high", "release", "10.0.0.3", 2),
        ("high", "release", "198.51.100.1", 2),
        ("gone", "trigger", "10.0.0.2", 1),
        ("gone", "release", "10.0.0.2", 2),
        ("app", "trigger", "Apps/TLS", 0),
        ("app", "release", "Apps/TLS", 2),
        ("net", "trigger", "10.0.0.0/24", 0),
        ("net", "release", "10.0.0.0/24", 2),
        # The largest are .100.1 and .1, then .100.1 and .3 and then .100.1 and .1.
        ("top", "store", "10.0.0.3", 1),
        ("top", "store", "10.0.0.1", 2),
    }
    got = found(run(tmp_path, partitions))
    assert got == expected


def test_rules_see_what_was_counted_and_not_what_scripts_make_of_it(tmp_path: Path) -> None:
    class Drops(CounterMonitor):
        group = "Hosts"

        def flush_filter(self, counter: Metric) -> bool:  # noqa: ARG002
            return False

    pipeline = run(tmp_path, 2, Drops)
    assert not [m for m in pipeline.published["counter"] if m.group == "Hosts"]
    assert found(pipeline) == found(run(tmp_path, 2))


def test_without_rules_nothing_is_kept_and_nothing_is_said(tmp_path: Path) -> None:
    pipeline = run(tmp_path, 2, policy="")
    assert not pipeline.published["alert"]
    assert not [each for each in pipeline.published["store"] if each.owner.startswith("rule")]
