"""Heavy hitters: the keys that have most, in memory that does not grow."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from _datasketches import frequent_items_error_type, frequent_strings_sketch

from tapline.statistics.text import from_text, to_text


class Heavy(NamedTuple):
    """A key, what it has about, and between which two values the truth lies for certain."""

    key: str
    estimate: int
    least: int
    most: int


class TopK:
    """The keys with the largest sums, out of any number of them.

    Up to ``size * 3 / 4`` different keys are counted exactly. With more, what is said of a key is off by at
    most :attr:`error`, ``3.5 / size`` of :attr:`total`, and no key that has more than that is missed.
    ``size`` is a power of two from 8 to 2**26; a key takes some 100 bytes.

    It is the Frequent Items sketch of Apache DataSketches (Anderson et al., "A High-Performance
    Algorithm for Identifying Frequent Items in Data Streams", 2017).
    """

    def __init__(self, size: int = 1024) -> None:
        if size.bit_count() != 1 or not 8 <= size <= 1 << 26:
            raise ValueError(f"size is {size}; give a power of two from 8 to {1 << 26}")
        self._sketch: Any = frequent_strings_sketch(size.bit_length() - 1)

    def add(self, key: str, weight: int = 1) -> None:
        """Give a key more: ``weight`` is a whole number from 0 up, such as bytes."""
        self._sketch.update(key, weight)

    def estimate(self, key: str) -> int:
        """What a key has; 0 for one that is not among the large."""
        return int(self._sketch.get_estimate(key))

    def top(self, count: int = 10) -> list[Heavy]:
        """The largest keys, largest first; keys with equal estimates in the order of the alphabet."""
        found = self._sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        heavy = [Heavy(*row) for row in found]
        heavy.sort(key=lambda each: (-each.estimate, each.key))
        return heavy[:count]

    @property
    def total(self) -> int:
        """The sum of all weights."""
        return int(self._sketch.total_weight)

    @property
    def error(self) -> int:
        """How far an estimate may be off, at most."""
        return int(self._sketch.epsilon * self.total)

    def merge(self, other: TopK) -> None:
        """Add what another one has counted."""
        self._sketch.merge(other._sketch)

    def to_text(self) -> str:
        """All of it as text."""
        return to_text(self._sketch.serialize())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """One that goes on from what :meth:`to_text` gave; :class:`ValueError` for any other text."""
        made = cls.__new__(cls)
        made._sketch = from_text(text, frequent_strings_sketch.deserialize, "top list")  # noqa: SLF001 - its own
        return made
