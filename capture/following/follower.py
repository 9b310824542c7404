"""One file that another program goes on writing to."""

from __future__ import annotations

import gzip
import logging
import os
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, Protocol

from msgspec.structs import replace

from capture.eve.lines import Lines
from capture.following.positions import HEAD, Position
from capture.source import Sink

_SETTLED: Final = 0.05
_CHUNK: Final = 1 << 18
_COMPRESSED: Final = ".gz"

_log = logging.getLogger("tapline.capture")


class Taker(Protocol):
    """What makes records of the lines of a file that is followed, and of those that it is rotated to."""

    def beginning(self, data: bytes) -> bytes:
        """Of the first bytes of a file, at most 4096, those that no other file has; none where they have not come."""

    def began(self, beginning: bytes) -> int:
        """When the file with this beginning was begun (epoch microseconds); 0 where that is not said."""

    def beside(self, began: int) -> dict[Path, int]:
        """The files that a file which was begun then may have become, or been followed by, with their inodes."""

    def take(self, lines: list[bytes], position: Position) -> list[str]:
        """Take the lines at this position; the header that the lines after them are read with."""

    def refuse(self, rest: bytes, position: Position, detail: str) -> None:
        """At this position, its end, the file has something that is no line."""


class Follower:
    """The lines of a file as it grows.

    A file is known by its beginning, not by its name. When another one stands under its name, or it was truncated, its
    rest is read from the file beside it that begins alike: the renamed one, or a copy, also compressed with gzip. Then
    come those that were begun after it, the oldest first. A line counts when its end has come.

    ``position`` is that of the file that is being read, or between two files, of the one before. ``caught_up`` is True
    once all was read that there was at first.
    """

    def __init__(self, name: str, path: Path, taker: Taker, position: Position, stopped: threading.Event) -> None:
        self.position = position
        self.caught_up = False
        self._name = name
        self._path = path
        self._taker = taker
        self._stopped = stopped
        self._fresh = not position.is_known
        self._looked_beside = False
        self._reached = 0
        self._lines = Lines()
        self._head = b""

    def steps(self, sink: Sink) -> Generator[bool, None, None]:
        """Reads one piece at each step: False where there was none to read. It ends when it is stopped."""
        while not self._stopped.is_set():
            yield from self._follow(sink)

    def _follow(self, sink: Sink) -> Iterator[bool]:
        """Read what stands under the name until that is another file, or something else has to be read before it."""
        try:
            file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            yield from self._wait_for_file(sink)
            return
        with file:
            if not self._fresh and not _goes_on(file, self.position):
                yield from self._read_rest(sink)
                return
            self._begin(file)
            replaced = False
            while True:
                data = file.read(_CHUNK)
                if os.fstat(file.fileno()).st_size < self._reached or not (
                    self._fresh or _goes_on(file, self.position)
                ):
                    sink.count(self._name, "truncated")
                    return
                if data and self._is_unknown(file):
                    # Nothing is taken of a file until it is known by its beginning.
                    file.seek(0)
                    yield False
                elif data:
                    if self._fresh and (skipped := self._skipped(file)) is not None:
                        yield from self._read_whole(*skipped, sink)
                        return
                    if self._stopped.is_set():
                        # Whether something comes before it was not found out.
                        return
                    self._take(data)
                    yield True
                elif replaced:
                    sink.count(self._name, "rotated")
                    self._end(self._path.name)
                    return
                elif self._is_replaced(file):
                    # What was written until the new file was begun is read, though its name is gone.
                    replaced = True
                else:
                    # Of a fresh file there may be others before it, which show with its first line.
                    self.caught_up = self.caught_up or not self._fresh
                    yield False

    def _wait_for_file(self, sink: Sink) -> Iterator[bool]:
        """There is none of the name: before the next one is begun, the one that was read may have got more."""
        if not self._fresh and not self._looked_beside:
            self._looked_beside = True
            found = self._renamed()
            if found is not None and found.suffix == _COMPRESSED:
                yield from self._read_whole(found, self.position.begins, sink)
            elif found is not None:
                yield from self._read_so_far(found)
        # What was begun after it is read before the next one, once that is there.
        self.caught_up = self.caught_up or not self._is_followed()
        yield False

    def _is_followed(self) -> bool:
        """True when another file was begun after the one that was read last."""
        began = self.position.began
        heads = (self._beginning_of(path) for path in self._taker.beside(began)) if began else ()
        return any(head and self._taker.began(head) > began for head in heads)

    def _read_so_far(self, path: Path) -> Iterator[bool]:
        """Read what a renamed file has now; it is over when another one has its name."""
        try:
            with path.open("rb", buffering=0) as file:
                if _goes_on(file, self.position):
                    self._begin(file)
                    while data := file.read(_CHUNK):
                        self._take(data)
                        yield True
        except FileNotFoundError:
            return

    def _read_rest(self, sink: Sink) -> Iterator[bool]:
        """Read the rest of the file that stands under the name no more."""
        found = self._renamed()
        if found is not None:
            yield from self._read_whole(found, self.position.begins, sink)
            return
        if self._stopped.is_set():
            return
        sink.count(self._name, "lost-place")
        _log.warning("nothing beside %s begins as what was read: its rest, if any, is not read", self._path)
        self._fresh = True

    def _renamed(self) -> Path | None:
        """The file beside the one under the name that begins as that which was read."""
        position = self.position
        return self._chosen(lambda beside: max((path for path in beside if _begins(path, position)), key=_written))

    def _skipped(self, file: IO[bytes]) -> tuple[Path, Callable[[bytes], bool]] | None:
        """The oldest file begun after the one that was read last, beside this one, and what tells it from others."""
        began = self.position.began
        if not began:
            return None
        own = self._taker.beginning(os.pread(file.fileno(), HEAD, 0))
        beginnings: dict[Path, bytes] = {}

        def oldest(beside: list[Path]) -> Path:
            beginnings.clear()
            beginnings.update((path, self._beginning_of(path)) for path in beside)
            others = ((self._taker.began(head), path) for path, head in beginnings.items() if head and head != own)
            if not self._is_current(file):
                # It was rotated since it was opened: others may have been begun after it.
                others = ((when, path) for when, path in others if when < self._taker.began(own))
            # Of one that is being compressed the copy is not whole yet.
            return min((when, path.suffix == _COMPRESSED, path) for when, path in others if when > began)[2]

        chosen = self._chosen(oldest)
        return None if chosen is None else (chosen, partial(_begins_with, beginnings[chosen]))

    def _beginning_of(self, path: Path) -> bytes:
        """The beginning of a file; none where it cannot be read."""
        try:
            with _opened(path) as file:
                return self._taker.beginning(file.read(HEAD))
        except (OSError, EOFError, zlib.error):
            return b""

    def _chosen(self, choose: Callable[[list[Path]], Path]) -> Path | None:
        """What is chosen of the files beside the one under the name, none of which was renamed meanwhile."""
        while True:
            named = self._taker.beside(self.position.began)
            try:
                chosen = choose(sorted(named))
            except ValueError:
                # There is nothing to choose from.
                chosen = None
            # A folder that is listed while a file in it is renamed may show neither name.
            if self._stopped.wait(_SETTLED) or named == self._taker.beside(self.position.began):
                return chosen

    def _read_whole(self, path: Path, is_it: Callable[[bytes], bool], sink: Sink) -> Iterator[bool]:
        """Read a file that nobody writes to any more from where it was left, where the name still is that of it."""
        try:
            with _opened(path) as file:
                if not is_it(file.read(HEAD)):
                    return
                self._begin(file)
                while data := file.read(_CHUNK):
                    self._take(data)
                    yield True
        except FileNotFoundError:
            return
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            sink.count(self._name, "damaged")
            _log.warning("%s is damaged, its rest is not read: %s", path, error)
        self._end(path.name)

    def _is_replaced(self, file: IO[bytes]) -> bool:
        """True when another file stands under the name, and the writer has gone over to it."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(file.fileno())
        return (now.st_dev, now.st_ino) != (own.st_dev, own.st_ino) and now.st_size > 0

    def _is_current(self, file: IO[bytes]) -> bool:
        """True when this file still has the name."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _is_unknown(self, file: IO[bytes]) -> bool:
        """True for a fresh file whose beginning has not come yet, where that may still come."""
        return (
            self._fresh and not self._taker.beginning(os.pread(file.fileno(), HEAD, 0)) and not self._is_replaced(file)
        )

    def _begin(self, file: IO[bytes]) -> None:
        """Read on where the position is, whose line begins there, or where a fresh file begins."""
        self._reached = 0 if self._fresh else self.position.offset
        file.seek(self._reached)
        self._lines = Lines()
        self._head = b""

    def _take(self, data: bytes) -> None:
        """Take what comes next in the file."""
        before = self._lines.taken
        self._reached += len(data)
        lines = self._lines.feed(data)
        if self._fresh:
            self._head = (self._head + data)[:HEAD]
        if not lines:
            return
        if self._fresh:
            head = self._taker.beginning(self._head) or self._head
            self.position = _known_by(head, self.position.path, self._taker)
            self._fresh = False
        position = self.position
        header = self._taker.take(lines, position)
        self.position = replace(
            position,
            offset=position.offset + self._lines.taken - before,
            lines=position.lines + len(lines),
            header=header,
        )

    def _end(self, name: str) -> None:
        """The file is over, and what comes next is another: what it ends with has no end."""
        if self._lines.rest:
            self._taker.refuse(self._lines.rest, self.position, f"{name} ends in the middle of a line")
        self._fresh = True


def beginning_of(path: Path, taker: Taker) -> Position:
    """Before a file's first line, so that it is known when it is renamed before anything of it was taken."""
    try:
        with path.open("rb") as file:
            data = file.read(HEAD)
    except OSError:
        data = b""
    head = taker.beginning(data)
    return _known_by(head, str(path), taker) if head else Position(path=str(path))


def _known_by(head: bytes, path: str, taker: Taker) -> Position:
    """Before the first line of the file that begins so."""
    return Position(path=path, head=len(head), beginning=sha256(head).hexdigest(), began=taker.began(head))


def files_in(folder: Path, is_it: Callable[[str], bool]) -> dict[Path, int]:
    """The files in a folder whose names are so, with their inodes."""
    with os.scandir(folder) as entries:
        return {folder / entry.name: entry.inode() for entry in entries if is_it(entry.name) and entry.is_file()}


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


def _begins_with(beginning: bytes, head: bytes) -> bool:
    return head.startswith(beginning)
