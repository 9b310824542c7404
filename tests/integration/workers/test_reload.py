"""Scripts come, change, break, run wild and go while worker processes are in the middle of a stream."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.integration.workers.cluster import Workers, counters, make_topics, publish, read_topic, totals
from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from topics.catalog import ALERT
from topics.records import Alert
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

SOON = 5.0
"""Seconds within which every worker process has to have taken up a change."""

STEADY = """
from tapline import SessionMonitor
class Steady(SessionMonitor):
    def on_new_flow(self, flow): self.count("Steady", "all", flows=1)
    def on_flush(self, flow): self.count("Steady", "flushed", flows=1)
"""
CHANGING = """
import os, pathlib
from tapline import SessionMonitor
class Changing(SessionMonitor):
    version = "{version}"
    def note(self, what): pathlib.Path("{folder}", f"{{self.version}}-{{what}}-{{os.getpid()}}").touch()
    def on_load(self): self.note("loaded")
    def on_unload(self): self.note("unloaded")
    def on_new_flow(self, flow): self.count("Changing", self.version, flows=1)
"""
BAD = {
    "Wild": """
            while True:
                try: pass
                except Exception: pass""",
    "Sleeper": "import time; time.sleep(600)",
    "Hog": "self.hog = bytearray(2 << 30)",
    "Thrower": "raise ValueError(flow.id)",
    "Loud": "print('x' * 1_000_000)",
}
"""What bad scripts do with every flow."""

BAD_SCRIPT = """
import os, pathlib
from tapline import SessionMonitor
class {name}(SessionMonitor):
    def on_load(self): pathlib.Path("{folder}", f"{name}-loaded-{{os.getpid()}}").touch()
    def on_new_flow(self, flow):
        if flow:
            {body}
"""


class Scripts:
    """A folder of scripts that leave notes in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "scripts"
        self.notes = folder / "notes"
        self.folder.mkdir()
        self.notes.mkdir()
        self.write("steady", STEADY)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, version: str) -> None:
        self.write("changing", CHANGING.format(version=version, folder=self.notes))

    def wait_noted(self, what: str, pids: set[int], seconds: float = SOON) -> None:
        def noted() -> bool:
            return {int(path.name.rpartition("-")[2]) for path in self.notes.glob(f"{what}-*")} >= pids

        wait_for(noted, f"{what} by all worker processes", seconds=seconds)


def alerts(kafka: KafkaSettings, kind: str) -> list[Alert]:
    """The alerts of this type published so far."""
    return [
        record
        for _, records in read_topic(kafka, ALERT)
        for record in records
        if isinstance(record, Alert) and record.type == kind
    ]


def counted(kafka: KafkaSettings, group: str) -> dict[str, int]:
    """The flows a script has counted, by key."""
    found: dict[str, int] = {}
    for metric in counters(kafka, group).values():
        found[metric.key] = found.get(metric.key, 0) + int(metric.meters["flows"])
    return found


def test_scripts_change_in_every_worker_within_seconds_and_no_record_is_lost(kafka: str, tmp_path: Path) -> None:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"reload-{time.time_ns()}")
    make_topics(settings)
    scripts = Scripts(tmp_path)
    scripts.change("one")
    workers = Workers(
        settings,
        WorkersSettings(scripts=[str(scripts.folder)], hook_seconds=1.0, group=settings.prefix, commit_interval=0.1),
        tmp_path,
    )
    stream = MadeStream(windows=8, flows=1500)
    messages = list(stream.messages())
    stop = threading.Event()
    proceed = threading.Semaphore(0)
    parts = 8
    size = -(-len(messages) // parts)

    def publish_in_parts() -> None:
        for start in range(0, len(messages), size):
            proceed.acquire()
            if stop.is_set():
                return
            publish(settings, messages[start : start + size])

    publisher = threading.Thread(target=publish_in_parts)
    publisher.start()
    try:
        pids = {workers.start().pid, workers.start().pid}
        scripts.wait_noted("one-loaded", pids, seconds=60)
        proceed.release()
        proceed.release()
        wait_for(lambda: counted(settings, "Changing").get("one"), "the first version to count", seconds=60)

        scripts.change("two")
        scripts.wait_noted("two-loaded", pids)
        scripts.wait_noted("one-unloaded", pids)
        proceed.release()
        proceed.release()
        wait_for(lambda: counted(settings, "Changing").get("two"), "the second version to count", seconds=60)

        broken = scripts.write("changing", "from tapline import SessionMonitor\ndef broken(:\n")
        logs = [tmp_path / f"worker-{number}.log" for number in (0, 1)]
        said = f"the version loaded before runs on: {broken}:2: invalid syntax"
        wait_for(lambda: all(said in log.read_text() for log in logs), "both to say what is wrong", seconds=SOON)
        for name, body in BAD.items():
            scripts.write(name.lower(), BAD_SCRIPT.format(name=name, folder=scripts.notes, body=body))
        for name in BAD:
            scripts.wait_noted(f"{name}-loaded", pids)
        proceed.release()
        proceed.release()
        wait_for(
            lambda: {alert.entity for alert in alerts(settings, "script-suspended")} == set(BAD) - {"Loud"},
            "the bad scripts to be suspended",
            seconds=60,
        )
        wait_for(lambda: alerts(settings, "script-broken"), "the broken file to be alerted", seconds=60)

        (scripts.folder / "changing.py").unlink()
        scripts.wait_noted("two-unloaded", pids)
        proceed.release()
        proceed.release()
        publisher.join(60)

        def complete() -> bool:
            found = counters(settings)
            assert totals(found.values(), stream.truth) == stream.truth
            return True

        wait_for(complete, "the counters to equal the truth", seconds=90, every=1.0)
        flows = sum(stream.announced.values())
        assert counted(settings, "Steady") == {"all": flows, "flushed": flows}, "the others keep their pace"
        seen = counted(settings, "Changing")
        assert set(seen) == {"one", "two"}
        assert 0 < sum(seen.values()) < flows
        assert all(process.poll() is None for process in workers.processes), "no process has left"
        told = {alert.entity: alert.message for alert in alerts(settings, "script-suspended")}
        assert all(f"{scripts.folder / name.lower()}.py:" in message for name, message in told.items())
        assert all("it was called with Flow(id=" in message for message in told.values())
        assert "raise workers.hook_seconds" in told["Wild"]
        assert "raise workers.hook_seconds" in told["Sleeper"]
        assert "raise workers.script_memory_mb" in told["Hog"]
        assert "raised 10 times in a row" in told["Thrower"]
        assert any("Loud printed more than 64 KiB" in log.read_text() for log in logs)
        assert all(log.stat().st_size < 2_000_000 for log in logs)
        one = alerts(settings, "script-broken")
        assert len(one) == 1, "one over all workers"
        assert f"{broken}:2" in one[0].message
    finally:
        stop.set()
        for _ in range(parts):
            proceed.release()
        publisher.join(60)
        workers.stop()
