"""The source of events in a file that Suricata goes on writing to."""

from __future__ import annotations

import gzip
import logging
import os
import threading
import time
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from msgspec.structs import replace

from capture.eve import NAME
from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.eve.positions import HEAD, Position, Positions
from capture.source import Confirming, Observation, Sink
from topics.errors import TaplineError
from topics.partitions import digest

_WAIT: Final = 0.1
_KEPT_EVERY: Final = 1.0
_CHUNK: Final = 1 << 18
_COMPRESSED: Final = ".gz"

_log = logging.getLogger("tapline.capture")


class EveFollower:
    """The events of a file as it grows, until :meth:`stop`.

    A file is known by its beginning, not by its name. When another one stands under its name, or it was truncated, its
    rest is read first, from the copy or the renamed file beside it whose name begins alike (also compressed with
    gzip), then those that were written after it, then the new one. A line counts when its end has come.

    How far it was read is kept in the folder ``positions`` when the sink confirms that all of it is safe, and reading
    goes on there. A sink that cannot confirm anything is given all from the file's beginning, and nothing is kept.
    """

    def __init__(self, observation: Observation, path: Path, positions: str) -> None:
        self._observation = observation
        self._path = path
        self._positions = Positions(positions, str(path))
        self._stopped = threading.Event()
        self._kept_at = 0.0
        self._kept: Position | None = None

    @property
    def name(self) -> str:
        """``eve``."""
        return NAME

    def run(self, sink: Sink) -> None:
        reading = _Reading(self._observation, Intake(self._observation, sink, _now()), sink)
        position = self._positions.load() if isinstance(sink, Confirming) else None
        self._kept = position
        reading.position = position or Position(path=str(self._path))
        try:
            while not self._stopped.is_set():
                self._follow(reading, sink)
        except OSError as error:
            raise TaplineError(f"cannot read {error.filename or self._path}: {error.strerror}") from error
        self._keep(reading, sink)

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self, reading: _Reading, sink: Sink) -> None:
        """Read what stands under the name until that is another file."""
        try:
            file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            self._pause(reading, sink)
            return
        with file:
            if not self._begins(file, reading.position) and not self._read_rest(reading, sink):
                sink.count(NAME, "lost-place")
                _log.warning("nothing beside %s begins as what was read: its rest, if any, is not read", self._path)
                reading.leave()
            reading.begin()
            file.seek(reading.position.offset)
            while not self._stopped.is_set():
                data = file.read(_CHUNK)
                if not self._begins(file, reading.position) or os.fstat(file.fileno()).st_size < reading.reached:
                    sink.count(NAME, "truncated")
                    return
                if data:
                    reading.take(data)
                    self._keep(reading, sink, every=_KEPT_EVERY)
                elif not self._is_replaced(file):
                    self._pause(reading, sink)
                else:
                    # What was written until the new file was begun is read, though its name is gone.
                    while data := file.read(_CHUNK):
                        reading.take(data)
                    sink.count(NAME, "rotated")
                    if not self._read_rest(reading, sink):
                        self._leave(reading, sink, self._path.name)
                    return

    def _read_rest(self, reading: _Reading, sink: Sink) -> bool:
        """Read on in the files beside the one under the name, from where it was left; False where none is that one."""
        beside = sorted(self._beside(), key=lambda each: (each[0], each[1].name))
        paths = [path for _, path in beside]
        same = [path for path in paths if _begins(path, reading.position)]
        if not same:
            return False
        # A copy that somebody has made before it was rotated begins alike, too.
        last = same[-1]
        read = {_first(self._path)}
        for path in paths[paths.index(last) :]:
            first = _first(path)
            if path != last and (path in same or first in read):
                continue
            read.add(first)
            try:
                self._read_whole(path, reading, sink)
            except (EOFError, zlib.error) as error:
                sink.count(NAME, "damaged")
                _log.warning("%s is damaged, its rest is not read: %s", path, error)
            if self._stopped.is_set():
                return True
            self._leave(reading, sink, path.name)
        return True

    def _read_whole(self, path: Path, reading: _Reading, sink: Sink) -> None:
        with _opened(path) as file:
            reading.begin()
            file.seek(reading.position.offset)
            while not self._stopped.is_set() and (data := file.read(_CHUNK)):
                reading.take(data)
                self._keep(reading, sink, every=_KEPT_EVERY)

    def _leave(self, reading: _Reading, sink: Sink, name: str) -> None:
        self._keep(reading, sink)
        reading.end(name)

    def _beside(self) -> Iterator[tuple[int, Path]]:
        """The files whose names begin as that of the one that is followed, by when they were last written to."""
        for path in self._path.parent.iterdir():
            if path.name.startswith(self._path.name) and path != self._path and path.is_file():
                yield path.stat().st_mtime_ns, path

    def _is_replaced(self, file: IO[bytes]) -> bool:
        """True when another file stands under the name, and the writer has gone over to it."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(file.fileno())
        return (now.st_dev, now.st_ino) != (own.st_dev, own.st_ino) and now.st_size > 0

    def _begins(self, file: IO[bytes], position: Position) -> bool:
        return not position.is_known or position.begins(os.pread(file.fileno(), position.head, 0))

    def _pause(self, reading: _Reading, sink: Sink) -> None:
        self._keep(reading, sink, every=_KEPT_EVERY)
        self._stopped.wait(_WAIT)
        reading.intake.at(_now())

    def _keep(self, reading: _Reading, sink: Sink, every: float = 0.0) -> None:
        """Keep the position once all before it is safe."""
        if reading.position == self._kept or not reading.position.is_known or not isinstance(sink, Confirming):
            return
        if time.monotonic() - self._kept_at < every:
            return
        if not sink.confirm():
            raise TaplineError(f"Kafka did not take all of {self._path}: run this again, it goes on where that was")
        self._positions.save(reading.position)
        self._kept, self._kept_at = reading.position, time.monotonic()


class _Reading:
    """How far the lines of one file have been taken; ``reached`` is the offset of what was read last."""

    def __init__(self, observation: Observation, intake: Intake, sink: Sink) -> None:
        self.intake = intake
        self.position = Position(path="")
        self.reached = 0
        self._observation = observation
        self._sink = sink
        self._lines = Lines()
        self._head = b""

    def begin(self) -> None:
        """Read on where the position is, whose line begins there."""
        self.reached = self.position.offset
        self._lines = Lines()
        self._head = b""

    def take(self, data: bytes) -> None:
        """Take what comes next in the file."""
        self.intake.at(_now())
        before = self._lines.taken
        self.reached += len(data)
        lines = self._lines.feed(data)
        if not self.position.is_known:
            self._head = (self._head + data)[:HEAD]
        if not lines:
            return
        position = self.position
        if not position.is_known:
            head = self._head[: len(lines[0]) + 1]
            position = replace(position, head=len(head), beginning=sha256(head).hexdigest())
        prefix = digest(self._observation.identity, NAME, position.beginning)[:20]
        self.intake.take(lines, prefix, position.lines + 1, "")
        self.position = replace(
            position, offset=position.offset + self._lines.taken - before, lines=position.lines + len(lines)
        )

    def end(self, name: str) -> None:
        """The file is over: what it ends with has no end."""
        if self._lines.rest:
            self.intake.refuse(self._lines.rest, self.position.lines + 1, f"{name} ends in the middle of a line")
        self.leave()

    def leave(self) -> None:
        """What comes next is another file."""
        self.position = Position(path=self.position.path)
        self.begin()


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == _COMPRESSED else path.open("rb")  # type: ignore[return-value]


def _begins(path: Path, position: Position) -> bool:
    """True where a file begins as the one that was read; what cannot be read does not."""
    try:
        with _opened(path) as file:
            return position.begins(file.read(position.head))
    except (OSError, EOFError, zlib.error):
        return False


def _first(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with _opened(path) as file:
            return file.read(HEAD).partition(b"\n")[0]
    except (OSError, EOFError, zlib.error):
        return b""


def _now() -> int:
    return time.time_ns() // 1000
