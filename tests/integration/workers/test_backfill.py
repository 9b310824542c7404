"""`tapline backfill`: scripts over what topics hold; what they emit is published once, however often one asks."""

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
from confluent_kafka import Consumer, TopicPartition

from tapline.demo import DEMO_CAPTURE
from tests.integration.workers.cluster import make_topics, read_topic
from tests.waiting import wait_for
from topics.catalog import ALERT, COUNTER
from topics.settings import KafkaSettings

SCRIPT = """
    from tapline import CounterGroup, Meter, SessionMonitor

    SEEN = CounterGroup("Seen", (Meter("flows"),))

    class Seen(SessionMonitor):
        def on_new_flow(self, flow):
            self.count(SEEN, flow.source_ip, flows=1)
            if flow.destination_port == 22:
                self.alert("ssh", flow, "an SSH session")
"""
ECHO = """
    from tapline import AlertMonitor

    class Note(AlertMonitor):
        def on_load(self):
            self.file = open("noted", "a")
        def on_new_alert(self, alert):
            if alert.type == "ssh":
                print(alert.id, file=self.file, flush=True)
"""


class Lab:
    """Commands in a folder, with topics of their own."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.settings = KafkaSettings(bootstrap=kafka, prefix=f"backfill-{time.time_ns()}", partitions=2)
        self.folder = folder
        self.group = f"{self.settings.prefix}-workers"
        self.environment = os.environ | {
            "TAPLINE_KAFKA__BOOTSTRAP": kafka,
            "TAPLINE_KAFKA__PREFIX": self.settings.prefix,
            "TAPLINE_KAFKA__PARTITIONS": "2",
            "TAPLINE_WORKERS__GROUP": self.group,
        }
        make_topics(self.settings)

    def script(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return str(path)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tapline", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def worker(self) -> Iterator[None]:
        command = [sys.executable, "-m", "tapline", "worker", "--processes", "1"]
        with (
            (self.folder / "worker.log").open("ab") as log,
            subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                process.wait(30)

    def read_to_the_end(self) -> bool:
        """True when the workers have committed all that the alert topic holds."""
        consumer = Consumer(self.settings.client() | {"group.id": self.group, "log_level": 0})
        try:
            name = ALERT.name(self.settings.prefix)
            for place in consumer.committed([TopicPartition(name, number) for number in range(2)], timeout=10):
                end = consumer.get_watermark_offsets(TopicPartition(name, place.partition), timeout=10)[1]
                if end > max(place.offset, 0):
                    return False
            return True
        finally:
            consumer.close()


@pytest.fixture
def lab(kafka: str, tmp_path: Path) -> Lab:
    return Lab(kafka, tmp_path)


def objects(result: subprocess.CompletedProcess[str], kind: str) -> dict[str, object]:
    assert result.returncode == 0, result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return {
        each["record"]["id"]: (each["record"].get("meters") or each["record"]["type"])
        for each in found
        if each["kind"] == kind
    }


def test_what_is_held_gives_what_the_capture_gives_and_is_published_once(lab: Lab) -> None:
    script = lab.script("seen.py", SCRIPT)
    empty = lab("backfill", script)
    assert empty.returncode == 1
    assert "the topics hold nothing" in empty.stderr
    assert lab("capture", "--depth", "light", str(DEMO_CAPTURE)).returncode == 0
    tried = lab("try", "--json", script, str(DEMO_CAPTURE))
    filled = lab("backfill", "--json", script)
    assert objects(filled, "alert") == objects(tried, "alert") != {}
    assert objects(filled, "counter") == objects(tried, "counter") != {}
    assert "1,003 records of 2026-11-21T09:43Z to 2026-11-21T09:48Z" in filled.stderr
    lab.script("scripts/enabled/echo.py", ECHO)
    with lab.worker():
        noted = lab.folder / "noted"
        for _ in range(2):
            published = lab("backfill", "--publish", script)
            assert published.returncode == 0, published.stderr
            assert f"published: {len(objects(filled, 'alert'))} alert, " in published.stderr
        wait_for(lab.read_to_the_end, "the workers to have read everything", seconds=60, every=0.5)
        assert Counter(noted.read_text(encoding="utf-8").split()) == Counter(objects(filled, "alert").keys())
    topic = [record for envelope, records in read_topic(lab.settings, COUNTER) for record in records]
    mine = {record.id: record.meters for record in topic if getattr(record, "group", "") == "Seen"}
    assert mine == objects(filled, "counter")


def test_a_range_takes_the_windows_in_it(lab: Lab) -> None:
    script = lab.script("seen.py", SCRIPT)
    assert lab("capture", "--depth", "light", str(DEMO_CAPTURE)).returncode == 0
    part = lab("backfill", script, "--from", "2026-11-21T09:45", "--to", "2026-11-21T10:47+01:00")
    assert part.returncode == 0
    assert "of 2026-11-21T09:45Z to 2026-11-21T09:47Z" in part.stderr
    outside = lab("backfill", script, "--from", "2020-01-01", "--to", "2020-01-02")
    assert outside.returncode == 1
    assert (
        "the topics hold no whole window of that range: they have 2026-11-21T09:43Z to 2026-11-21T09:48Z"
        in outside.stderr
    )
    wrong = lab("backfill", script, "--from", "yesterday")
    assert wrong.returncode == 2
    assert "'yesterday' is no time" in wrong.stderr
    nothing = lab("backfill", script, "--from", "1m", "--to", "2m")
    assert nothing.returncode == 2
    assert "there is no whole window" in nothing.stderr
