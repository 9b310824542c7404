"""Plain Faust agents: found, given every record, and without any effect on what the monitors count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from confluent_kafka import Producer

from tests.integration.workers.cluster import counters, make_topics, publish, totals
from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from topics.catalog import FLOW
from topics.settings import KafkaSettings

AGENT = """
    import json

    def attach(app, topics):
        file = open("seen.jsonl", "a")

        @app.agent(topics.flow)
        async def write(batches):
            async for flows in batches:
                file.writelines(json.dumps([flow.id, flow.delta_source_bytes]) + "\\n" for flow in flows)
                file.flush()

        @app.agent(topics.counter)
        async def fail(batches):
            async for counters in batches:
                raise ValueError("this one always fails")
"""


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"agents-{time.time_ns()}", partitions=2)
    make_topics(settings)
    return settings


@contextmanager
def worker(settings: KafkaSettings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`tapline worker` with the agents of ``scripts/agents`` in this folder; its log is ``worker.log`` there."""
    environment = os.environ | {
        "TAPLINE_KAFKA__BOOTSTRAP": settings.bootstrap,
        "TAPLINE_KAFKA__PREFIX": settings.prefix,
        "TAPLINE_KAFKA__PARTITIONS": str(settings.partitions),
        "TAPLINE_WORKERS__GROUP": settings.prefix,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "tapline", "worker", "--processes", "1"]
    with (
        (folder / "worker.log").open("ab") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def test_an_agent_gets_every_record_and_the_counters_stay_exact(settings: KafkaSettings, tmp_path: Path) -> None:
    folder = tmp_path / "scripts" / "agents"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(dedent(AGENT), encoding="utf-8")
    stream = MadeStream(windows=3, flows=500, partitions=2, stream="live")
    seen: Counter[str] = Counter()

    def all_seen() -> bool:
        lines = (tmp_path / "seen.jsonl").read_text(encoding="utf-8").splitlines()
        seen.clear()
        seen.update(json.loads(line)[0] for line in lines)
        assert len(seen) == sum(stream.announced.values())
        return True

    with worker(settings, tmp_path):
        wait_for((tmp_path / "seen.jsonl").exists, "the agent to be attached", seconds=60)
        messages = list(stream.messages())
        publish(settings, messages[: len(messages) // 2])
        poison = Producer(settings.client() | {"log_level": 0})
        poison.produce(FLOW.name(settings.prefix), b"no message of ours", partition=0)
        assert poison.flush(30) == 0
        publish(settings, messages[len(messages) // 2 :])
        wait_for(all_seen, "the agent to have got every flow", seconds=60)
        wait_for(
            lambda: totals(counters(settings).values(), stream.truth) == stream.truth,
            "the counters to equal the truth",
            seconds=60,
            every=0.5,
        )
    assert set(seen.values()) == {1}, "nothing was read again without a reason"
    log = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert "this one always fails" in log
    assert "agents do not get a message" in log
