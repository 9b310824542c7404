"""The source of events in a file that Suricata goes on writing to."""

from __future__ import annotations

import gzip
import logging
import os
import re
import threading
import time
import zlib
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from msgspec.structs import replace

from capture.eve import NAME
from capture.eve.errors import EveError
from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.eve.positions import HEAD, Position, Positions
from capture.eve.times import moment
from capture.source import Confirming, Observation, Sink, confirming
from capture.unpublished import Unpublished
from topics.errors import TaplineError
from topics.partitions import digest

_WAIT: Final = 0.1
_KEPT_EVERY: Final = 1.0
_SETTLED: Final = 0.05
_CHUNK: Final = 1 << 18
_COMPRESSED: Final = ".gz"
_TIME: Final = re.compile(rb'"timestamp": ?"([^"]*)"')

_log = logging.getLogger("tapline.capture")


class EveFollower:
    """The events of a file as it grows, until :meth:`stop`.

    A file is known by its beginning, not by its name. When another one stands under its name, or it was truncated, its
    rest is read from the file beside it that begins alike: the renamed one, or a copy, also compressed with gzip. Then
    come those that were begun after it, the oldest first. A line counts when its end has come.

    How far it was read is kept in the folder ``positions`` when the sink confirms that all of it is safe, and reading
    goes on there. What was published of the lines behind it, by a run that was killed, is read again and left out. A
    sink that cannot confirm anything is given all from the file's beginning, and nothing is kept.
    """

    def __init__(self, observation: Observation, path: Path, positions: str) -> None:
        self._observation = observation
        self._path = path
        self._positions = Positions(positions, str(path))
        self._stopped = threading.Event()
        self._kept_at = 0.0
        self._kept: Position | None = None
        self._confirming: Confirming | None = None
        self._unpublished: Unpublished

    @property
    def name(self) -> str:
        """``eve``."""
        return NAME

    def run(self, sink: Sink) -> None:
        self._confirming = confirming(sink)
        self._unpublished = Unpublished(sink, NAME)
        position = Position(path=str(self._path)) if self._confirming is None else self._begin(self._confirming)
        self._kept = position
        intake = Intake(self._observation, self._unpublished if self._unpublished.known else sink, _now())
        reading = _Reading(self._observation, intake, position)
        try:
            while not self._stopped.is_set():
                self._follow(reading, sink)
        except OSError as error:
            raise TaplineError(f"cannot read {error.filename or self._path}: {error.strerror}") from error
        self._keep(reading)

    def stop(self) -> None:
        self._stopped.set()

    def _begin(self, sink: Confirming) -> Position:
        """Where to go on; the records that stand in Kafka of what comes behind it are made known."""
        position = self._positions.load()
        if position is None:
            position = _beginning(self._path)
            self._save(sink, position)
        elif position.places:
            runs = f"{self._observation.producer.rpartition('#')[0]}#"
            self._unpublished.learn(
                position.places, sink.published(position.places, lambda name: name.startswith(runs))
            )
        return position

    def _follow(self, reading: _Reading, sink: Sink) -> None:
        """Read what stands under the name until that is another file, or something else has to be read before it."""
        try:
            file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            self._pause(reading)
            return
        with file:
            if not reading.fresh and not _goes_on(file, reading.position):
                self._read_rest(reading, sink)
                return
            reading.begin()
            file.seek(reading.reached)
            replaced = False
            while not self._stopped.is_set():
                data = file.read(_CHUNK)
                if os.fstat(file.fileno()).st_size < reading.reached or not (
                    reading.fresh or _goes_on(file, reading.position)
                ):
                    sink.count(NAME, "truncated")
                    return
                if data:
                    if reading.fresh and (skipped := self._skipped(file, reading.position)) is not None:
                        path, line = skipped
                        self._read_whole(path, partial(_begins_with, line), reading, sink)
                        return
                    if self._stopped.is_set():
                        # Whether something comes before it was not found out.
                        return
                    reading.take(data)
                    self._keep(reading, every=_KEPT_EVERY)
                elif replaced:
                    sink.count(NAME, "rotated")
                    self._leave(reading, self._path.name)
                    return
                elif self._is_replaced(file):
                    # What was written until the new file was begun is read, though its name is gone.
                    replaced = True
                else:
                    if not reading.fresh:
                        # There was no more to read for any run before.
                        self._unpublished.caught_up()
                    self._pause(reading)

    def _read_rest(self, reading: _Reading, sink: Sink) -> None:
        """Read the rest of the file that stands under the name no more."""
        position = reading.position
        found = self._chosen(lambda beside: max((path for path in beside if _begins(path, position)), key=_written))
        if found is not None:
            self._read_whole(found, position.begins, reading, sink)
            return
        if self._stopped.is_set():
            return
        sink.count(NAME, "lost-place")
        _log.warning("nothing beside %s begins as what was read: its rest, if any, is not read", self._path)
        reading.leave()

    def _skipped(self, file: IO[bytes], before: Position) -> tuple[Path, bytes] | None:
        """The oldest file begun after the one that was read last, beside this one, with its first line."""
        if not before.began:
            return None
        own = _first_of(os.pread(file.fileno(), HEAD, 0))

        first: dict[Path, bytes] = {}

        def oldest(beside: list[Path]) -> Path:
            first.clear()
            first.update((path, _first(path)) for path in beside)
            return min(
                (_time_of(line), path) for path, line in first.items() if line != own and _is_after(line, before)
            )[1]

        chosen = self._chosen(oldest)
        return None if chosen is None else (chosen, first[chosen])

    def _chosen(self, choose: Callable[[list[Path]], Path]) -> Path | None:
        """What is chosen of the files beside the one under the name, none of which was renamed meanwhile."""
        while True:
            named = self._beside()
            try:
                chosen = choose(sorted(named))
            except ValueError:
                # There is nothing to choose from.
                chosen = None
            # A folder that is listed while a file in it is renamed may show neither name.
            if self._stopped.wait(_SETTLED) or named == self._beside():
                return chosen

    def _beside(self) -> dict[Path, int]:
        """The files whose names begin as that of the one that is followed, with their inodes."""
        with os.scandir(self._path.parent) as entries:
            return {
                self._path.parent / entry.name: entry.inode()
                for entry in entries
                if entry.name.startswith(self._path.name) and entry.name != self._path.name and entry.is_file()
            }

    def _read_whole(self, path: Path, is_it: Callable[[bytes], bool], reading: _Reading, sink: Sink) -> None:
        """Read a file that nobody writes to any more from where it was left, where the name still is that of it."""
        try:
            with _opened(path) as file:
                if not is_it(file.read(HEAD)):
                    return
                reading.begin()
                file.seek(reading.reached)
                while not self._stopped.is_set() and (data := file.read(_CHUNK)):
                    reading.take(data)
                    self._keep(reading, every=_KEPT_EVERY)
        except FileNotFoundError:
            return
        except (EOFError, zlib.error) as error:
            sink.count(NAME, "damaged")
            _log.warning("%s is damaged, its rest is not read: %s", path, error)
        if not self._stopped.is_set():
            self._leave(reading, path.name)

    def _leave(self, reading: _Reading, name: str) -> None:
        reading.end(name)
        self._keep(reading)

    def _is_replaced(self, file: IO[bytes]) -> bool:
        """True when another file stands under the name, and the writer has gone over to it."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(file.fileno())
        return (now.st_dev, now.st_ino) != (own.st_dev, own.st_ino) and now.st_size > 0

    def _pause(self, reading: _Reading) -> None:
        self._keep(reading, every=_KEPT_EVERY)
        self._stopped.wait(_WAIT)
        reading.intake.at(_now())

    def _keep(self, reading: _Reading, every: float = 0.0) -> None:
        """Keep the position once all before it is safe."""
        if reading.position == self._kept or not reading.position.is_known or self._confirming is None:
            return
        if time.monotonic() - self._kept_at < every:
            return
        self._save(self._confirming, reading.position)
        self._kept, self._kept_at = reading.position, time.monotonic()

    def _save(self, sink: Confirming, position: Position) -> None:
        places = sink.confirm()
        if places is None:
            raise TaplineError(f"Kafka did not take all of {self._path}: run this again, it goes on where that was")
        self._positions.save(replace(position, places=self._unpublished.since(places)))


class _Reading:
    """How far the lines of files have been taken.

    ``position`` is that of the file that is being read; while ``fresh`` of the one before it, whose end it is.
    ``reached`` is the offset of what was read last.
    """

    def __init__(self, observation: Observation, intake: Intake, position: Position) -> None:
        self.intake = intake
        self.position = position
        self.fresh = not position.is_known
        self.reached = 0
        self._observation = observation
        self._lines = Lines()
        self._head = b""

    def begin(self) -> None:
        """Read on where the position is, whose line begins there, or where a fresh file begins."""
        self.reached = 0 if self.fresh else self.position.offset
        self._lines = Lines()
        self._head = b""

    def take(self, data: bytes) -> None:
        """Take what comes next in the file."""
        self.intake.at(_now())
        before = self._lines.taken
        self.reached += len(data)
        lines = self._lines.feed(data)
        if self.fresh:
            self._head = (self._head + data)[:HEAD]
        if not lines:
            return
        if self.fresh:
            head = self._head[: len(lines[0]) + 1]
            self.position = Position(
                path=self.position.path, head=len(head), beginning=sha256(head).hexdigest(), began=_time_of(lines[0])
            )
            self.fresh = False
        position = self.position
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
        self.fresh = True


def _beginning(path: Path) -> Position:
    """Before a file's first line, so that it is known when it is renamed before anything of it was taken."""
    try:
        with path.open("rb") as file:
            data = file.read(HEAD)
    except OSError:
        data = b""
    line, end, _ = data.partition(b"\n")
    if not end:
        return Position(path=str(path))
    head = line + end
    return Position(path=str(path), head=len(head), beginning=sha256(head).hexdigest(), began=_time_of(line))


