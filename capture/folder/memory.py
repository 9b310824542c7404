"""Which files of a folder were read, kept over restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from topics.errors import TaplineError
from topics.partitions import digest

MOST_GONE: Final = 1000
"""How many files that are there no more are remembered: of one that was renamed the new name may come later."""

_TABLE: Final = """
create table if not exists finished (
    number integer primary key, name text not null unique, size integer, modified integer, stream text not null
);
create index if not exists by_stream on finished (stream);
"""


class Finished(Struct, frozen=True):
    """A file that was read: its size and time of writing then, and the stream that was made of its content."""

    size: int
    modified: int
    stream: str


class Memory:
    """The files of one folder that were read; a context manager that no second process can enter meanwhile.

    What :meth:`add` has returned from outlasts the process and the machine. It is as many files as are in the folder,
    and :data:`MOST_GONE` that are not.
    """

    def __init__(self, memory: str, folder: Path) -> None:
        self._folder = folder
        self._file = Path(memory) / f"{digest('folder', str(folder.resolve()))}.sqlite"
        self._known: dict[str, Finished] = {}
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """:class:`TaplineError` when it cannot be kept, or another process watches the folder."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise self._cannot(error) from error
        try:
            connection.execute("pragma locking_mode=exclusive")
            connection.execute("begin exclusive")
            connection.execute("commit")
            connection.executescript(_TABLE)
            rows = connection.execute("select name, size, modified, stream from finished")
            self._known = {name: Finished(size, modified, stream) for name, size, modified, stream in rows}
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" in str(error):
                raise TaplineError(f"{self._folder} is watched by another process already: end that first") from error
            raise self._cannot(error) from error
        except sqlite3.DatabaseError as error:
            connection.close()
            raise TaplineError(
                f"{self._file} does not say which files of {self._folder} were read ({error}): remove it to read all"
            ) from error
        self._connection = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def of(self, name: str) -> Finished | None:
        """What was read under this name; None where nothing was."""
        return self._known.get(name)

    def has(self, stream: str) -> bool:
        """True when this content was read, under whatever name."""
        return bool(self._run("select 1 from finished where stream = ? limit 1", stream))

    def add(self, name: str, finished: Finished) -> None:
        """Remember a file, in place of what had its name before."""
        self._run(
            "insert or replace into finished (name, size, modified, stream) values (?, ?, ?, ?)",
            name,
            finished.size,
            finished.modified,
            finished.stream,
        )
        self._known[name] = finished

    def prune(self, present: set[str]) -> None:
        """Forget files that are not among these, all but those that were read last."""
        gone = [name for name in self._known if name not in present]
        if len(gone) <= 2 * MOST_GONE:
            return
        self._run("begin")
        for name in gone[:-MOST_GONE]:
            self._run("delete from finished where name = ?", name)
            del self._known[name]
        self._run("commit")

    def _run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        if self._connection is None:
            raise RuntimeError("the memory is not open")
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._cannot(error) from error

    def _cannot(self, error: Exception) -> TaplineError:
        return TaplineError(
            f"cannot keep which files of {self._folder} were read: {self._file}: {error}: set capture.folder.memory"
        )
