"""The forms that lists come in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

Form = Callable[[Iterable[str]], Iterator[tuple[int, str, str]]]
"""Makes line number, entry and value of the lines of a file."""

_OWN_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0"})  # noqa: S104


class BadLine(ValueError):
    """A line that is not of the form; its message says why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def plain(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """An entry a line, with its value after ``#``; lines that begin with ``#``, ``;`` or ``//`` are comments."""
    for number, line in enumerate(lines, 1):
        entry, _, value = line.partition("#")
        entry = entry.strip()
        if entry and not entry.startswith((";", "//")):
            yield number, entry, value.strip()


def hosts(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """A hosts file, as of those that block advertisers: an address and names a line; the comment is the value.

    Names a machine has for itself are left out.
    """
    for number, line in enumerate(lines, 1):
        text, _, value = line.partition("#")
        address, *names = text.split() or [""]
        if not address:
            continue
        if not names or not (":" in address or address[0].isdigit()):
            raise BadLine(number, f"{text.strip()!r} is no address with names: is this a hosts file?")
        value = value.strip()
        for name in names:
            if name not in _OWN_NAMES and not name.startswith("ip6-"):
                yield number, name, value


@dataclass(frozen=True)
class Column:
    """A column of a CSV file, by its name in the first row or, where there is none, its number from 0.

    ``value`` is the column of values. Lines that begin with ``#`` are comments.
    """

    entry: str | int
    value: str | int | None = None
    delimiter: str = ","

    def __call__(self, lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        """Read the rows."""
        rows = csv.reader(
            ("\n" if line.startswith("#") else line for line in lines), delimiter=self.delimiter, skipinitialspace=True
        )
        named = isinstance(self.entry, str) or isinstance(self.value, str)
        places: tuple[int, int | None] | None = None
        try:
            for row in rows:
                if not row:
                    continue
                if places is None:
                    places = self._places(row, rows.line_num)
                    if named:
                        continue
                entry, value = places
                if len(row) <= max(entry, value or 0):
                    raise BadLine(rows.line_num, f"has {len(row)} columns, and the last one wanted is missing")
                text = row[entry].strip()
                if text:
                    yield rows.line_num, text, "" if value is None else row[value].strip()
        except csv.Error as error:
            raise BadLine(rows.line_num, str(error)) from error

    def _places(self, row: list[str], line: int) -> tuple[int, int | None]:
        """Where the columns are, by the first row."""

        def place(column: str | int) -> int:
            if isinstance(column, int):
                return column
            if column not in row:
                raise BadLine(line, f"there is no column {column!r}; there are {', '.join(row)}")
            return row.index(column)

        return place(self.entry), None if self.value is None else place(self.value)
