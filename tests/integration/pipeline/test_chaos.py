"""Everything is killed, stopped and restarted in the middle of a stream; nothing is lost or doubled."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psutil
import pytest
from elasticsearch import Elasticsearch as Client
from elasticsearch.helpers import scan

from exporters.elasticsearch.documents import data_stream
from tapline.commands.holdings import Holdings
from tests.integration.pipeline.stack import Stack, end
from tests.integration.workers.cluster import publish
from tests.integration.workers.stream import MadeStream, Totals

pytestmark = pytest.mark.kill

_log = logging.getLogger(__name__)
SECONDS = float(os.environ.get("TAPLINE_CHAOS_SECONDS", "60"))
OUTAGE = 30.0 if SECONDS >= 120 else 8.0


class Chaos:
    """What can be done to a stack while a stream runs through it; each act is undone or replaced."""

    def __init__(self, stack: Stack, draw: random.Random) -> None:
        self.stack = stack
        self.draw = draw
        self.workers = [stack.start("workers", "worker", "--processes", "2")]
        self.exporter = stack.start("exporter", "export", "elasticsearch")
        self.pause = threading.Event()
        self.done: list[str] = []

    def act(self) -> None:
        """Do one thing."""
        acts: list[Callable[[], None]] = [
            self.kill_a_worker,
            self.terminate_a_worker,
            self.join_or_leave,
            self.kill_the_exporter,
            self.restart_kafka,
            self.stop_elasticsearch,
        ]
        act = self.draw.choice(acts)
        self.done.append(act.__name__)
        act()

    def kill_a_worker(self) -> None:
        self._signal_a_worker(signal.SIGKILL)

    def terminate_a_worker(self) -> None:
        self._signal_a_worker(signal.SIGTERM)

    def join_or_leave(self) -> None:
        if len(self.workers) == 1:
            self.workers.append(self.stack.start("workers-joining", "worker", "--processes", "1"))
        else:
            end(self.workers.pop())

    def kill_the_exporter(self) -> None:
        self.exporter.kill()
        self.exporter.wait()
        self.exporter = self.stack.start("exporter", "export", "elasticsearch")

    def restart_kafka(self) -> None:
        self.stack.kafka.stop()
        self.stack.kafka.start()
        self.stack.kafka.wait_ready()

    def stop_elasticsearch(self) -> None:
        self.stack.elasticsearch.stop()
        self.pause.wait(OUTAGE)
        self.stack.elasticsearch.start()
        self.stack.elasticsearch.wait_ready()

    def mend(self) -> None:
        """Start what left because what it needs was not there: a user's supervisor would do that."""
        if self.exporter.poll() is not None:
            self.exporter = self.stack.start("exporter", "export", "elasticsearch")
        for number, process in enumerate(self.workers):
            if process.poll() is not None:
                self.workers[number] = self.stack.start("workers", "worker", "--processes", "2")

    def stop(self) -> None:
        for process in (*self.workers, self.exporter):
            if process.poll() is None:
                end(process)

    def _signal_a_worker(self, how: signal.Signals) -> None:
        children = [child for process in self.workers for child in _children(process)]
        if children:
            self.draw.choice(children).send_signal(how)


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def held(client: Client, namespace: str, stream: MadeStream) -> Totals:
    """The counters that Elasticsearch holds, in the shape of the stream's truth."""
    groups = sorted({group for _, group, _ in stream.truth})
    query: dict[str, Any] = {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"tapline.stream": stream.stream}},
                    {"terms": {"tapline.counter.group": groups}},
                ]
            }
        }
    }
    found: Totals = {}
    for hit in scan(client, index=data_stream("counter", namespace).name, query=query, size=2000):
        tapline = hit["_source"]["tapline"]
        counter = tapline["counter"]
        window = round(datetime.fromisoformat(tapline["window"]).timestamp())
        place = (window, counter["group"], counter["key"])
        assert place not in found, f"{place} is there twice"
        found[place] = {name: int(counter["meter"][name]) for name in ("bytes", "packets", "flows")}
    return found


def test_everything_at_random_the_whole_way(stack: Stack) -> None:
    seed = time.time_ns()
    draw = random.Random(seed)
    stream = MadeStream(windows=int(SECONDS), flows=200)
    messages = list(stream.messages())
    chaos = Chaos(stack, draw)
    steps = int(SECONDS)
    size = -(-len(messages) // steps)

    def feed() -> None:
        for start in range(0, len(messages), size):
            publish(stack.configuration.kafka, messages[start : start + size])
            chaos.pause.wait(1.0)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        chaos.pause.wait(10.0)
        while feeding.is_alive():
            chaos.act()
            chaos.pause.wait(draw.uniform(1.0, 8.0))
            chaos.mend()
        feeding.join()
        _log.warning("seed %d, done: %s", seed, ", ".join(chaos.done))
        _until_done(stack, chaos)
        with Holdings(stack.configuration.elasticsearch) as holdings:
            holdings.refresh()
            documents = holdings.documents(stream.stream)
            total = holdings.total(stream.stream, "network.bytes")
        announced = sum(stream.announced.values())
        assert documents[data_stream("flow", stack.namespace).name] == announced
        truth = sum(meters["bytes"] for (_, group, _), meters in stream.truth.items() if group == "Aggregates")
        assert total == truth
        with Client(stack.elasticsearch.address) as client:
            assert held(client, stack.namespace, stream) == stream.truth
    finally:
        feeding.join()
        chaos.stop()


def _until_done(stack: Stack, chaos: Chaos) -> None:
    deadline = time.monotonic() + 300
    while stack.waiting():
        assert time.monotonic() < deadline, f"{stack.waiting()} messages still wait"
        chaos.mend()
        chaos.pause.wait(1.0)
