"""How far files that are followed were read, kept over restarts."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from capture.kept_file import keep
from capture.source import Places
from topics.errors import TaplineError
from topics.partitions import digest

HEAD: Final = 4096
"""How many bytes a file's beginning has at most, by which it is known."""


class Position(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in a file: after ``lines`` lines, which have ``offset`` bytes.

    ``head`` is how many of its first bytes the SHA-256 ``beginning`` is of: a file keeps its beginning when it is
    renamed, copied or compressed, and loses it when it is truncated. ``began`` is when the file was begun (epoch
    microseconds), 0 where its beginning does not say. ``header`` are the lines before this place without which those
    after it cannot be read.
    """

    path: str
    head: int = 0
    beginning: str = ""
    began: int = 0
    offset: int = 0
    lines: int = 0
    header: list[str] = []

    @property
    def is_known(self) -> bool:
        """True once something of the file was read."""
        return self.head > 0

    def begins(self, data: bytes) -> bool:
        """True where these first bytes, at least ``head`` of them, are the file's."""
        return len(data) >= self.head and sha256(data[: self.head]).hexdigest() == self.beginning


class Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the files were read that one source follows.

    ``path`` is what it follows, a file or a folder. ``places`` is where in the topics all that comes of what is behind
    the positions stands, if it was published.
    """

    path: str
    files: list[Position]
    places: Places = {}


class Positions:
    """The file in a folder that holds the positions of what the source ``name`` follows."""

    def __init__(self, folder: str, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._file = Path(folder) / f"{digest(name, path)}.json"

    def load(self) -> Kept | None:
        """What was saved last; None where nothing was. :class:`TaplineError` when it cannot be read."""
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise TaplineError(
                f"{self._file} does not say how far {self._path} was read ({error}): remove it to read all there is"
            ) from error
        return kept if kept.path == self._path else None

    def save(self, kept: Kept) -> None:
        """Keep positions: the file holds them whole, or still those before."""
        try:
            keep(self._file, msgspec.json.encode(kept))
        except OSError as error:
            raise TaplineError(
                f"cannot keep how far {self._path} was read: {self._file}: {error.strerror}: "
                f"set capture.{self._name}.positions"
            ) from error
