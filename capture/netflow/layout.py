"""Where the fields stand in the records of a template, and how all records of a set are read at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from capture.netflow.elements import COLUMNS, TEXT_LENGTH, Column, Element

VARIABLE: Final = 0xFFFF
"""The length of a field whose records say it themselves (RFC 7011, 7)."""

_LONG: Final = 255
_WIDTHS: Final = frozenset({1, 2, 4, 8})
_LENGTHS: Final = {"address4": 4, "address6": 16, "mac": 6}
_MOST_KEY: Final = 32


class Layout:
    """Reads the columns (:data:`~capture.netflow.elements.COLUMNS`) out of records with these fields.

    Records of one length are an array of numpy as they come. Those with fields of variable length are first written
    anew, without what is not read, so that they are of one length as well. ``columns`` are those that the fields have.
    """

    def __init__(self, fields: Sequence[tuple[Element, int]]) -> None:
        self.variable = any(length == VARIABLE for _, length in fields)
        self.size = sum(1 if length == VARIABLE else length for _, length in fields)
        names: list[str] = []
        formats: list[object] = []
        offsets: list[int] = []
        places = _places(fields)
        kept = frozenset(places.values())
        rows: list[tuple[int, int]] = []
        offset = 0
        at: dict[int, int] = {}
        for index, (_, length) in enumerate(fields):
            if self.variable and index not in kept:
                rows.append((length, 0))
                continue
            width = TEXT_LENGTH if length == VARIABLE else length
            rows.append((length, width))
            at[index] = offset
            offset += width
        for name, index in places.items():
            length = fields[index][1]
            names.append(name)
            formats.append(_format(COLUMNS[name], TEXT_LENGTH if length == VARIABLE else length))
            offsets.append(at[index])
        self._rows = rows if self.variable else []
        self.columns = frozenset(names)
        spec = {"names": names, "formats": formats, "offsets": offsets, "itemsize": max(offset, 1)}
        self._type = np.dtype(spec)  # type: ignore[call-overload]

    def rows(self, data: bytes) -> tuple[bytes, int, bool]:
        """The records of a data set, of one length each, their number, and whether the set was whole.

        What is left behind the last record is padding. A set is not whole when a length in a record leads out of it.
        """
        if not self.variable:
            count = len(data) // self.size
            return data[: count * self.size], count, True
        rows: list[bytes] = []
        count = position = 0
        while len(data) - position >= self.size:
            parts: list[bytes] = []
            for length, width in self._rows:
                size = length
                if length == VARIABLE:
                    size, position = _length(data, position)
                if width:
                    part = data[position : position + size]
                    parts.append(part if size == width else part[:width].ljust(width, b"\0"))
                position += size
            if position > len(data):
                break
            rows.extend(parts)
            count += 1
        return b"".join(rows) or bytes(count), count, position <= len(data)

    def array(self, rows: bytes) -> npt.NDArray[np.void]:
        """Records as :meth:`rows` gave them, as an array with a member for each column."""
        return np.frombuffer(rows, self._type)


def values_of(fields: Sequence[tuple[Element, int]], data: bytes) -> Iterator[dict[Element, bytes]]:
    """The fields of each whole record of a data set, as bytes: slower than an array, for options."""
    smallest = sum(1 if length == VARIABLE else length for _, length in fields)
    position = 0
    while len(data) - position >= smallest:
        found: dict[Element, bytes] = {}
        for element, length in fields:
            size = length
            if length == VARIABLE:
                size, position = _length(data, position)
            found.setdefault(element, data[position : position + size])
            position += size
        if position > len(data):
            return
        yield found


def numbers(array: npt.NDArray[np.void], name: str) -> npt.NDArray[np.uint64]:
    """A column of numbers of 1 to 8 bytes."""
    column = array[name]
    if column.ndim == 1:
        return column.astype(np.uint64)
    found = np.zeros(len(column), np.uint64)
    for place in range(column.shape[1]):
        found = found << np.uint64(8) | column[:, place]
    return found


def pieces(array: npt.NDArray[np.void], name: str) -> list[bytes]:
    """A column of bytes, each as it stands in its record."""
    column = np.ascontiguousarray(array[name])
    size = column.shape[1]
    octets = column.tobytes()
    return [octets[start : start + size] for start in range(0, len(octets), size)]


def _places(fields: Sequence[tuple[Element, int]]) -> dict[str, int]:
    """Which field each column is read from, by its index; a field that cannot be one of the column is passed over."""
    first: dict[Element, int] = {}
    for index, (element, _) in enumerate(fields):
        first.setdefault(element, index)
    places = {}
    for name, column in COLUMNS.items():
        for element in column.elements:
            index = first.get(element, -1)
            if index >= 0 and _fits(column, fields[index][1]):
                places[name] = index
                break
    return places


def _fits(column: Column, length: int) -> bool:
    if column.kind == "number":
        return 1 <= length <= 8
    if column.kind == "text":
        return length > 0
    if column.kind == "key":
        return 1 <= length <= _MOST_KEY
    return length == _LENGTHS[column.kind]


def _format(column: Column, width: int) -> object:
    if column.kind == "number" and width in _WIDTHS:
        return f">u{width}"
    return (np.uint8, (width,))


def _length(data: bytes, position: int) -> tuple[int, int]:
    """The length that stands at a position, and where what has it begins: beyond the end where there is none."""
    if position < len(data):
        length = data[position]
        if length < _LONG:
            return length, position + 1
        if position + 3 <= len(data):
            return data[position + 1] << 8 | data[position + 2], position + 3
    return 0, len(data) + 1
