"""The source of syslog lines."""

from __future__ import annotations

import logging
import selectors
import time
from datetime import tzinfo
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from capture.chunks import Chunks
from capture.network.addresses import Address
from capture.packets.files import Progress
from capture.settings import SyslogSettings
from capture.source import Observation, Sink
from capture.syslog.datagrams import DatagramListener
from capture.syslog.framing import Framer
from capture.syslog.intake import NAME, Intake
from capture.syslog.streams import Connection, StreamListener

_WAIT: Final = 0.2
_HOUSEKEEPING: Final = 1.0
_LAST_ROUNDS: Final = 1000
_log = logging.getLogger("tapline.capture")


class SyslogListener:
    """Lines that are sent to an address, until :meth:`stop`. ``port`` is where it listens, 0 before it does."""

    def __init__(self, observation: Observation, address: Address, settings: SyslogSettings, zone: tzinfo) -> None:
        self.port = 0
        self._observation = observation
        self._address = address
        self._settings = settings
        self._zone = zone
        self._stopping = False

    @property
    def name(self) -> str:
        """``syslog``."""
        return NAME

    def run(self, sink: Sink) -> None:
        intake = Intake(self._observation, self._settings, self._zone, sink, _now())
        with selectors.DefaultSelector() as selector:
            if self._address.transport == "udp":
                datagrams = DatagramListener(self._address, self._settings, intake, sink)
                try:
                    selector.register(datagrams, selectors.EVENT_READ)
                    self._listens(datagrams.port)
                    self._receive(datagrams, intake, selector)
                finally:
                    datagrams.close()
            else:
                streams = StreamListener(self._address, self._settings, intake, sink, selector)
                try:
                    selector.register(streams, selectors.EVENT_READ)
                    self._listens(streams.port)
                    self._serve(streams, intake, selector)
                    selector.unregister(streams)
                finally:
                    streams.close()
        intake.finish()

    def stop(self) -> None:
        self._stopping = True

    def _listens(self, port: int) -> None:
        self.port = port
        _log.info("listening on %s", replace(self._address, port=port))

    def _receive(self, listener: DatagramListener, intake: Intake, selector: selectors.BaseSelector) -> None:
        checked = time.monotonic()
        while not self._stopping:
            ready = selector.select(_WAIT)
            intake.at(_now())
            if ready:
                listener.read()
            if time.monotonic() - checked > _HOUSEKEEPING:
                checked = time.monotonic()
                intake.drop(listener.lost())
        for _ in range(_LAST_ROUNDS):
            if not listener.read():
                break
        intake.drop(listener.lost())

    def _serve(self, listener: StreamListener, intake: Intake, selector: selectors.BaseSelector) -> None:
        checked = time.monotonic()
        while not self._stopping:
            ready = selector.select(_WAIT)
            intake.at(_now())
            for key, _ in ready:
                if isinstance(key.data, Connection):
                    # TLS may hold more than the socket shows.
                    while listener.serve(key.data) and key.data.buffered:
                        pass
                else:
                    listener.read()
            if time.monotonic() - checked > _HOUSEKEEPING:
                checked = time.monotonic()
                listener.sweep()


class SyslogFile:
    """The lines of a file, each of which ends with LF, or of standard input (``-``)."""

    def __init__(
        self,
        observation: Observation,
        path: str,
        settings: SyslogSettings,
        zone: tzinfo,
        progress: Progress | None = None,
    ) -> None:
        self._observation = observation
        self._path = path
        self._settings = settings
        self._zone = zone
        self._chunks = Chunks(path, is_file=observation.is_file, progress=progress)

    @property
    def name(self) -> str:
        """``syslog``."""
        return NAME

    def run(self, sink: Sink) -> None:
        is_file = self._observation.is_file
        received = Path(self._path).stat().st_mtime_ns // 1000 if is_file else _now()
        intake = Intake(self._observation, self._settings, self._zone, sink, received)
        framer = Framer(self._settings.longest_line, by_line=True)
        for chunk in self._chunks:
            if not is_file:
                intake.at(_now())
            if chunk:
                intake.take(framer.feed(chunk), "")
        if self._chunks.stopping and is_file:
            return
        lines, _ = framer.end()
        intake.take(lines, "")
        for counter in ("cut", "empty"):
            amount = getattr(framer, counter)
            if amount:
                sink.count(NAME, counter, amount)
        intake.finish()

    def stop(self) -> None:
        self._chunks.stop()


def _now() -> int:
    return time.time_ns() // 1000
