"""A detached process outlives its starter, is found again, and nobody else is signalled in its place."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from tapline.services.processes import DetachedProcess
from tests.waiting import wait_for

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""
HEADLESS = """
import ctypes, signal, threading
threading.Thread(target=signal.pause).start()
print("up", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""
PATIENT = "import signal; print('up', flush=True); signal.pause()"

Start = Callable[[str], DetachedProcess]


def start_in(folder: Path, program: str) -> DetachedProcess:
    process = DetachedProcess(folder / "process.json")
    process.start(
        [sys.executable, "-c", program],
        output=folder / "output",
        folder=folder,
        environment={},
        version="1.0",
        ports={"clients": 4},
    )
    return process


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program and returns when it has written its first line."""

    def start_and_wait(program: str) -> DetachedProcess:
        process = start_in(tmp_path, program)
        wait_for(lambda: "\n" in (tmp_path / "output").read_text(), "the program's first line")
        return process

    yield start_and_wait
    DetachedProcess(tmp_path / "process.json").kill()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_is_found_again_by_its_record(start: Start, tmp_path: Path) -> None:
    start(PATIENT)
    found = DetachedProcess(tmp_path / "process.json").running()
    assert found is not None
    assert psutil.Process(found.pid).cmdline() == [sys.executable, "-c", PATIENT]
    assert found.version == "1.0"
    assert found.ports == {"clients": 4}


def test_it_has_a_session_of_its_own(start: Start) -> None:
    record = start(PATIENT).running()
    assert record is not None
    assert os.getsid(record.pid) == record.pid


def test_it_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    command = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.unit.services.test_processes import PATIENT, start_in
start_in(Path({str(tmp_path)!r}), PATIENT)
"""
    subprocess.run([sys.executable, "-c", command], check=True)
    process = DetachedProcess(tmp_path / "process.json")
    record = process.running()
    try:
        assert record is not None
        assert is_alive(record.pid)
    finally:
        assert process.stop(10)
    assert not is_alive(record.pid)


def test_stop_ends_it_and_forgets_it(start: Start, tmp_path: Path) -> None:
    process = start(PATIENT)
    record = process.running()
    assert record is not None
    assert process.stop(10)
    assert not is_alive(record.pid)
    assert process.running() is None
    assert not (tmp_path / "process.json").exists()
    assert not process.stop(10)


def test_who_does_not_listen_is_killed_when_the_time_is_over(start: Start) -> None:
    process = start(STUBBORN)
    record = process.running()
    assert record is not None
    assert process.stop(0.2)
    assert not is_alive(record.pid)


@pytest.mark.parametrize("end", [lambda it: it.stop(10), lambda it: it.kill()], ids=["stop", "kill"])
def test_its_children_go_with_it(start: Start, tmp_path: Path, end: Callable[[DetachedProcess], bool]) -> None:
    process = start(PARENT)
    child = int((tmp_path / "output").read_text())
    assert is_alive(child)
    assert end(process)
    assert not is_alive(child)


def test_memory_counts_the_children(start: Start, tmp_path: Path) -> None:
    process = start(PARENT)
    record = process.running()
    assert record is not None
    child = int((tmp_path / "output").read_text())
    parts = [psutil.Process(pid).memory_info().rss for pid in (record.pid, child)]
    assert process.resident_bytes() > max(parts)


def test_an_id_given_to_another_process_is_not_signalled(start: Start, tmp_path: Path) -> None:
    running = start(PATIENT).running()
    assert running is not None
    other = tmp_path / "other.json"
    for stale in (
        msgspec.structs.replace(running, started=running.started - 1),
        msgspec.structs.replace(running, boot="another boot"),
    ):
        other.write_bytes(msgspec.json.encode(stale))
        assert DetachedProcess(other).running() is None
        assert not DetachedProcess(other).stop(10)
        assert not DetachedProcess(other).kill()
        assert is_alive(running.pid)


def test_it_is_known_to_have_ended_by_itself(start: Start) -> None:
    process = start(PATIENT)
    record = process.running()
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    wait_for(lambda: process.running() is None, "the end to be seen")


def test_it_runs_as_long_as_one_of_its_threads(start: Start) -> None:
    process = start(HEADLESS)
    record = process.running()
    assert record is not None
    wait_for(lambda: psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE, "the first thread's end")
    assert process.running() == record
    assert process.stop(10)
    assert not psutil.pid_exists(record.pid)


def test_an_unreadable_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "process.json").write_text("{")
    process = DetachedProcess(tmp_path / "process.json")
    assert process.record() is None
    assert process.running() is None
    assert not process.stop(1)
