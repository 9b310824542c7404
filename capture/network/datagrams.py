"""A UDP socket that loses as little as it can, and knows what it lost."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Final

from capture.network.addresses import Address
from capture.network.sockets import bound

_LARGEST: Final = 65_535
_MOST_BYTES: Final = 4 * 1024 * 1024
_FORCE: Final = 33
"""SO_RCVBUFFORCE of Linux, which Python does not name."""

_log = logging.getLogger("tapline.capture")


class DatagramSocket:
    """A UDP socket at an address, of whose datagrams the kernel keeps ``receive_buffer`` bytes.

    ``shared`` is as in :func:`~capture.network.sockets.bound`.
    """

    def __init__(self, address: Address, receive_buffer: int, *, shared: bool = False) -> None:
        self._socket = bound(address, socket.SOCK_DGRAM, shared=shared)
        self._enlarge(receive_buffer)
        self._inode = self._socket_inode()
        self._table = Path("/proc/net/udp6" if self._socket.family == socket.AF_INET6 else "/proc/net/udp")
        self._lost = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def burst(self, most: int) -> list[tuple[bytes, str]]:
        """What has come, with the senders' addresses: at most so many datagrams, and about 4 MB."""
        receive = self._socket.recvfrom
        taken: list[tuple[bytes, str]] = []
        left = _MOST_BYTES
        try:
            while len(taken) < most and left > 0:
                data, name = receive(_LARGEST)
                left -= len(data)
                taken.append((data, name[0]))
        except BlockingIOError:
            pass
        return taken

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

    def _enlarge(self, wanted: int) -> None:
        """Ask the kernel to keep more; only root gets more than net.core.rmem_max."""
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
