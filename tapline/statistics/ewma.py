"""A moving mean by event time."""

from __future__ import annotations

import json
import math
from typing import Final, Self

_SECOND: Final = 1_000_000


class Ewma:
    """The exponentially weighted mean of values that come at any times.

    A value counts half as much after ``half_life`` seconds of event time, a quarter after two. Values
    may come out of order: a late one counts as much as if it had come in time. The mean and deviation
    are those of the weighted values (West, "Updating Mean and Variance Estimates", 1979).
    """

    def __init__(self, half_life: float) -> None:
        if not 0 < half_life < math.inf:
            raise ValueError(f"half_life is {half_life}; give seconds, more than 0")
        self.half_life: Final = float(half_life)
        self.mean = 0.0
        self.weight = 0.0
        """How many values of right now all values so far amount to; 0 before the first."""
        self.time = 0
        """Event time of the latest value, in microseconds."""
        self._squares = 0.0

    def add(self, value: float, time: int) -> float:
        """Take a value of this event time, in microseconds since the epoch, and return the mean."""
        if not math.isfinite(value):
            raise ValueError(f"{value} has no mean")
        weight = 1.0
        if not self.weight:
            self.time = time
        elif time >= self.time:
            left = self._left(time - self.time)
            self.weight *= left
            self._squares *= left
            self.time = time
        else:
            weight = self._left(self.time - time)
        total = self.weight + weight
        if total:
            difference = value - self.mean
            self.mean += difference * weight / total
            self._squares += weight * difference * (value - self.mean)
            self.weight = total
        return self.mean

    @property
    def deviation(self) -> float:
        """The standard deviation of the weighted values; 0 before the second."""
        return math.sqrt(max(self._squares, 0.0) / self.weight) if self.weight else 0.0

    def distance(self, value: float) -> float:
        """How many standard deviations a value lies above the mean, or below it (negative)."""
        difference = value - self.mean
        if not difference or not self.weight:
            return 0.0
        return difference / self.deviation if self.deviation else math.copysign(math.inf, difference)

    def to_text(self) -> str:
        """All of it as text."""
        return json.dumps([self.half_life, self.mean, self.weight, self.time, self._squares])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """One that goes on from what :meth:`to_text` gave; :class:`ValueError` for any other text."""
        try:
            half_life, mean, weight, time, squares = json.loads(text)
            made = cls(float(half_life))
            made.mean, made.weight, made.time = float(mean), float(weight), int(time)
            made._squares = float(squares)
        except (TypeError, ValueError) as error:
            raise ValueError(f"this text is no moving mean: {error}") from error
        return made

    def _left(self, microseconds: int) -> float:
        return float(0.5 ** (microseconds / _SECOND / self.half_life))
