"""Live tsharks that follow each other, since one never gives back the memory of what it has seen."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from capture.tshark.process import Pipeline

MOST: Final = 512 * 1024 * 1024
"""Bytes that a tshark may hold before another one takes its place; it begins with some 200 MB."""

_LOOKED_EVERY: Final = 5.0
_YOUNGEST: Final = 60.0
_PATIENCE: Final = 30.0
_AHEAD_MS: Final = 1_000
_CHUNK: Final = 1 << 16
_SO_TIMESTAMP: Final = 29
"""Linux's number, which the socket module does not name."""

_CAPTURES: Final = "File:"
"""What dumpcap says once it captures."""

_FRAME: Final = b'{"timestamp":"'
_CONTENT: Final = b'{"tapline":"content"'

_log = logging.getLogger("tapline.capture")


class RenewedPipeline:
    """What one pipeline after the other prints; to be used as a :class:`~capture.tshark.process.Pipeline` is.

    When the last command of one holds more than :data:`MOST` bytes, the next one is started beside it. Once both
    capture, a moment is chosen that is still to come: frames before it are those of the one, all others those of
    the next. So each frame is there once. ``renewed`` is called between the two, with what the first command of the
    one has said.
    """

    def __init__(self, commands: Sequence[Sequence[str]], renewed: Callable[[list[str]], None]) -> None:
        self._commands = commands
        self._renewed = renewed
        self._current = Pipeline(commands)
        self._next: Pipeline | None = None
        self._began = self._looked = time.monotonic()
        self._from = 0
        self._until = 0
        self._stopping = False
        self._stamping: socket.socket | None = None

    def __enter__(self) -> Self:
        self._current.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._overlap_ended()
        for pipeline in (self._current, self._next):
            if pipeline is not None:
                pipeline.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Let all end; from any thread, also before the start."""
        self._stopping = True
        for pipeline in (self._current, self._next):
            if pipeline is not None:
                pipeline.stop()

    def finish(self) -> list[tuple[int, list[str]]]:
        """Wait for the last one to end, as :meth:`~capture.tshark.process.Pipeline.finish` does."""
        return self._current.finish()

    def lines(self) -> Iterator[bytes]:
        """What is printed, until the last one ends."""
        while True:
            yield from self._kept(self._printed())
            following = self._next
            if following is None:
                return
            if not self._until:
                # It was stopped before anything of the next was needed.
                following.kill()
                following.finish()
                self._next = None
                return
            self._overlap_ended()
            endings = self._current.finish()
            self._current, self._next = following, None
            self._from, self._until = self._until, 0
            self._began = time.monotonic()
            self._renewed(endings[0][1])

    def _printed(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._current.chunks(_CHUNK):
            self._look()
            if chunk:
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        if rest:
            yield rest

    def _overlap_ended(self) -> None:
        if self._stamping is not None:
            self._stamping.close()
            self._stamping = None

    def _kept(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The lines but those of frames that another one tells of; what a frame carries comes before it."""
        content = b""
        for line in lines:
            if line.startswith(_CONTENT):
                content = line
            elif line.startswith(_FRAME):
                moment = int(line[len(_FRAME) : line.index(b'"', len(_FRAME))])
                if moment >= self._from and not (self._until and moment >= self._until):
                    if content:
                        yield content
                    yield line
                content = b""
            else:
                yield line

    def _look(self) -> None:
        now = time.monotonic()
        following = self._next
        if following is None:
            if self._stopping or now - self._looked < _LOOKED_EVERY:
                return
            self._looked = now
            if now - self._began > _YOUNGEST and self._current.held() > MOST:
                self._begin(now)
        elif not self._until:
            if any(_CAPTURES in line for line in following.said()):
                self._until = time.time_ns() // 1_000_000 + _AHEAD_MS
            elif now - self._looked > _PATIENCE:
                _log.warning("another tshark did not begin to capture in %.0f s: it is tried again", _PATIENCE)
                following.kill()
                following.finish()
                self._overlap_ended()
                self._next, self._began = None, now
        elif time.time_ns() // 1_000_000 > self._until + _AHEAD_MS and not self._current.stopping:
            # All frames before the moment were captured; what is under way is still printed.
            self._current.stop()

    def _begin(self, now: float) -> None:
        # While somebody wants to know when packets came, the kernel stamps each once, for all who capture.
        self._stamping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stamping.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
        following = Pipeline(self._commands)
        following.__enter__()
        self._next, self._looked = following, now
        if self._stopping:
            following.stop()
