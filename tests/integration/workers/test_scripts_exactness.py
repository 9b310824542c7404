"""What scripts count, alert on and keep stays exact whatever happens to the workers in the middle of a stream."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tapline.services.kafka import Kafka
from tests.integration.workers.cluster import Workers, counters, make_topics, publish, read_once, read_topic
from tests.integration.workers.replacing import end_and_replace
from tests.integration.workers.stream import MadeStream
from tests.integration.workers.test_exactness import publish_slowly, wait_for_truth, wait_until_reading
from tests.waiting import wait_for
from topics.catalog import ALERT, FLOW, STORE
from topics.codec import decode
from topics.records import Alert, Flow
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings
from workers.windows.store import newest

SCRIPTS = """
    from tapline import AlertMonitor, CounterMonitor, EngineMonitor, SessionMonitor

    class Sessions(SessionMonitor):
        subscriptions = ("window",)
        def on_message(self, message):
            print("heard", self.instance, message.payload, flush=True)
        def on_new_flow(self, flow):
            self.count("Seen", flow.source_ip, flows=1, bytes=flow.delta_bytes)
            self.store["flows"] = self.store.get("flows", 0) + 1
            if flow.destination_port == 22:
                self.alert("ssh", flow, flow.flow_id)
            if flow.source_ip == "10.0.0.7":
                self.run_async(str.upper, flow.flow_id, then=self.looked_up)
            if flow.source_ip not in self.store:
                self.store[flow.source_ip] = flow.flow_id
                self.alert("first", flow, flow.flow_id)
        def looked_up(self, text):
            self.alert("looked-up", None, text)
        def on_metronome(self, second):
            self.count("Seconds", self.instance, passed=1)

    class Echo(AlertMonitor):
        def on_new_alert(self, alert):
            if alert.script == "Sessions":
                self.count("Echoed", alert.type, seen=1)

    class Totals(CounterMonitor):
        group = "Hosts"
        def on_load(self):
            self.updates = 0
        def on_update(self, counter):
            self.updates += 1

    class Once(EngineMonitor):
        def on_end_flush(self, window):
            self.count("Engine", "windows", seen=1)
            self.send("window", window)
            self.store["windows"] = self.store.get("windows", 0) + 1
