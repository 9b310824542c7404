"""Numbers of many keys, in columns, kept in a stage's store in few large pieces.

A row is a key's. Columns are kept in blocks of rows, each a value of the store that is written when something
in it has changed: a window that touches a hundred thousand keys writes some dozens of values.
"""

from __future__ import annotations

import heapq
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workers.windows.store import OwnerStore

BLOCK: Final = 16384
"""Rows in one value of the store."""

Numbers = NDArray[np.float64]
Rows = NDArray[np.intp]


class KeyTable:
    """The keys of one counter group in one lane, and what is known of each.

    ``place`` names it within the store. ``meta`` is whatever else belongs to it, and is written with it. At
    most ``most`` keys have a row.
    """

    def __init__(self, store: OwnerStore, place: str, most: int) -> None:
        self._store = store
        self._place = place
        self._most = most
        self._row_of: dict[str, int] = {}
        self._keys: list[str | None] = []
        self._free: list[int] = []
        self._columns: dict[str, NDArray[Any]] = {}
        self._kept: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._dirty_keys: set[int] = set()
        self.meta: dict[str, Any] = {}
        self._load()

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def size(self) -> int:
        """How many rows there are, free ones among them."""
        return len(self._keys)

    def key(self, row: int) -> str:
        """The key of a row in use."""
        key = self._keys[row]
        assert key is not None
        return key

    def row(self, key: str) -> int:
        """The row of a key, -1 where it has none."""
        return self._row_of.get(key, -1)

    def used(self) -> NDArray[np.bool_]:
        """Which rows are in use."""
        used = np.ones(self.size, dtype=bool)
        used[self._free] = False
        return used

    def rows_of(self, keys: Sequence[str]) -> tuple[Rows, list[int]]:
        """The rows of these keys, -1 where there is no room for one more, and those that are new."""
        row_of = self._row_of
        rows = np.fromiter((row_of.get(key, -1) for key in keys), dtype=np.intp, count=len(keys))
        new = []
        for at in np.flatnonzero(rows < 0).tolist():
            if len(row_of) >= self._most:
                break
            rows[at] = self._add(keys[at])
            new.append(int(rows[at]))
        return rows, new

    def column(self, name: str, kind: str = "<f8") -> NDArray[Any]:
        """A column of the rows there are; what is written to it is kept only after :meth:`touch`."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = np.zeros(max(self.size, 64), dtype=kind)
        elif len(found) < self.size:
            found = self._columns[name] = np.concatenate(
                [found, np.zeros(max(self.size - len(found), len(found)), dtype=found.dtype)]
            )
        return found[: self.size]

    def has(self, name: str) -> bool:
        """True when there is such a column."""
        return name in self._columns

    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self._columns)

    def touch(self, *names: str) -> None:
        """Say that these columns have changed, and are to be kept."""
        self._dirty.update(names)

    def drop(self, name: str) -> None:
        """Forget a column."""
        del self._columns[name]
        self._dirty.discard(name)
        self._kept.pop(name, None)
        for text in self._stored(f"c{name}\x00"):
            del self._store[text]

    def free(self, rows: Iterable[int]) -> None:
        """Forget the keys of these rows, and all that is known of them."""
        gone = list(rows)
        if not gone:
            return
        for row in gone:
            key = self._keys[row]
            assert key is not None
            del self._row_of[key]
            self._keys[row] = None
            heapq.heappush(self._free, row)
            self._dirty_keys.add(row // BLOCK)
        for name, column in self._columns.items():
            column[gone] = 0
            if name in self._kept:
                self._dirty.add(name)

    def save(self) -> None:
        """Write what has changed to the store."""
        for block in sorted(self._dirty_keys):
            self._put(f"k{block}", self._keys[block * BLOCK : (block + 1) * BLOCK])
        self._dirty_keys.clear()
        for name in sorted(self._dirty):
            column = self.column(name)
            self._kept[name] = column.dtype.str
            for block in range(-(-self.size // BLOCK)):
                part = column[block * BLOCK : (block + 1) * BLOCK]
                text = b2a_base64(part.tobytes(), newline=False).decode("ascii")
                place = f"{self._place}\x00c{name}\x00{block}"
                if self._store.text(place)[1:-1] != text:
                    self._store[place] = text
        self._dirty.clear()
        self._put("m", {"size": self.size, "columns": self._kept, **self.meta})

    def clear(self) -> None:
        """Forget everything, in the store too."""
        for text in self._stored(""):
            del self._store[text]

    def _add(self, key: str) -> int:
        if self._free:
            row = heapq.heappop(self._free)
            self._keys[row] = key
        else:
            row = len(self._keys)
            self._keys.append(key)
        self._row_of[key] = row
        self._dirty_keys.add(row // BLOCK)
        return row

    def _put(self, name: str, value: Any) -> None:
        place = f"{self._place}\x00{name}"
        if place not in self._store or self._store[place] != value:
            self._store[place] = value

    def _stored(self, name: str) -> list[str]:
        prefix = f"{self._place}\x00{name}"
        return [place for place in self._store if place.startswith(prefix)]

    def _load(self) -> None:
        meta = self._store.get(f"{self._place}\x00m")
        if meta is None:
            return
        size, self._kept = meta.pop("size"), meta.pop("columns")
        self.meta = meta
        blocks = range(-(-size // BLOCK))
        for block in blocks:
            self._keys += self._store[f"{self._place}\x00k{block}"]
        self._row_of = {key: row for row, key in enumerate(self._keys) if key is not None}
        self._free = [row for row, key in enumerate(self._keys) if key is None]
        for name, kind in self._kept.items():
            parts = [
                np.frombuffer(a2b_base64(self._store.get(f"{self._place}\x00c{name}\x00{block}", "")), dtype=kind)
                for block in blocks
            ]
            column = np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
            self._columns[name] = np.concatenate([column, np.zeros(max(size - len(column), 64), dtype=kind)])
