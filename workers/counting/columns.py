"""Columns of flow records: texts by number, sums by key, and lists by owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_SHORT_BITS: Final = 32
_MOST_TO_LIST: Final = 1 << 22
"""Keys below this are counted in a list of all there can be."""


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


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Every value once, in order; for numbers that all differ faster than :func:`numpy.unique`."""
    values = np.sort(values)
    return values[_first_ones(values)]


def distinct_pairs(owners: NDArray[Any], members: NDArray[Any]) -> tuple[Ints, Ints]:
    """Each pair of two small numbers once, in order: of the owners, then of the members.

    Most of the time goes into sorting, and numbers of 32 bits are sorted in half the time.
    """
    if not len(owners):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    bits = int(members.max()).bit_length()
    pairs = distinct(_shortened((owners.astype(np.int64) << bits) | members)).astype(np.int64)
    return pairs >> bits, pairs & ((1 << bits) - 1)


def counted(keys: Ints) -> tuple[Ints, Ints]:
    """Every key once, in order, with how often it is there; keys are not negative."""
    if not len(keys):
        return keys, keys
    if int(keys.max()) < _MOST_TO_LIST:
        counts = np.bincount(keys)
        found = np.flatnonzero(counts)
        return found, counts[found]
    ordered = np.sort(_shortened(keys))
    begins = np.flatnonzero(_first_ones(ordered))
    return ordered[begins].astype(np.int64), np.diff(begins, append=len(ordered))


def _shortened(keys: Ints) -> NDArray[Any]:
    return keys.astype(np.uint32) if int(keys.max()).bit_length() <= _SHORT_BITS else keys


def _first_ones(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of numbers in order are not the same as the one before."""
    is_first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return is_first


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
