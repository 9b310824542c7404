"""The form of a log in columns: a header that names them, and a line each with their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from capture.zeek.errors import ZeekError

T = TypeVar("T", bound=Struct)

_TAB: Final = "\t"
_BOOLEANS: Final = {"T": True, "F": False}
_escaped: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


class Columns:
    """What the header of a log says so far.

    ``path`` is which log it is, ``""`` where that was not said. A header in the middle of a file, as of logs that
    were joined, begins anew with ``#separator``.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.path = ""
        self.named = False
        self._separator = _TAB
        self._set_separator = ","
        self._empty = "(empty)"
        self._unset = "-"
        self._names: list[str] = []
        self._wanted: dict[type[Struct], _Wanted] = {}
        self._said: dict[str, str] = {}

    @property
    def header(self) -> list[str]:
        """The lines of the header so far, as far as they say how to read those after them."""
        return list(self._said.values())

    def take(self, line: str) -> None:
        """Take a line of the header; :class:`ZeekError` when it cannot be."""
        # The line that names the separator cannot use it yet.
        name, _, value = line.partition(" " if line.startswith("#separator") else self._separator)
        match name:
            case "#separator":
                self._begin()
                self._separator = unescape(value) or _TAB
                if not value:
                    raise ZeekError("zeek-header", "#separator names none: it is `#separator \\x09` for a tab")
            case "#set_separator":
                self._set_separator = unescape(value) or ","
            case "#empty_field":
                self._empty = value
            case "#unset_field":
                self._unset = value
            case "#path":
                self.path = value
            case "#fields":
                self._fields(value.split(self._separator))
            case _:
                return
        self._said[name] = line

    def read(self, line: str, kind: type[T]) -> T:
        """A line as one of this kind; :class:`ZeekError` when it is none."""
        if not self.named:
            raise ZeekError("zeek-no-header", "no line that begins with #fields has come before it")
        values = line.split(self._separator)
        if len(values) != len(self._names):
            raise ZeekError("zeek-fields", f"{len(values)} fields where the header names {len(self._names)}")
        wanted = self._wanted.get(kind)
        if wanted is None:
            wanted = self._wanted[kind] = _Wanted(kind, self._names)
        unset = self._unset
        # This runs for every line.
        row: dict[str, Any] = dict(zip(wanted.names, wanted.pick(values), strict=True))
        if unset in row.values():
            row = {name: value for name, value in row.items() if value != unset}
        if self._empty in line:
            for name, value in row.items():
                if value == self._empty:
                    row[name] = ""
        for name in wanted.lists:
            if name in row:
                text = row[name]
                row[name] = [each for each in text.split(self._set_separator) if each != unset] if text else []
        for name in wanted.booleans:
            if name in row:
                value = _BOOLEANS.get(row[name])
                if value is None:
                    raise ZeekError("zeek-type", f"Expected `T` or `F`, got {row[name][:32]!r} - at `$.{name}`")
                row[name] = value
        if "\\x" in line:
            for name, value in row.items():
                if isinstance(value, str):
                    row[name] = unescape(value)
                elif isinstance(value, list):
                    row[name] = [unescape(each) for each in value]
        try:
            return msgspec.convert(row, kind, strict=False)
        except msgspec.ValidationError as error:
            raise ZeekError("zeek-type", str(error)) from error

    def _fields(self, names: list[str]) -> None:
        self.named = False
        self._wanted = {}
        if "" in names or len(set(names)) != len(names):
            raise ZeekError("zeek-header", "#fields names a field twice, or one without a name")
        self._names = names
        self.named = True


class _Wanted:
    """Where the fields of a kind of line are among the columns."""

    def __init__(self, kind: type[Struct], names: list[str]) -> None:
        known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        indexes = [index for index, name in enumerate(names) if name in known]
        self.names = [names[index] for index in indexes]
        self.pick = _picker(indexes)
        self.lists = [name for name in self.names if known[name] == list[str]]
        self.booleans = [name for name in self.names if known[name] is bool]


def _picker(indexes: list[int]) -> Callable[[list[str]], tuple[str, ...]]:
    if len(indexes) > 1:
        return itemgetter(*indexes)
    # Of one index alone it would give what is there, not a tuple.
    return lambda values: tuple(values[index] for index in indexes)


def unescape(text: str) -> str:
    r"""A text with what Zeek wrote as ``\xHH``; bytes that are not UTF-8 become replacement characters."""
    return _escaped.sub(lambda found: bytes.fromhex(found[0].replace("\\x", "")).decode("utf-8", "replace"), text)
