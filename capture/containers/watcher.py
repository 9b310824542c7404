"""Keeps a table of containers up to date."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from capture.containers.daemon import PROBLEMS, Daemon, Events
from capture.containers.table import ContainerTable, described

_SHORTEST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_GONE: Final = frozenset({"die", "destroy"})
_NEWS: Final = frozenset({"start", "rename", "update"})
_OF_NETWORKS: Final = frozenset({"connect", "disconnect"})
_log = logging.getLogger("tapline.capture")


class ContainerWatcher:
    """Follows a daemon in a thread of its own, from :meth:`start` to :meth:`stop`.

    Where the daemon is not there or goes away, the table stays as it is, and the daemon is looked for again until it
    is back; then everything is read anew. ``count`` takes what happened: ``docker.read`` and ``docker.lost``.
    """

    def __init__(self, socket: str, table: ContainerTable, count: Callable[[str, int], None]) -> None:
        self.known = threading.Event()
        self._socket = socket
        self._table = table
        self._count = count
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._events: Events | None = None
        self._thread = threading.Thread(target=self._run, name="containers", daemon=True)

    def start(self, wait: float) -> None:
        """Begin; wait for the containers that run for ``wait`` seconds at most."""
        self._thread.start()
        self.known.wait(wait)

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        with self._lock:
            if self._events is not None:
                self._events.close()
        self._thread.join()

    def _run(self) -> None:
        wait, told = _SHORTEST_WAIT, False
        while not self._stopping.is_set():
            self.known.clear()
            try:
                self._follow()
                why = "it ended the connection"
            except PROBLEMS as error:
                why = str(error)
            if self._stopping.is_set():
                return
            if self.known.is_set():
                wait, told = _SHORTEST_WAIT, False
            if not told:
                told = True
                _log.warning("no Docker at %s (%s): flows name the containers that were known", self._socket, why)
            self._count("docker.lost", 1)
            self._stopping.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _follow(self) -> None:
        """Read all containers, then what happens to them, until the connection ends."""
        with contextlib.closing(Daemon(self._socket)) as daemon, contextlib.closing(daemon.events()) as events:
            with self._lock:
                if self._stopping.is_set():
                    return
                self._events = events
            try:
                self._table.replace(described(each) for each in daemon.running())
                self._count("docker.read", 1)
                self.known.set()
                _log.info("containers of %s have %d addresses", self._socket, len(self._table))
                for event in events:
                    self._take(daemon, event)
            finally:
                with self._lock:
                    self._events = None

    def _take(self, daemon: Daemon, event: Mapping[str, Any]) -> None:
        kind, action, actor = event.get("Type"), str(event.get("Action", "")), event.get("Actor") or {}
        identity = str(actor.get("ID", ""))
        if kind == "network" and action in _OF_NETWORKS:
            identity = str((actor.get("Attributes") or {}).get("container", ""))
        elif kind != "container" or action not in _NEWS | _GONE:
            return
        if action in _GONE:
            self._table.remove(identity)
            return
        inspected = daemon.inspect(identity) if identity else None
        if inspected is not None:
            self._table.put(*described(inspected))