def _written(path: Path) -> tuple[bool, int, int]:
    """What tells which of two copies has more of a file; one that is being compressed is not whole yet."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return False, 0, 0
    return path.suffix != _COMPRESSED, status.st_mtime_ns, status.st_size


def _goes_on(file: IO[bytes], position: Position) -> bool:
    return position.begins(os.pread(file.fileno(), position.head, 0))


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == _COMPRESSED else path.open("rb")  # type: ignore[return-value]


def _begins(path: Path, position: Position) -> bool:
    """True where a file begins as the one that was read; what cannot be read does not."""
    try:
        with _opened(path) as file:
            return position.begins(file.read(position.head))
    except (OSError, EOFError, zlib.error):
        return False


def _is_after(line: bytes, position: Position) -> bool:
    """True for the first line of a file that was begun after this one."""
    return _time_of(line) > position.began


def _time_of(line: bytes) -> int:
    """When an event was (epoch microseconds); 0 for what is none."""
    found = _TIME.search(line)
    try:
        return moment(found[1].decode()) if found else 0
    except (EveError, UnicodeDecodeError):
        return 0


def _begins_with(line: bytes, head: bytes) -> bool:
    return _first_of(head) == line


def _first_of(head: bytes) -> bytes:
    return head.partition(b"\n")[0]


def _first(path: Path) -> bytes:
    """The first line of a file, as far as it is a file's beginning; none where it cannot be read."""
    try:
        with _opened(path) as file:
            return _first_of(file.read(HEAD))
    except (OSError, EOFError, zlib.error):
        return b""


def _now() -> int:
    return time.time_ns() // 1000
