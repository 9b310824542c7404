"""How far a file that is followed was read, kept over restarts."""

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
    renamed, copied or compressed, and loses it when it is truncated. ``began`` is when its
    first event was (epoch microseconds), 0 where its first line is none. ``places`` is where in the topics all that
    comes of what is behind it stands, if it was published.
    """

    path: str
    head: int = 0
    beginning: str = ""
    began: int = 0
    offset: int = 0
    lines: int = 0
    places: Places = {}

    @property
    def is_known(self) -> bool:
        """True once something of the file was read."""
        return self.head > 0

    def begins(self, data: bytes) -> bool:
        """True where these first bytes, at least ``head`` of them, are the file's."""
        return len(data) >= self.head and sha256(data[: self.head]).hexdigest() == self.beginning


class Positions:
    """The file in a folder that holds the position of one path."""

    def __init__(self, folder: str, path: str) -> None:
        self._path = path
        self._file = Path(folder) / f"{digest('eve', path)}.json"

    def load(self) -> Position | None:
        """What was saved last; None where nothing was. :class:`TaplineError` when it cannot be read."""
        try:
            position = msgspec.json.decode(self._file.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise TaplineError(
                f"{self._file} does not say how far {self._path} was read ({error}): remove it to read all there is"
            ) from error
        return position if position.path == self._path else None

    def save(self, position: Position) -> None:
        """Keep a position: the file holds it whole, or still the one before."""
        try:
            keep(self._file, msgspec.json.encode(position))
        except OSError as error:
            raise TaplineError(
                f"cannot keep how far {self._path} was read: {self._file}: {error.strerror}: set capture.eve.positions"
            ) from error
