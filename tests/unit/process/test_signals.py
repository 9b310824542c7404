import os
import signal
import subprocess
import sys
import threading

import pytest

from tapline.process.signals import Interrupted, on_stop_signal, told_apart
from tests.waiting import wait_for


def test_a_signal_calls_stop_once_and_a_second_interrupts() -> None:
    stopped = threading.Event()
    calls = []

    def stop() -> None:
        calls.append(1)
        stopped.set()

    before = signal.getsignal(signal.SIGTERM)
    with on_stop_signal(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped.wait(10)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert calls == [1]
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_interrupt_is_told_apart_from_what_only_looks_like_one(interruptible: None) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), told_apart():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_handler_of_somebody_else_stays() -> None:
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        with told_apart():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [1]


def test_a_child_leaves_when_its_parent_is_killed() -> None:
    child = (
        "import os, signal, sys; from tapline.process.signals import leave_with_parent;"
        "leave_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); signal.pause()"
    )
    parent = f"import os, subprocess, sys;subprocess.run([sys.executable, '-c', {child!r}, str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or state(pid) == "Z", "the grandchild to leave")  # noqa: PTH110


def state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
