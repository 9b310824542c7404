"""Lines in datagrams: RFC 5426."""

from __future__ import annotations

from typing import Final

from capture.network.addresses import Address, plain_address
from capture.network.datagrams import DatagramSocket
from capture.settings import SyslogSettings
from capture.source import Sink
from capture.syslog.intake import NAME, Intake

_BURST: Final = 2_000
_ENDING: Final = b"\r\n\0"


class DatagramListener:
    """A UDP socket: each datagram is one message, whatever line ends stand in it."""

    def __init__(self, address: Address, settings: SyslogSettings, intake: Intake, sink: Sink) -> None:
        self._settings = settings
        self._intake = intake
        self._sink = sink
        self._socket = DatagramSocket(address, settings.receive_buffer)
        self._plain: dict[str, str] = {}

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._socket.port

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> bool:
        """Take what has come, a burst at most; False where nothing is left."""
        longest = self._settings.longest_line
        lines: list[bytes] = []
        sender = ""
        cut = empty = 0
        burst = self._socket.burst(_BURST)
        for data, name in burst:
            if name != sender:
                if lines:
                    self._take(lines, sender)
                    lines = []
                sender = name
            line = data.rstrip(_ENDING)
            if len(line) > longest:
                line = line[:longest]
                cut += 1
            if line:
                lines.append(line)
            else:
                empty += 1
        if lines:
            self._take(lines, sender)
        for counter, amount in (("cut", cut), ("empty", empty)):
            if amount:
                self._sink.count(NAME, counter, amount)
        return bool(burst)

    def lost(self) -> int:
        """How many datagrams the kernel has dropped since this was asked last, for want of room."""
        return self._socket.lost()

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
