"""Lines in connections: RFC 6587, and RFC 5425 over TLS."""

from __future__ import annotations

import contextlib
import logging
import resource
import selectors
import socket
import ssl
import time
from typing import Final

from capture.network.addresses import Address, plain_address
from capture.network.sockets import bound
from capture.settings import SyslogSettings
from capture.source import Sink
from capture.syslog.framing import BrokenFrame, Framer
from capture.syslog.intake import NAME, Intake
from capture.syslog.sockets import tls_context

_CHUNK: Final = 64 * 1024
_ROUNDS: Final = 16
_BACKLOG: Final = 128
_SLOW: Final = 30.0
"""How many seconds a sender has to finish a message or a handshake that it has begun."""

_FILES_OF_OTHERS: Final = 200
"""How many open files the rest of the process may have."""

_log = logging.getLogger("tapline.capture")


class StreamListener:
    """A TCP or TLS socket, and its connections.

    A connection beyond ``connections`` is closed at once. One is let go after ``idle_seconds`` without a message, or
    when a message that it has begun is not whole in 30 seconds. What happens to connections is counted as
    ``connections.…``.
    """

    def __init__(
        self,
        address: Address,
        settings: SyslogSettings,
        intake: Intake,
        sink: Sink,
        selector: selectors.BaseSelector,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._sink = sink
        self._selector = selector
        self._context = tls_context(settings) if address.transport == "tls" else None
        _allow_files(settings.connections)
        self._socket = bound(address, socket.SOCK_STREAM)
        self._socket.listen(_BACKLOG)
        self._connections: set[Connection] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def fileno(self) -> int:
        """The listening socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> bool:
        """Take one connection that waits; False where none does."""
        try:
            accepted, name = self._socket.accept()
        except OSError:
            # Nobody waits any more, or there are too many open files: the next one may find room.
            return False
        if len(self._connections) >= self._settings.connections:
            accepted.close()
            self._sink.count(NAME, "connections.refused")
            return True
        accepted.settimeout(0)
        if self._context is not None:
            accepted = self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        connection = Connection(accepted, plain_address(name[0]), self._settings, self._intake, self._sink)
        self._connections.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._sink.count(NAME, "connections.accepted")
        return True

    def serve(self, connection: Connection) -> bool:
        """Read from a connection that has something; False where nothing is left for now."""
        more = connection.read()
        if connection.ended:
            self._close(connection, connection.ended)
        elif connection.writes != bool(self._selector.get_key(connection).events & selectors.EVENT_WRITE):
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.writes else 0)
            self._selector.modify(connection, wanted, connection)
        return more and not connection.ended

    def sweep(self) -> None:
        """Let go who is silent or slow."""
        now = time.monotonic()
        for connection in list(self._connections):
            if now - connection.since > (_SLOW if connection.waits else self._settings.idle_seconds):
                self._close(connection, "slow" if connection.waits else "idle")

    def close(self) -> None:
        """Listen no more, and let everybody go; what they have sent so far is taken."""
        self._socket.close()
        for connection in list(self._connections):
            rounds = _ROUNDS
            while not connection.ended and rounds and connection.read():
                rounds -= 1
            self._close(connection, connection.ended or "stopped")

    def _close(self, connection: Connection, why: str) -> None:
        self._selector.unregister(connection)
        self._connections.discard(connection)
        connection.close(why)
        self._sink.count(NAME, f"connections.{why}")


class Connection:
    """One sender.

    ``ended`` says how it has ended: ``closed``, ``broken`` (its messages cannot be told apart), ``tls`` (no
    handshake) or ``reset``; empty while it goes on. ``since`` is when it last began or finished a message.
    """

    def __init__(
        self, accepted: socket.socket, peer: str, settings: SyslogSettings, intake: Intake, sink: Sink
    ) -> None:
        self.ended = ""
        self.writes = False
        self.since = time.monotonic()
        self._socket = accepted
        self._peer = peer
        self._intake = intake
        self._sink = sink
        self._framer = Framer(settings.longest_line)
        self._shakes_hands = isinstance(accepted, ssl.SSLSocket)

    @property
    def waits(self) -> bool:
        """True while it is in the middle of a message or of its handshake."""
        return self._shakes_hands or self._framer.pending

    @property
    def buffered(self) -> bool:
        """True while TLS holds bytes that the descriptor does not show."""
        return not self.ended and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> bool:
        """Take what has come, once; False where nothing is left for now."""
        self.writes = False
        try:
            if self._shakes_hands:
                assert isinstance(self._socket, ssl.SSLSocket)
                self._socket.do_handshake()
                self._shakes_hands = False
                self.since = time.monotonic()
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except ssl.SSLWantWriteError:
            self.writes = True
            return False
        except ssl.SSLEOFError:
            data = b""
        except ssl.SSLError as error:
            if not self._shakes_hands:
                self.ended = "reset"
                return False
            self.ended = "tls"
            _log.warning("no TLS with %s: %s", self._peer, error.reason or error)
            return False
        except OSError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
            return False
        self._feed(data)
        return not self.ended

    def close(self, why: str) -> None:
        """Take the last message where it needs no end, refuse half a one."""
        lines, rest = self._framer.end()
        if why == "slow":
            lines, rest = [], b"".join(lines) or rest
        if lines:
            self._intake.take(lines, self._peer)
        if rest:
            self._intake.refuse(rest, "incomplete", f"{self._peer} ended ({why}) in the middle of a message")
        with contextlib.suppress(OSError):
            self._socket.close()

    def _feed(self, data: bytes) -> None:
        framer = self._framer
        goes_on = framer.pending
        try:
            lines = framer.feed(data)
        except BrokenFrame as broken:
            lines, rest = broken.args
            self.ended = "broken"
            if lines:
                self._intake.take(lines, self._peer)
            self._intake.refuse(rest, "framing", f"{self._peer} counts octets, and here is no length")
            return
        for counter in ("cut", "empty"):
            amount = getattr(framer, counter)
            if amount:
                self._sink.count(NAME, counter, amount)
                setattr(framer, counter, 0)
        if lines:
            self._intake.take(lines, self._peer)
        if lines or not (goes_on and framer.pending):
            self.since = time.monotonic()


def _allow_files(connections: int) -> None:
    """Have the process allowed as many open files as it may have connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FILES_OF_OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning("only %d files may be open, too few for %d connections: raise `ulimit -n`", allowed, connections)
