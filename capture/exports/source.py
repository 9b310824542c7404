"""The two ways in which exporters' datagrams come: from a socket, and from a capture file."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final, Protocol

from msgspec.structs import replace

from capture.network.addresses import Address, plain_address
from capture.network.datagrams import DatagramSocket
from capture.packets.decode import UDP, decode
from capture.packets.files import PacketFile, Progress
from capture.settings import FlowExportSettings
from capture.source import CutShort, Observation, Sink, window_of

Datagram = tuple[bytes, str, int]
"""What was sent, its sender's address, and when it came (epoch microseconds)."""

_BURST: Final = 256
"""How many datagrams are taken at once."""

_WAIT: Final = 0.2
_HOUSEKEEPING: Final = 1.0
_KEPT_EVERY: Final = 0.25
_LAST_ROUNDS: Final = 200
_KEPT: Final = 10_000
_UDP_HEADER: Final = 8
_log = logging.getLogger("tapline.capture")


class Intake(Protocol):
    """What makes records of datagrams."""

    def at(self, now: int) -> None:
        """Live: it is now this time (epoch microseconds)."""

    def take(self, datagrams: Sequence[Datagram]) -> None:
        """Take datagrams, in the order in which they came."""

    def drop(self, datagrams: int) -> None:
        """The kernel has lost so many."""

    def keep(self) -> None:
        """Keep what should survive a restart; called some times a second."""

    def finish(self) -> None:
        """Nothing more comes."""


Opening = Callable[[Observation, Sink, int], Intake]
"""Makes the intake of a source that begins at this time (epoch microseconds)."""


class ExportListener:
    """Datagrams that are sent to an address, until :meth:`stop`. ``port`` is where it listens, 0 before it does.

    Other processes may listen there as well: each exporter comes to one of them.
    """

    def __init__(
        self, observation: Observation, name: str, address: Address, settings: FlowExportSettings, opening: Opening
    ) -> None:
        self.name = name
        self.port = 0
        self._observation = observation
        self._address = address
        self._settings = settings
        self._opening = opening
        self._stopping = False
        self._plain: dict[str, str] = {}

    def run(self, sink: Sink) -> None:
        intake = self._opening(self._observation, sink, _now())
        listener = DatagramSocket(self._address, self._settings.receive_buffer, shared=True)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(listener, selectors.EVENT_READ)
                self.port = listener.port
                _log.info("listening on %s", replace(self._address, port=self.port))
                self._receive(listener, intake, selector)
        finally:
            listener.close()
        intake.finish()
        intake.keep()

    def stop(self) -> None:
        self._stopping = True

    def _receive(self, listener: DatagramSocket, intake: Intake, selector: selectors.BaseSelector) -> None:
        checked = kept = time.monotonic()
        while not self._stopping:
            ready = selector.select(_WAIT)
            intake.at(_now())
            if ready:
                self._take(listener, intake)
            now = time.monotonic()
            if now - kept > _KEPT_EVERY:
                kept = now
                intake.keep()
            if now - checked > _HOUSEKEEPING:
                checked = now
                intake.drop(listener.lost())
        for _ in range(_LAST_ROUNDS):
            if not self._take(listener, intake):
                break
        intake.drop(listener.lost())

    def _take(self, listener: DatagramSocket, intake: Intake) -> bool:
        """Take a burst; False where nothing was left."""
        burst = listener.burst(_BURST)
        now = _now()
        intake.at(now)
        if burst:
            intake.take([(data, self._address_of(sender), now) for data, sender in burst])
        return bool(burst)

    def _address_of(self, sender: str) -> str:
        plain = self._plain.get(sender)
        if plain is None:
            if len(self._plain) >= _KEPT:
                self._plain.clear()
            plain = self._plain[sender] = plain_address(sender)
        return plain


class ExportFile:
    """The datagrams in a capture file, whatever their ports: those of other protocols are no exporters' and ignored.

    They come at the times that stand in the file.
    """

    def __init__(
        self, observation: Observation, name: str, path: str, opening: Opening, progress: Progress | None = None
    ) -> None:
        self.name = name
        self._observation = observation
        self._path = path
        self._opening = opening
        self._progress = progress
        self._stopping = False

    def run(self, sink: Sink) -> None:
        intake: Intake | None = None
        with PacketFile(self._path, stopped=lambda: self._stopping, progress=self._progress) as packets:
            for batch in self._batches(packets, sink):
                if self._stopping:
                    return
                if intake is None:
                    intake = self._opening(self._observation, sink, batch[0][2])
                intake.at(batch[0][2])
                intake.take(batch)
            if self._stopping:
                return
            if intake is not None:
                intake.finish()
        if packets.problem:
            raise CutShort(packets.problem)

    def stop(self) -> None:
        self._stopping = True

    def _batches(self, packets: PacketFile, sink: Sink) -> Iterator[list[Datagram]]:
        """The datagrams that are taken together: not too many, and of one window."""
        batch: list[Datagram] = []
        for received, _, link, buffer, start, end in packets.packets():
            found = _datagram(link, buffer, start, end)
            if isinstance(found, str):
                sink.count(self.name, f"ignored.{found}")
                continue
            if batch and (len(batch) >= _BURST or window_of(received) != window_of(batch[0][2])):
                yield batch
                batch = []
            batch.append((*found, received))
        if batch:
            yield batch


def _datagram(link: int, buffer: bytes, start: int, end: int) -> tuple[bytes, str] | str:
    """What a packet of UDP carries, and its sender; else the reason why it carries nothing."""
    header = decode(link, buffer, start, end)
    if isinstance(header, str):
        return header
    if header.protocol != UDP or not header.transport:
        return "not-udp"
    if header.fragment:
        return "fragment"
    at = start + header.transport
    size = int.from_bytes(buffer[at + 4 : at + 6], "big")
    if size < _UDP_HEADER or at + size > end:
        return "short"
    family = AF_INET if header.version == 4 else AF_INET6
    return buffer[at + _UDP_HEADER : at + size], inet_ntop(family, header.source)


def _now() -> int:
    return time.time_ns() // 1000
