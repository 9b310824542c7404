"""Columns of flow records: texts by number, sums by key, and lists by owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Numbering(dict[str, int]):
    """Numbers texts as they come."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


def summed(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Every key once, in order, with the sum of its counts."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[begins], np.add.reduceat(counts, begins) if len(begins) else counts


def distinct(values: Ints) -> Ints:
    """Every value once, in order; for numbers that all differ faster than :func:`numpy.unique`."""
    values = np.sort(values)
    return values[np.diff(values, prepend=-1) != 0]  # type: ignore[no-any-return]


def bytes_by_owner(owners: NDArray[Any], values: Ints) -> Iterator[tuple[int, bytes]]:
    """The values of each owner as bytes, of which those of one stand together."""
    whole, width = values.tobytes(), values.itemsize
    for owner, start, end in _ranges(owners):
        yield owner, whole[start * width : end * width]


def _ranges(owners: NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Each owner with where its values begin and end."""
    begins = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = [*begins[1:].tolist(), len(owners)][: len(begins)]
    return zip(owners[begins].tolist(), begins.tolist(), ends, strict=True)
