"""Lines in datagrams: RFC 5426."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Final

from capture.settings import SyslogSettings
from capture.source import Sink
from capture.syslog.addresses import Address
from capture.syslog.intake import NAME, Intake
from capture.syslog.producers import plain_address
from capture.syslog.sockets import bound

_LARGEST: Final = 65_535
_BURST: Final = 2_000
_FORCE: Final = 33
"""SO_RCVBUFFORCE of Linux, which Python does not name."""

_ENDING: Final = b"\r\n\0"
_log = logging.getLogger("tapline.capture")


class DatagramListener:
    """A UDP socket: each datagram is one message, whatever line ends stand in it."""

    def __init__(self, address: Address, settings: SyslogSettings, intake: Intake, sink: Sink) -> None:
        self._settings = settings
        self._intake = intake
        self._sink = sink
        self._socket = bound(address, socket.SOCK_DGRAM)
        self._enlarge()
        self._inode = self._socket_inode()
        self._table = Path("/proc/net/udp6" if self._socket.family == socket.AF_INET6 else "/proc/net/udp")
        self._lost = 0
        self._plain: dict[str, str] = {}

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> bool:
        """Take what has come, a burst at most; False where nothing is left."""
        receive, longest = self._socket.recvfrom, self._settings.longest_line
        lines: list[bytes] = []
        sender = ""
        left = _BURST
        cut = empty = 0
        try:
            while left:
                left -= 1
                data, name = receive(_LARGEST)
                if name[0] != sender:
                    if lines:
                        self._take(lines, sender)
                        lines = []
                    sender = name[0]
                line = data.rstrip(_ENDING)
                if len(line) > longest:
                    line = line[:longest]
                    cut += 1
                if line:
                    lines.append(line)
                else:
                    empty += 1
        except BlockingIOError:
            pass
        if lines:
            self._take(lines, sender)
        for counter, amount in (("cut", cut), ("empty", empty)):
            if amount:
                self._sink.count(NAME, counter, amount)
        return not left

    def lost(self) -> int:
        """How many datagrams the kernel has dropped since this was asked last, for want of room."""
        try:
            table = self._table.read_text(encoding="ascii")
        except OSError:
            return 0
        for line in table.splitlines()[1:]:
            words = line.split()
            if words[9] == self._inode:
                total = int(words[12])
                news = (total - self._lost) % (1 << 32)
                self._lost = total
                return news
        return 0

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _take(self, lines: list[bytes], sender: str) -> None:
        peer = self._plain.get(sender)
        if peer is None:
            if len(self._plain) > _BURST:
                self._plain.clear()
            peer = self._plain[sender] = plain_address(sender)
        self._intake.take(lines, peer)

    def _enlarge(self) -> None:
        """Ask the kernel to keep more; only root gets more than net.core.rmem_max."""
        wanted = self._settings.receive_buffer
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _FORCE, wanted)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        # The kernel tells twice what was asked for: the rest is for its own records of the datagrams.
        got = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        if got < wanted:
            _log.warning(
                "the kernel keeps %d bytes of datagrams, not %d: raise it with `sysctl -w net.core.rmem_max=%d`",
                got,
                wanted,
                wanted,
            )

    def _socket_inode(self) -> str:
        link = Path(f"/proc/self/fd/{self._socket.fileno()}")
        try:
            return str(link.stat().st_ino)
        except OSError:
            return ""
