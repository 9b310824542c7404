"""Keeping child processes running."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from tapline.process.health import Health

log = logging.getLogger(__name__)

FIRST_DELAY: Final = 0.5
"""Seconds before a child that left is started again for the first time; doubled each time after that."""

LONGEST_DELAY: Final = 30.0
STEADY: Final = 60.0
"""Seconds a child has to run for its next restart to be prompt again."""


class _Child:
    """One place for a process: the process in it, or when the next one starts."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.watch = -1
        self.started = 0.0
        self.failures = 0
        self.due = 0.0


class Supervisor:
    """Runs ``count`` processes and starts again those that leave, until :meth:`stop`.

    ``command`` gives the arguments of the child with this number. Restarts are delayed, ever longer for
    a child that keeps leaving. Stopping sends SIGTERM to all and, after ``stop_seconds``, SIGKILL.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        *,
        name: str = "worker",
        stop_seconds: float = 15.0,
        first_delay: float = FIRST_DELAY,
        health: Health | None = None,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._command = command
        self._name = name
        self._stop_seconds = stop_seconds
        self._first_delay = first_delay
        self._children = [_Child(number) for number in range(count)]
        self._stopping = False
        self._wake_read, self._wake_write = -1, -1
        self._waking = threading.Lock()
        self._component = (health or Health()).component("supervisor", stall_seconds=30.0)
        self._restarts = Counter(
            "tapline_child_restarts", "Child processes started again, by how they left.", ["cause"], registry=registry
        )
        self._running = Gauge("tapline_children_running", "Child processes that run now.", registry=registry)
        self.restarts = 0
        self.killed = 0

    def run(self) -> None:
        """Start the children and watch over them until :meth:`stop`; all are gone on return."""
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        selector = selectors.DefaultSelector()
        selector.register(self._wake_read, selectors.EVENT_READ, None)
        try:
            while not self._stopping:
                now = time.monotonic()
                for child in self._children:
                    if child.process is None and child.due <= now:
                        self._start(child, selector)
                running = [child for child in self._children if child.process is not None]
                self._running.set(len(running))
                self._component.ready(is_ready=len(running) == len(self._children))
                waiting = [child.due for child in self._children if child.process is None]
                pause = min([10.0, *(max(due - now, 0.0) for due in waiting)])
                for key, _ in selector.select(pause):
                    if key.data is not None:
                        self._left(key.data, selector)
        finally:
            self._end(selector)
            selector.close()
            os.close(self._wake_read)
            with self._waking:
                wake, self._wake_write = self._wake_write, -1
                os.close(wake)

    def stop(self) -> None:
        """Ask :meth:`run` to end the children and return; from any thread."""
        self._stopping = True
        with self._waking:
            if self._wake_write >= 0:
                os.write(self._wake_write, b"x")

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that run now."""
        return [child.process.pid for child in self._children if child.process is not None]

    def _start(self, child: _Child, selector: selectors.BaseSelector) -> None:
        child.process = subprocess.Popen(list(self._command(child.number)), stdin=subprocess.DEVNULL)
        child.watch = os.pidfd_open(child.process.pid)
        child.started = time.monotonic()
        selector.register(child.watch, selectors.EVENT_READ, child)
        log.info("%s started", self._name, extra={"number": child.number, "pid": child.process.pid})

    def _left(self, child: _Child, selector: selectors.BaseSelector) -> None:
        if child.process is None:
            return
        code = child.process.wait()
        selector.unregister(child.watch)
        os.close(child.watch)
        now = time.monotonic()
        child.failures = 0 if now - child.started >= STEADY else child.failures
        delay = min(self._first_delay * 2**child.failures, LONGEST_DELAY)
        child.failures += 1
        child.due = now + delay
        pid, child.process = child.process.pid, None
        cause = f"signal {-code}" if code < 0 else f"code {code}"
        self.restarts += 1
        self._restarts.labels(cause).inc()
        log.warning(
            "%s left, starting it again",
            self._name,
            extra={"number": child.number, "pid": pid, "cause": cause, "delay_seconds": delay},
        )

    def _end(self, selector: selectors.BaseSelector) -> None:
        for child in self._children:
            if child.process is not None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_seconds
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
                self.killed += 1
                log.warning(
                    "%s did not stop and was killed",
                    self._name,
                    extra={"number": child.number, "pid": child.process.pid, "waited_seconds": self._stop_seconds},
                )
            selector.unregister(child.watch)
            os.close(child.watch)
            child.process = None
        self._running.set(0)
        self._component.ready(is_ready=False)


def ourselves(*arguments: str) -> list[str]:
    """The command line of a child that runs this same ``tapline`` with these arguments, and goes when we go."""
    return [sys.executable, "-m", "tapline", "--child-of", str(os.getpid()), *arguments]
