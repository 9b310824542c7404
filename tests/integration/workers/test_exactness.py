"""Counters stay exact whatever happens to the workers and to Kafka in the middle of a stream."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.services.kafka import Kafka
from tests.integration.workers.cluster import Workers, counters, make_topics, publish, read_topic, totals
from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from topics.catalog import ALERT
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

pytestmark = pytest.mark.kill
_log = logging.getLogger(__name__)


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"exact-{abs(hash(request.node.name)) % 10**8}-{time.time_ns()}")
    make_topics(settings)
    return settings


@pytest.fixture
def workers(settings: KafkaSettings, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(settings, WorkersSettings(scripts=[], stall_timeout=30.0, group=settings.prefix), tmp_path)
    try:
        yield workers
    finally:
        workers.stop()


def publish_slowly(settings: KafkaSettings, stream: MadeStream, seconds: float) -> threading.Thread:
    """Publish a stream over some seconds, beside what the test does to its readers."""
    messages = list(stream.messages())
    steps = 40
    size = -(-len(messages) // steps)
    pause = threading.Event()

    def run() -> None:
        for start in range(0, len(messages), size):
            publish(settings, messages[start : start + size])
            pause.wait(seconds / steps)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_for_truth(settings: KafkaSettings, stream: MadeStream, workers: Workers, seconds: float = 150.0) -> None:
    """Until every counter of the stream equals its truth, and the records announced were received."""

    def equal() -> bool:
        workers.revive()
        found = counters(settings)
        assert totals(found.values(), stream.truth) == stream.truth
        flows = [m for m in found.values() if m.group == "Conservation" and m.key.startswith("flow/")]
        received = {node: sum(m.meters["received"] for m in flows if m.key == f"flow/{node}") for node in stream.nodes}
        assert received == dict(stream.announced)
        assert not any(m.meters["missing"] or m.meters["unannounced"] for m in flows)
        return True

    wait_for(equal, "the counters to equal the truth", seconds=seconds, every=1.0)


def wait_until_reading(settings: KafkaSettings, workers: Workers) -> None:
    """Until some window has been published: the workers are in the middle of the stream."""

    def reading() -> bool:
        workers.revive()
        return bool(counters(settings, "Aggregates"))

    wait_for(reading, "a first window", seconds=90, every=0.5)


def test_undisturbed(settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=4)
    publish(settings, stream.messages())
    workers.start()
    wait_for_truth(settings, stream, workers)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_is_ended_and_another_takes_over(
    settings: KafkaSettings, workers: Workers, how: signal.Signals
) -> None:
    stream = MadeStream(windows=12)
    workers.start()
    workers.start()
    publishing = publish_slowly(settings, stream, 8.0)
    wait_until_reading(settings, workers)
    workers.end(workers.processes[0], how)
    workers.start()
    publishing.join()
    wait_for_truth(settings, stream, workers)


def test_a_worker_joins_and_leaves(settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=12)
    workers.start()
    publishing = publish_slowly(settings, stream, 12.0)
    wait_until_reading(settings, workers)
    log = workers.folder / f"worker-{len(list(workers.folder.glob('worker-*.log')))}.log"
    workers.start()
    wait_for(lambda: "working on" in log.read_text(), "the second worker to get partitions", seconds=90, every=0.2)
    workers.end(workers.processes[-1], signal.SIGTERM)
    publishing.join()
    wait_for_truth(settings, stream, workers)


def test_kafka_is_restarted(kafka_engine: Kafka, settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=12)
    workers.start()
    workers.start()
    publishing = publish_slowly(settings, stream, 10.0)
    wait_until_reading(settings, workers)
    kafka_engine.stop()
    kafka_engine.start()
    kafka_engine.wait_ready()
    publishing.join()
    wait_for_truth(settings, stream, workers)


def test_the_stream_published_again_changes_nothing(settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=3, stream="file-0123456789abcdef", nodes=1)
    messages = list(stream.messages())
    workers.start()
    publish(settings, messages)
    wait_for_truth(settings, stream, workers)
    before = counters(settings)
    publish(settings, messages)
    other = MadeStream(windows=2, stream="file-fedcba9876543210", nodes=1, seed=8)
    publish(settings, other.messages())

    def other_is_done() -> bool:
        workers.revive()
        found = [metric for metric in counters(settings).values() if metric.stream == other.stream]
        return totals(found, other.truth) == other.truth

    wait_for(other_is_done, "the stream after it", seconds=90, every=0.5)
    after = {id_: metric for id_, metric in counters(settings).items() if metric.stream == stream.stream}
    assert after == before


def test_a_capture_that_was_cut_off_is_completed_by_the_next_run(settings: KafkaSettings, workers: Workers) -> None:
    stream = MadeStream(windows=3, stream="file-0123456789abcdef", nodes=1)
    messages = list(stream.messages())
    workers.start()
    publish(settings, messages[: len(messages) // 2])
    publish(settings, messages)
    wait_for_truth(settings, stream, workers)


def test_everything_at_random(
    kafka_engine: Kafka,
    settings: KafkaSettings,
    workers: Workers,
    chaos_seconds: float,
) -> None:
    draw = random.Random(time.time_ns())
    stream = MadeStream(windows=int(chaos_seconds), flows=600)
    workers.start()
    workers.start()
    publishing = publish_slowly(settings, stream, chaos_seconds)
    pause = threading.Event()
    done = []
    while publishing.is_alive():
        workers.revive()
        action = draw.choice(("kill", "terminate", "join", "leave", "broker", "nothing"))
        done.append(action)
        if action == "kill":
            workers.end(draw.choice(workers.processes), signal.SIGKILL)
        elif action == "terminate":
            workers.end(draw.choice(workers.processes), signal.SIGTERM)
        elif action == "join" and len(workers.processes) < 3:
            workers.start()
        elif action == "leave" and len(workers.processes) > 1:
            workers.end(workers.processes[-1], signal.SIGTERM)
        elif action == "broker":
            kafka_engine.stop()
            kafka_engine.start()
            kafka_engine.wait_ready()
        while len(workers.processes) < 1:
            workers.start()
        pause.wait(draw.uniform(1.0, 6.0))
    publishing.join()
    _log.warning("done: %s; left by themselves: %s", ", ".join(done), workers.left)
    wait_for_truth(settings, stream, workers, seconds=180.0)


def test_a_node_that_falls_silent_is_closed_for_and_alerted_on(settings: KafkaSettings, tmp_path: Path) -> None:
    made = MadeStream(windows=3, nodes=2, flows=300)
    silent = made.nodes[1]
    first = made.windows[0]
    heard = [message for message in made.messages() if message[2].node != silent or message[2].window == first]
    workers = Workers(settings, WorkersSettings(scripts=[], node_timeout=5.0, group=settings.prefix), tmp_path)
    try:
        workers.start()
        publish(settings, [message for message in heard if message[2].window < made.windows[2]])
        wait_until_reading(settings, workers)
        # The other node goes on: only the silent one is closed for.
        publish(settings, [message for message in heard if message[2].window == made.windows[2]])

        def closed() -> bool:
            workers.revive()
            windows = {metric.window for metric in counters(settings, "Aggregates").values()}
            return windows == set(made.windows)

        wait_for(closed, "the windows to close without the silent node", seconds=90, every=0.5)
        alerts = [
            alert
            for envelope, records in read_topic(settings, ALERT)
            if not envelope.is_snapshot  # type: ignore[attr-defined]
            for alert in records
        ]
        assert {(alert.type, alert.entity) for alert in alerts} == {("node-silent", silent)}  # type: ignore[attr-defined]
    finally:
        workers.stop()
