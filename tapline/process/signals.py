"""Stopping in order when the process is asked to."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

_PR_SET_PDEATHSIG: Final = 1


class Interrupted(KeyboardInterrupt):
    """The user wants it to end: a :class:`KeyboardInterrupt` of a script's own is an error of the script."""


@contextmanager
def told_apart() -> Iterator[None]:
    """Within the block, SIGINT raises :class:`Interrupted` where Python would raise :class:`KeyboardInterrupt`."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def on_stop_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGTERM and SIGINT call ``stop`` once, from a thread of its own.

    ``stop`` may therefore take locks. A second signal raises :class:`Interrupted` in the main
    thread, for those who will not wait. The previous handlers come back at the end of the block.
    """
    asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    seen = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise Interrupted
        asked.put(stop)

    def watch() -> None:
        wanted = asked.get()
        if wanted is not None:
            wanted()

    previous = {number: signal.signal(number, handle) for number in STOPPING}
    thread = threading.Thread(target=watch, name="stop-signal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        asked.put(None)
        thread.join(timeout=5)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def leave_with_parent(parent: int) -> None:
    """Have the kernel send this process SIGTERM when its parent, process ``parent``, is gone.

    Without it, the children of a supervisor that was killed would go on by themselves.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
