"""What all lists share: entries with values, found in a record's text, read from a file."""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, Self

from tapline.lists.formats import BadLine, Form, plain
from topics.errors import TaplineError

_GZIP = b"\x1f\x8b"


class Hit(NamedTuple):
    """The entry that was found, in its plain form, and its value."""

    entry: str
    value: str


class EntryList(ABC):
    """A list of entries, each with a text as value; a later entry replaces an equal one."""

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        for entry, value in entries:
            self.add(entry, value)

    @abstractmethod
    def add(self, entry: str, value: str = "") -> None:
        """Add an entry; :class:`ValueError` for one that cannot be."""

    @abstractmethod
    def find(self, text: str) -> Hit | None:
        """The entry that a record's text meets, if there is one."""

    @abstractmethod
    def __len__(self) -> int:
        """How many entries there are."""

    def __contains__(self, text: str) -> bool:
        return self.find(text) is not None

    @classmethod
    def load(cls, path: str | Path, form: Form = plain) -> Self:
        """The list in a file, which may be gzipped; :class:`TaplineError` with file and line for what is no entry."""
        made = cls()
        same: dict[str, str] = {}
        number = 0
        try:
            with _opened(path) as file:
                for number, entry, value in form(_lines(file)):  # noqa: B007 - told of where an entry is wrong
                    made.add(entry, same.setdefault(value, value))
        except OSError as error:
            raise TaplineError(f"{path}: {error.strerror or error}") from error
        except (EOFError, zlib.error) as error:
            raise TaplineError(f"{path}: is no whole gzip file: {error}") from error
        except BadLine as error:
            raise TaplineError(f"{path}:{error.line}: {error}") from error
        except ValueError as error:
            raise TaplineError(f"{path}:{number}: {error}") from error
        return made


def _opened(path: str | Path) -> BufferedReader | gzip.GzipFile:
    file = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
    if file.peek(2)[:2] != _GZIP:
        return file
    file.close()
    return gzip.open(path)


def _lines(file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise BadLine(number, "is not UTF-8 text") from error
