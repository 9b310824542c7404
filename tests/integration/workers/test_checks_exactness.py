"""What checks and rules find stays the same whatever happens to the workers in the middle of a stream."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest

from tapline.services.kafka import Kafka
from tests.integration.workers.cluster import Workers, counters, make_topics, publish, read_once
from tests.integration.workers.replacing import end_and_replace
from tests.integration.workers.stream import MadeStream
from tests.integration.workers.test_exactness import publish_slowly, wait_for_truth, wait_until_reading
from tests.waiting import wait_for
from topics.alert_log import read_conditions, read_notifications
from topics.catalog import ALERT
from topics.records import Alert
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

pytestmark = pytest.mark.kill

CHECKS = """
    from tapline import Params
    from tapline.checks import FlowCheck, HostCheck

    class Busy(HostCheck):
        default_value = "busy;gt;1700000"
        meter = "bytes"
        min = five_minutes = HostCheck.compare

    class Growing(HostCheck):
        class params(Params):
            by: float = 400_000
        def min(self, entity):
            if self.delta(entity, "bytes", entity.value("bytes"), skip_first=True) > self.params.by:
                self.trigger(entity, self.type_info(f"{entity.value('bytes'):.0f} bytes"))

    class Large(FlowCheck):
        score = 120
        def flow_end(self, flow):
            if flow.delta_bytes > 52_000:
                self.trigger_status(flow, info=f"{flow.delta_bytes} bytes")
"""
POLICY = """
    rules:
      flows:
        metric: flows
        value: 62
        patience: {for_runs: 2, clear_runs: 2}
      away:
        measure: change
        metric: bytes
        value: 45
      odd:
        measure: anomaly
        metric: packets
        method: ewma
        sensitivity: 1.5
        learn_periods: 4
    alerting:
      per_identity_hour: 10000
      per_type_minute: 10000
"""


def stream() -> MadeStream:
    return MadeStream(windows=14, flows=1200)


def made(bootstrap: str, name: str, folder: Path) -> tuple[KafkaSettings, Workers]:
    """Topics and workers of their own, with the checks and the rules."""
    settings = KafkaSettings(bootstrap=bootstrap, prefix=f"checks-{name}-{time.time_ns()}")
    make_topics(settings)
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "they.py").write_text(dedent(CHECKS), encoding="utf-8")
    (folder / "policy.yaml").write_text(dedent(POLICY), encoding="utf-8")
    chosen = WorkersSettings(
        scripts=[str(folder / "scripts")],
        policy=[str(folder / "policy.yaml")],
        stall_timeout=30.0,
        group=settings.prefix,
    )
    return settings, Workers(settings, chosen, folder)


def findings(settings: KafkaSettings) -> dict[str, object]:
    """All that was found: what was told, how conditions stand, what flows were blamed for, and the scores of hosts."""
    told = Counter(
        (alert.event, alert.type, alert.entity, alert.time, alert.message)
        for alert in read_notifications(settings)
        if alert.event != "stored"
    )
    standing = {
        (state.alert.type, state.alert.entity): (state.status, state.alert.began)
        for state in read_conditions(settings).values()
    }
    alerts = [alert for alert in read_once(settings, ALERT) if isinstance(alert, Alert)]
    blamed = Counter((alert.flow_id, alert.message, alert.score) for alert in alerts if alert.action == "store")
    scores = {
        (metric.window, metric.key): dict(metric.meters)
        for metric in counters(settings, "Scores").values()
        if metric.key != "TOTAL"
    }
    return {"told": told, "standing": standing, "blamed": blamed, "scores": scores}


@pytest.fixture(scope="module")
def undisturbed(kafka_engine: Kafka, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What two workers find whom nothing happens to."""
    settings, workers = made(kafka_engine.address, "calm", tmp_path_factory.mktemp("calm"))
    whole = stream()
    try:
        workers.start()
        workers.start()
        publish(settings, whole.messages())
        wait_for_truth(settings, whole, workers)
        found = settled(settings, workers)
    finally:
        workers.stop()
    events = Counter(event for event, *_ in found["told"])  # type: ignore[attr-defined]
    assert {"raised", "released"} <= events.keys(), events
    assert found["blamed"]
    assert found["scores"]
    return found


def settled(settings: KafkaSettings, workers: Workers) -> dict[str, object]:
    """What has been found when all alerts that windows announced have been judged."""
    seen: list[dict[str, object]] = []

    def still() -> bool:
        workers.revive()
        seen.append(findings(settings))
        return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]

    wait_for(still, "the findings to be complete", seconds=90, every=1.0)
    return seen[-1]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_are_ended_and_others_take_over(
    kafka: str, undisturbed: dict[str, object], tmp_path: Path, how: signal.Signals
) -> None:
    settings, workers = made(kafka, how.name.lower(), tmp_path)
    whole = stream()
    try:
        workers.start()
        workers.start()
        publishing = publish_slowly(settings, whole, 14.0)
        wait_until_reading(settings, workers)
        end_and_replace(settings, workers, how, publishing, "Aggregates")
        publishing.join()
        wait_for_truth(settings, whole, workers)

        def equal() -> bool:
            workers.revive()
            found = findings(settings)
            for what, expected in undisturbed.items():
                assert found[what] == expected, what
            return True

        wait_for(equal, "what was found to be what undisturbed workers find", seconds=120, every=1.0)
    finally:
        workers.stop()
