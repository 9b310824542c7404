"""Slow work of scripts: done off the stream, its results back in order, and what goes wrong with it said."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from workers.pipeline import Pipeline
from workers.scripting.jobs import JobPool
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings

STREAM = MadeStream(windows=2, flows=10, nodes=1, partitions=1, stream="file-0123456789abcdef")


def run(folder: Path, text: str, **settings: float) -> Pipeline:
    path = folder / "it.py"
    path.write_text("import time\nfrom tapline import EngineMonitor, SessionMonitor\n" + dedent(text), encoding="utf-8")
    pipeline = Pipeline(load_files([path], {}), 1, settings=WorkersSettings(scripts=[], **settings))  # type: ignore[arg-type]
    with pipeline:
        pipeline.feed(STREAM.messages())
    return pipeline


def test_results_come_back_in_the_order_of_asking_before_the_flush(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = run(
        tmp_path,
        """
        class Slow(SessionMonitor):
            def on_load(self): self.asked = []
            def on_new_flow(self, flow):
                self.asked.append(flow.flow_id)
                self.run_async(self.work, len(self.asked), flow.flow_id, then=self.done)
            @staticmethod
            def work(number, flow_id):
                time.sleep(0.02 if number % 2 else 0)
                return flow_id
            def done(self, flow_id):
                print(self.asked.pop(0) == flow_id, self.now)
                self.alert("done", None, flow_id)
            def on_begin_flush(self, window): print("begin", window)
        """,
    )
    assert capsys.readouterr().out.splitlines() == [
        line for window in STREAM.windows for line in [f"True {(window + 60) * 1_000_000}"] * 10 + [f"begin {window}"]
    ]
    alerts = pipeline.published["alert"]
    assert len(alerts) == 20
    assert {alert.window for alert in alerts} == set(STREAM.windows)
    assert pipeline.errors == []


def test_what_is_asked_for_while_flushing_or_in_a_result_belongs_to_the_window_as_well(tmp_path: Path) -> None:
    pipeline = run(
        tmp_path,
        """
        class Poll(EngineMonitor):
            def on_begin_flush(self, window): self.run_async(lambda: 1, then=self.first)
            def first(self, value): self.run_async(lambda: value + 1, then=self.second)
            def second(self, value): self.count("Polled", "it", value=value)
        """,
    )
    polled = [metric for metric in pipeline.published["counter"] if metric.group == "Polled"]
    assert [(metric.window, metric.meters) for metric in polled] == [(w, {"value": 2}) for w in STREAM.windows]


def test_a_job_that_raises_is_an_error_of_its_script_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = run(
        tmp_path,
        """
        class Bad(SessionMonitor):
            def on_begin_flush(self, window): self.run_async(self.work, then=print)
            def work(self):
                return 1 / 0
        """,
    )
    assert [(error.script, error.hook, type(error.error)) for error in pipeline.errors] == [
        ("Bad", "run_async", ZeroDivisionError)
    ] * 2
    assert pipeline.errors[0].place.endswith("it.py:7")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", ["self.alert('a', None, 'b')", "self.count('A', 'b', c=1)", "self.run_async(print)"])
def test_work_cannot_emit_and_says_what_to_do(tmp_path: Path, what: str) -> None:
    pipeline = run(
        tmp_path,
        f"""
        class Bad(SessionMonitor):
            def on_begin_flush(self, window): self.run_async(self.work)
            def work(self): {what}
        """,
    )
    assert {str(error.error) for error in pipeline.errors} == {
        "work given to run_async cannot emit: return a value, and emit in `then`"
    }
    assert pipeline.published["alert"] == []


def test_a_window_does_not_wait_for_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = run(
        tmp_path,
        """
        import threading
        never = threading.Event()
        class Hangs(SessionMonitor):
            def on_begin_flush(self, window):
                self.run_async(never.wait, then=lambda _: print("never"))
                self.run_async(str, "x", then=print)
            def on_unload(self): never.set()
        """,
        async_seconds=0.3,
    )
    assert capsys.readouterr().out.split() == ["x", "x"], "the others get their results"
    assert [(error.hook, str(error.error)) for error in pipeline.errors] == [
        ("run_async", "the window does not wait longer for a job (workers.async_seconds)")
    ] * 2
    assert {metric.window for metric in pipeline.published["counter"]} == set(STREAM.windows)


def test_a_script_may_ask_for_so_many_jobs_in_a_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = run(
        tmp_path,
        """
        class Greedy(SessionMonitor):
            def on_new_flow(self, flow): self.run_async(int, then=print)
        """,
        async_queue=4,
    )
    assert capsys.readouterr().out.split() == ["0"] * 8, "the same in each window"
    assert len(pipeline.errors) == 12
    assert "raise workers.async_queue" in str(pipeline.errors[0].error)


def test_threads_are_made_for_work_and_never_more_than_allowed() -> None:
    pool = JobPool(2)
    gate = threading.Event()
    seen: set[str] = set()

    def work() -> None:
        seen.add(threading.current_thread().name)
        gate.wait(10)

    jobs = [pool.submit(work, ()) for _ in range(6)]
    wait_for(lambda: len(seen) == 2, "both threads to work")
    gate.set()
    assert not wait(jobs, 10).not_done
    assert len(seen) == 2
