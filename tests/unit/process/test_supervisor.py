import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from tapline.process.supervisor import Supervisor
from tests.waiting import wait_for


@contextmanager
def supervised(program: str, count: int = 1, **options: float) -> Iterator[tuple[Supervisor, CollectorRegistry]]:
    registry = CollectorRegistry()
    supervisor = Supervisor(
        lambda number: [sys.executable, "-c", program, str(number)], count, registry=registry, **options
    )
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor, registry
    finally:
        supervisor.stop()
        thread.join(30)
        assert not thread.is_alive()
        assert supervisor.pids == []


WAIT = "import signal; signal.pause()"


def test_children_run_until_it_is_stopped() -> None:
    with supervised(WAIT, 2) as (supervisor, registry):
        wait_for(lambda: len(supervisor.pids) == 2, "two children")
        wait_for(lambda: registry.get_sample_value("tapline_children_running") == 2, "the gauge")
        pids = supervisor.pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_killed_child_is_started_again_and_counted() -> None:
    with supervised(WAIT, first_delay=0.01) as (supervisor, registry):
        (first,) = wait_for(lambda: supervisor.pids, "the first child")
        os.kill(first, signal.SIGKILL)
        (second,) = wait_for(lambda: [pid for pid in supervisor.pids if pid != first], "the second")
        assert second != first
        assert registry.get_sample_value("tapline_child_restarts_total", {"cause": "signal 9"}) == 1


def test_a_child_that_keeps_leaving_is_started_ever_more_slowly(caplog) -> None:
    with supervised("raise SystemExit(3)", first_delay=0.01) as (supervisor, _):
        wait_for(lambda: supervisor.restarts >= 4, "four restarts")
    delays = [record.delay_seconds for record in caplog.records if hasattr(record, "delay_seconds")]
    assert delays[:4] == [0.01, 0.02, 0.04, 0.08]


def test_a_child_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "deaf"
    deaf = (
        "import signal, pathlib; signal.signal(15, signal.SIG_IGN);"
        f"pathlib.Path({str(told)!r}).touch(); [signal.pause() for _ in iter(int, 1)]"
    )
    with supervised(deaf, stop_seconds=0.2) as (supervisor, _):
        wait_for(told.exists, "the child to stop listening")
    assert supervisor.killed == 1
