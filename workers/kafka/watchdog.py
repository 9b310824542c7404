"""Leaving when nothing moves: an exit heals by replay, a process that stands still heals nothing."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from typing import Any, Final

import faust
from faust.types import TP
from prometheus_client import Gauge

from workers.kafka.agents import PartitionAgents

EXIT_RESTART: Final = 75
"""Exit code of a process that wants to be started again (sysexits EX_TEMPFAIL)."""

LAST_RESORT: Final = 5.0
"""Seconds the watching thread has for leaving in order, before the process is ended without it."""

_log = logging.getLogger(__name__)
_lag = Gauge("tapline_worker_lag_messages", "Messages in Kafka after the last one used.", ["topic", "partition"])


def leave(reason: str) -> None:
    """End the process at once; nothing is lost, since what was not committed is read again."""
    _log.error("leaving to be started again: %s", reason)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_RESTART)


class OffsetWatchdog:
    """Leaves when records wait in a partition and its offset has not moved for the time-out.

    On its way it shows how many wait.
    """

    def __init__(self, app: faust.App, agents: PartitionAgents, timeout: float) -> None:
        self._app = app
        self._agents = agents
        self._timeout = timeout
        self._seen: dict[TP, tuple[int, float]] = {}
        self._shown: dict[TP, str] = {}

    async def check(self) -> None:
        """Compare every partition's end with where its reader stands."""
        running = dict(self._agents.running)
        for tp in self._shown.keys() - running.keys():
            _lag.remove(self._shown.pop(tp), str(tp.partition))
        if not running:
            return
        try:
            ends: Any = await asyncio.wait_for(self._app.consumer.highwaters(*running), self._timeout / 2)
        except TimeoutError:
            return  # Kafka does not answer: waiting is all there is to do
        now = time.monotonic()
        seen = {}
        for tp, partition in running.items():
            last, since = self._seen.get(tp, (-1, now))
            waiting = max(0, (ends.get(tp) or 0) - partition.next_offset)
            kind = self._shown[tp] = partition.stage.topic.kind
            _lag.labels(kind, str(tp.partition)).set(waiting)
            if not waiting or last != partition.steps:
                since = now
            elif now - since > self._timeout:
                leave(f"{tp.topic}[{tp.partition}] stands at {partition.next_offset} while records wait")
            seen[tp] = (partition.steps, since)
        self._seen = seen


class LoopWatchdog:
    """A thread that leaves when the event loop has not run for the time-out, as when a script blocks.

    A thread of Python's cannot run while one call of C code keeps the interpreter lock, as ``sum(range(10**12))``
    does; :data:`LAST_RESORT` seconds later faulthandler's own thread, which needs no lock, ends the process.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._beat = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._stopped.set()
        faulthandler.cancel_dump_traceback_later()

    def beat(self) -> None:
        """Show that the loop runs."""
        self._beat = time.monotonic()
        if not self._stopped.is_set():
            faulthandler.dump_traceback_later(self._timeout + LAST_RESORT, exit=True)

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            silent = time.monotonic() - self._beat
            if silent > self._timeout:
                faulthandler.dump_traceback(all_threads=True)
                leave(f"nothing ran for {silent:.0f} s; the trace above shows what blocks")
