"""How many different values there were, in a few kilobytes."""

from __future__ import annotations

import math
from typing import Any, Self

from _datasketches import hll_sketch, hll_union, tgt_hll_type

from tapline.statistics.text import from_text, to_text


class DistinctCount:
    """Counts different values: texts or whole numbers; ``1`` and ``"1"`` differ, an empty text is not counted.

    Small numbers are nearly exact. Beyond, the standard error is ``0.83 / sqrt(2 ** precision)`` of the
    count, ``1.04 / sqrt(2 ** precision)`` of a merged one: 1.3 % and 1.6 % at the default, in 2 KiB.
    ``precision`` runs from 7 to 21.

    It is the HyperLogLog sketch of Apache DataSketches (Flajolet et al., 2007; the estimator by Lang, 2017).
    """

    def __init__(self, precision: int = 12) -> None:
        if not 7 <= precision <= 21:
            raise ValueError(f"precision is {precision}; give one from 7 to 21")
        self._sketch: Any = hll_sketch(precision, tgt_hll_type.HLL_4)

    def add(self, value: str | int) -> None:
        """Count a value, unless it was counted before."""
        self._sketch.update(value)

    @property
    def count(self) -> int:
        """How many different values there were, about."""
        estimate: float = self._sketch.get_estimate()
        return round(estimate)

    def bounds(self, deviations: int = 2) -> tuple[int, int]:
        """Between which numbers the truth lies, at 1, 2 or 3 standard deviations: 68, 95 or 99.7 of 100 times."""
        low: float = self._sketch.get_lower_bound(deviations)
        high: float = self._sketch.get_upper_bound(deviations)
        return math.floor(low), math.ceil(high)

    def merge(self, other: DistinctCount) -> None:
        """Add the values another one has counted; those both had count once."""
        union = hll_union(min(self._sketch.lg_config_k, other._sketch.lg_config_k))
        union.update(self._sketch)
        union.update(other._sketch)
        self._sketch = union.get_result(tgt_hll_type.HLL_4)

    def to_text(self) -> str:
        """All of it as text."""
        return to_text(self._sketch.serialize_updatable())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """One that goes on from what :meth:`to_text` gave; :class:`ValueError` for any other text."""
        made = cls.__new__(cls)
        made._sketch = from_text(text, hll_sketch.deserialize, "distinct count")  # noqa: SLF001 - its own
        return made
