"""Slow work of scripts off the stream: a pool of threads, and what a window waits for.

A window's jobs begin when they are asked for. Before the window is flushed, and once more after, the
stage waits for those under way; what they returned goes back to the script in the order of asking.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final, NamedTuple

from prometheus_client import Counter

from tapline.script import Script

IDLE_SECONDS: Final = 5.0
"""A thread that has had nothing to do for so long ends."""

jobs_done = Counter("tapline_script_jobs", "Jobs of scripts by how they ended.", ["script", "outcome"])
_here = threading.local()

Work = Callable[..., Any]


class Job(NamedTuple):
    """Work under way, whose it is, and what gets its result."""

    script: Script
    future: Future[Any]
    then: Callable[[Any], None] | None


class JobLimit(RuntimeError):
    """A script asks for more than it may."""


class Waiting(NamedTuple):
    """What a stage waits for before it goes on, and for how many seconds at most."""

    jobs: list[Future[Any]]
    deadline: float

    def over(self) -> bool:
        """True when all is done or the time is up."""
        return time.monotonic() >= self.deadline or all(job.done() for job in self.jobs)

    def wait(self) -> None:
        """Block until then."""
        wait(self.jobs, max(0.0, self.deadline - time.monotonic()))


class JobPool:
    """Threads of one process that do the jobs, at most ``threads`` at a time.

    They are made when there is work and end when there is none. A job that never returns keeps its
    thread, but not the process from ending.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._running = 0
        self._idle = 0
        self._queue: deque[tuple[Future[Any], Work, tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()

    def submit(self, work: Work, arguments: tuple[Any, ...]) -> Future[Any]:
        """Have this done."""
        future: Future[Any] = Future()
        with self._changed:
            self._queue.append((future, work, arguments))
            if self._idle < len(self._queue) and self._running < self._threads:
                self._running += 1
                threading.Thread(target=self._run, name=f"script-job-{self._running}", daemon=True).start()
            self._changed.notify()
        return future

    def _run(self) -> None:
        _here.job = True
        while True:
            with self._changed:
                self._idle += 1
                while not self._queue and self._changed.wait(IDLE_SECONDS):
                    pass
                self._idle -= 1
                if not self._queue:
                    self._running -= 1
                    return
                future, work, arguments = self._queue.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work(*arguments)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the script is told
                future.set_exception(error)
            else:
                future.set_result(result)


def in_job() -> bool:
    """True on a thread that does a job: nothing may be emitted from there."""
    return getattr(_here, "job", False)
