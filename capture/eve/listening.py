"""The source of events that Suricata sends to a socket."""

from __future__ import annotations

import logging
import selectors
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Final

from capture.eve import NAME
from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.source import Observation, Sink
from topics.errors import TaplineError
from topics.partitions import digest

CONNECTIONS: Final = 64
"""How many may be connected at once; what they keep of lines that have not ended is bounded with them."""

_WAIT: Final = 0.2
_CHUNK: Final = 1 << 18
_BACKLOG: Final = 16
_LAST_ROUNDS: Final = 1000

_log = logging.getLogger("tapline.capture")


class EveListener:
    """The events of those who connect to a Unix socket (``filetype: unix_stream``), until :meth:`stop`.

    ``listening`` is set while the socket is there. What happens to connections is counted as ``connections.…``.
    """

    def __init__(self, observation: Observation, path: Path) -> None:
        self.listening = threading.Event()
        self._observation = observation
        self._path = path
        self._stopping = False
        self._number = 0
        self._prefix = digest(observation.identity, NAME)[:20]

    @property
    def name(self) -> str:
        """``eve``."""
        return NAME

    def run(self, sink: Sink) -> None:
        intake = Intake(self._observation, sink, _now())
        with _bound(self._path) as listener, selectors.DefaultSelector() as selector:
            try:
                selector.register(listener, selectors.EVENT_READ)
                self.listening.set()
                _log.info("listening on %s", self._path)
                while not self._stopping:
                    ready = selector.select(_WAIT)
                    intake.at(_now())
                    for key, _ in ready:
                        if isinstance(key.data, Lines):
                            self._read(key, intake, sink, selector)
                        else:
                            self._accept(listener, sink, selector)
                selector.unregister(listener)
            finally:
                self.listening.clear()
                self._path.unlink(missing_ok=True)
                self._let_go(intake, sink, selector)

    def stop(self) -> None:
        self._stopping = True

    def _accept(self, listener: socket.socket, sink: Sink, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            # Who waited has gone.
            return
        if len(selector.get_map()) > CONNECTIONS:
            connection.close()
            sink.count(NAME, "connections.refused")
            return
        connection.settimeout(0)
        selector.register(connection, selectors.EVENT_READ, Lines())
        sink.count(NAME, "connections.accepted")

    def _read(self, key: selectors.SelectorKey, intake: Intake, sink: Sink, selector: selectors.BaseSelector) -> bool:
        """Take what a connection has, once; False where that is nothing."""
        connection, lines = key.fileobj, key.data
        assert isinstance(connection, socket.socket)
        try:
            data = connection.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            whole = lines.feed(data)
            intake.take(whole, self._prefix, self._number + 1, "")
            self._number += len(whole)
            return True
        selector.unregister(connection)
        connection.close()
        sink.count(NAME, "connections.closed")
        if lines.rest:
            self._number += 1
            intake.refuse(lines.rest, self._number, "the connection ended in the middle of a line")
        return False

    def _let_go(self, intake: Intake, sink: Sink, selector: selectors.BaseSelector) -> None:
        """Take what was sent until now, and close the connections."""
        for key in [key for key in selector.get_map().values() if isinstance(key.data, Lines)]:
            rounds = _LAST_ROUNDS
            while rounds and self._read(key, intake, sink, selector):
                rounds -= 1
            assert isinstance(key.fileobj, socket.socket)
            if key.fileobj.fileno() >= 0:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                sink.count(NAME, "connections.stopped")


def _bound(path: Path) -> socket.socket:
    """A socket that listens under this name; one that nobody listens on any more is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        listener.settimeout(0)
    except OSError as error:
        listener.close()
        why = "a file of that name, or a program that listens there" if path.exists() else error.strerror or str(error)
        raise TaplineError(f"cannot listen on {path}: {why}: choose another path") from error
    return listener


def _is_left(path: Path) -> bool:
    """True for a socket whose listener has gone without removing it."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        return other.connect_ex(str(path)) != 0


def _now() -> int:
    return time.time_ns() // 1000