"""


HEARD = re.compile(r"heard (flow-\d) (\d+)")


class Truth:
    """What the scripts must have come to for a stream, and what they have come to."""

    def __init__(self, stream: MadeStream) -> None:
        self.stream = stream
        self.seen: Counter[tuple[int, str]] = Counter()
        self.alerts: Counter[str] = Counter()
        self.flows = 0
        for topic, _, envelope, body in MadeStream(
            windows=len(stream.windows), flows=stream.flows, nodes=len(stream.nodes), seed=stream.seed
        ).messages():
            if topic is FLOW and not envelope.is_snapshot:
                for flow in decode(Flow, body):
                    self.flows += 1
                    self.seen[envelope.window, flow.source_ip] += 1
                    self.alerts["ssh"] += flow.destination_port == 22
                    self.alerts["looked-up"] += flow.source_ip == "10.0.0.7"

    def check(self, kafka: KafkaSettings) -> None:
        """Compare all of it with what the topics hold."""
        by_group: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
        for metric in counters(kafka).values():
            for name, value in metric.meters.items():
                if name in {"flows", "seen", "passed"} and metric.group in {"Seen", "Echoed", "Engine", "Seconds"}:
                    by_group[metric.group][metric.window, metric.key] += value
        windows = self.stream.windows
        assert by_group["Seen"] == self.seen
        assert by_group["Engine"] == Counter({(window, "windows"): 1 for window in windows})
        assert by_group["Seconds"] == Counter({(w, f"flow-{n}"): 60 for w in windows for n in range(4)})
        alerts = [alert for alert in read_once(kafka, ALERT) if isinstance(alert, Alert) and alert.script == "Sessions"]
        types = Counter(alert.type for alert in alerts)
        assert types["ssh"] == self.alerts["ssh"]
        assert types["looked-up"] == self.alerts["looked-up"]
        assert len({alert.id for alert in alerts}) == len(alerts), "no alert twice"
        first = Counter((alert.source_ip, alert.type) for alert in alerts if alert.type == "first")
        assert first.keys() == {(ip, "first") for _, ip in self.seen}
        assert max(first.values()) <= 4, "once for each partition"
        echoed: Counter[str] = Counter()
        for (_, key), value in by_group["Echoed"].items():
            echoed[key] += value
        assert echoed == types, "the scripts on alerts have seen each once"
        kept = stores(kafka)
        assert sum(values.get("script/Sessions", {}).get("flows", 0) for values in kept.values()) == self.flows
        assert [values["script/Once"] for values in kept.values() if "script/Once" in values] == [
            {"windows": len(windows)}
        ]


def stores(kafka: KafkaSettings) -> dict[str, dict[str, dict[str, int]]]:
    """What each stage has kept in the end, by owner and key."""
    by_stage: dict[str, list[object]] = {}
    for _, records in read_topic(kafka, STORE):
        for record in records:
            by_stage.setdefault(record.stage, []).append(record)
    found: dict[str, dict[str, dict[str, int]]] = {}
    for stage, log in by_stage.items():
        for record in newest(log, 1 << 60):  # type: ignore[arg-type]
            found.setdefault(stage, {}).setdefault(record.owner, {})[record.key] = json.loads(record.value)
    return found


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"scripts-{time.time_ns()}")
    make_topics(settings)
    return settings


@pytest.fixture
def workers(settings: KafkaSettings, tmp_path: Path) -> Iterator[Workers]:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "they.py").write_text(dedent(SCRIPTS), encoding="utf-8")
    workers = Workers(
        settings, WorkersSettings(scripts=[str(folder)], stall_timeout=30.0, group=settings.prefix), tmp_path
    )
    try:
        yield workers
    finally:
        workers.stop()


def wait_for_scripts(settings: KafkaSettings, truth: Truth, workers: Workers) -> None:
    """Until all that scripts have made is what it must be."""

    def equal() -> bool:
        workers.revive()
        truth.check(settings)
        return True

    wait_for(equal, "what scripts make to equal the truth", seconds=120, every=1.0)


def test_two_workers_and_work_that_is_done_once_over_both(settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=4, flows=400)
    workers.start()
    workers.start()
    publish(settings, stream.messages())
    wait_for_truth(settings, stream, workers)
    wait_for_scripts(settings, Truth(stream), workers)
    every = {(f"flow-{partition}", str(window)) for partition in range(4) for window in stream.windows}
    wait_for(lambda: heard(workers) == every, "every instance to hear of every window")
    logs = [log.read_text() for log in workers.folder.glob("worker-*.log")]
    assert sum("heard" in log for log in logs) >= 2, "both workers have partitions, and hear what one has sent"


def heard(workers: Workers) -> set[tuple[str, str]]:
    """The messages that instances say they have heard."""
    return {said for log in workers.folder.glob("worker-*.log") for said in HEARD.findall(log.read_text())}


@pytest.mark.kill
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_are_ended_and_others_take_over(settings: KafkaSettings, workers: Workers, how: signal.Signals) -> None:
    stream = MadeStream(windows=14, flows=400)
    workers.start()
    workers.start()
    publishing = publish_slowly(settings, stream, 14.0)
    wait_until_reading(settings, workers)
    end_and_replace(settings, workers, how, publishing, "Engine")
    publishing.join()
    wait_for_truth(settings, stream, workers)
    wait_for_scripts(settings, Truth(stream), workers)


@pytest.mark.kill
def test_workers_join_and_leave_and_kafka_is_restarted(
    kafka_engine: Kafka, settings: KafkaSettings, workers: Workers
) -> None:
    stream = MadeStream(windows=14, flows=400)
    workers.start()
    publishing = publish_slowly(settings, stream, 14.0)
    wait_until_reading(settings, workers)
    log = workers.folder / f"worker-{len(list(workers.folder.glob('worker-*.log')))}.log"
    workers.start()
    wait_for(lambda: "working on" in log.read_text(), "the second worker to get partitions", seconds=90, every=0.2)
    workers.end(workers.processes[-1], signal.SIGTERM)
    kafka_engine.stop()
    kafka_engine.start()
    kafka_engine.wait_ready()
    publishing.join()
    wait_for_truth(settings, stream, workers)
    wait_for_scripts(settings, Truth(stream), workers)
