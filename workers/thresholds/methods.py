"""The ways to learn where a value is expected, each for many entities at once.

A value is compared with the band that the values before it have made, and then learned. All arithmetic is in
binary floating point of 64 bits, in a settled order: the same values in the same order make the same bands.
"""

# ruff: noqa: ARG002 - a method has the shape of its kind

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapline.policy.model import Method

Numbers = NDArray[np.float64]
State = dict[str, Numbers]
"""What is known of some entities: for each name of :attr:`Learning.fixed` one number an entity."""

LEAST_SPREAD: Final = 0.01
"""The least spread that is believed, as a part of the level: what never varied will some day."""

_FIRST_WEIGHT: Final = 0.1
"""How much of a value outside is learned where the band has no width."""


class Learner(NamedTuple):
    """What a band is learned with.

    ``season`` is in periods (0 where the method has none), ``learn_periods`` says after how many values the band
    is believed.
    """

    method: Method
    sensitivity: float = 3.0
    season: int = 0
    learn_periods: int = 20


class Judged(NamedTuple):
    """Of each entity: where its value was expected, whether it left that, and whether it is still being learned."""

    lower: Numbers
    upper: Numbers
    left: NDArray[np.bool_]
    learning: NDArray[np.bool_]


class Learning(ABC):
    """One method. ``slots`` are what it remembers of values singly: one row of them a slot, one column an entity."""

    fixed: ClassVar[tuple[str, ...]] = ()
    slot_type: ClassVar[str] = "<f4"

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.needed = max(learner.learn_periods, 2)

    @property
    def slots(self) -> int:
        """How many values of an entity are remembered singly."""
        return 0

    @property
    def all_slots(self) -> bool:
        """True when all slots are looked at for each value, not only the one that is its turn."""
        return False

    @abstractmethod
    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """The level, and how far below and above it a value may lie; ``number`` is how many have been learned."""

    @abstractmethod
    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> NDArray[Any] | None:
        """Put a value to ``state``; returns what to write to the slot whose turn it is."""


def judge(learning: Learning, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> Judged:
    """Where values were expected, by what is known so far.

    A band that is just believed is twice as wide as what was seen asks for, and narrows with what is
    confirmed: by ``1 + needed / number``. It does not reach below 0 where level and value do not.
    """
    level, below, above = learning.expect(state, slots, number)
    wider = 1 + learning.needed / np.maximum(number, 1)
    least = learning.learner.sensitivity * LEAST_SPREAD * np.abs(level)
    lower = level - np.maximum(below, least) * wider
    upper = level + np.maximum(above, least) * wider
    lower = np.where((level >= 0) & (value >= 0), np.maximum(lower, 0), lower)
    still = number < learning.needed
    left = ~still & ((value < lower) | (value > upper))
    return Judged(lower, upper, left, still)


def weighed(judged: Judged, value: Numbers) -> Numbers:
    """The values as they are learned: one outside its band counts as at most a band's half outside."""
    half = (judged.upper - judged.lower) / 2
    near = np.clip(value, judged.lower - half, judged.upper + half)
    near = np.where(half > 0, near, judged.lower + _FIRST_WEIGHT * (value - judged.lower))
    return np.where(judged.left, near, value)


class Ewma(Learning):
    """Exponentially weighted mean and variance (Finch, "Incremental calculation of weighted mean and variance", 2009).

    The weight of a new value is 2 / (learn_periods + 1), and 1 / n for the first ones.
    """

    fixed = ("mean", "variance")

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        far = self.learner.sensitivity * np.sqrt(state["variance"])
        return state["mean"], far, far

    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> None:
        weight = np.maximum(2 / (self.needed + 1), 1 / (number + 1))
        difference = value - state["mean"]
        step = weight * difference
        state["mean"] = state["mean"] + step
        state["variance"] = (1 - weight) * (state["variance"] + difference * step)


class _Forecast(Learning):
    """Compares with a forecast; the spread is that of its errors, weighted as the values of :class:`Ewma` are."""

    begins: ClassVar[int] = 2
    """The forecasts of this many first values say nothing."""

    def _far(self, state: State) -> Numbers:
        far: Numbers = self.learner.sensitivity * np.sqrt(state["variance"])
        return far

    def _learn_error(self, state: State, number: Numbers, error: Numbers, begins: int) -> None:
        weight = np.maximum(2 / (self.needed + 1), 1 / np.maximum(number - begins + 1, 1))
        variance = (1 - weight) * state["variance"] + weight * error**2
        state["variance"] = np.where(number >= begins, variance, 0)


class DoubleExponential(_Forecast):
    """Level and trend (Holt's linear method, 1957)."""

    fixed = ("level", "trend", "variance")
    LEVEL: ClassVar[float] = 0.3
    TREND: ClassVar[float] = 0.1

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        far = self._far(state)
        return state["level"] + state["trend"], far, far

    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> None:
        forecast = state["level"] + state["trend"]
        self._learn_error(state, number, value - forecast, self.begins)
        level = forecast + self.LEVEL * (value - forecast)
        trend = state["trend"] + self.TREND * (level - state["level"] - state["trend"])
        state["trend"] = np.select([number < 1, number < 2], [np.zeros_like(value), value - state["level"]], trend)
        state["level"] = np.where(number < 2, value, level)


class HoltWinters(_Forecast):
    """Level, trend and an additive season (Winters, 1960).

    The first season gives the level, its mean, and each slot's part; it takes two seasons at least to be believed.
    """

    fixed = ("level", "trend", "variance", "base")
    slot_type = "<f8"
    LEVEL: ClassVar[float] = 0.3
    TREND: ClassVar[float] = 0.05
    SEASON: ClassVar[float] = 0.3

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        if learner.season < 2:
            raise ValueError(f"a season of {learner.season} periods cannot be learned: give 2 or more")
        self.needed = max(self.needed, 2 * learner.season)

    @property
    def slots(self) -> int:
        return self.learner.season

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        far = self._far(state)
        return state["level"] + state["trend"] + self._part(state, slots, number), far, far

    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> NDArray[Any]:
        season = self.learner.season
        first = number < season
        part = self._part(state, slots, number)
        forecast = state["level"] + state["trend"]
        self._learn_error(state, number, value - forecast - part, season)
        level = forecast + self.LEVEL * (value - part - forecast)
        trend = state["trend"] + self.TREND * (level - state["level"] - state["trend"])
        mean = state["level"] + (value - state["level"]) / (number + 1)
        state["level"] = np.where(first, mean, level)
        state["trend"] = np.where(first, 0, trend)
        state["base"] = np.where(first, mean, state["base"])
        return np.where(first, value, part + self.SEASON * (value - level - part))

    def _part(self, state: State, slots: NDArray[Any], number: Numbers) -> Numbers:
        """The season's part of this period: in the second season the first one's value less that one's mean."""
        season = self.learner.season
        return np.select([number < season, number < 2 * season], [np.zeros_like(number), slots - state["base"]], slots)


class Rsi(Learning):
    """Relative strength (Wilder, 1978): mean gains against mean losses, each with a weight of 1 / learn_periods.

    A value is outside when it would make the gains more than ``sensitivity`` times the losses, or the other
    way: at 3 that is an index above 75 or below 25.
    """

    fixed = ("before", "gain", "loss")

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        times, gain, loss = self.learner.sensitivity, state["gain"], state["loss"]
        weight = 1 / self.needed
        old = (1 - weight) / weight
        return state["before"], old * (times * gain - loss), old * (times * loss - gain)

    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> None:
        change = np.where(number > 0, value - state["before"], 0)
        weight = np.maximum(1 / self.needed, 1 / np.maximum(number, 1))
        state["gain"] = state["gain"] + weight * (np.maximum(change, 0) - state["gain"])
        state["loss"] = state["loss"] + weight * (np.maximum(-change, 0) - state["loss"])
        state["before"] = value.copy()


def rsi(gain: float, loss: float) -> float:
    """The index of mean gains and losses, 0 to 100; 50 where there were neither."""
    return 100 * gain / (gain + loss) if gain + loss else 50.0


class _Ring(Learning):
    """Compares with the last ``learn_periods`` values."""

    @property
    def slots(self) -> int:
        return self.needed

    @property
    def all_slots(self) -> bool:
        return True

    def learn(self, state: State, slots: NDArray[Any], number: Numbers, value: Numbers) -> NDArray[Any]:
        return value


class ZScore(_Ring):
    """Mean and standard deviation of the last values."""

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        values = slots.astype(np.float64)
        far = self.learner.sensitivity * values.std(axis=0, ddof=1)
        return values.mean(axis=0), far, far


class Iqr(_Ring):
    """Quartiles of the last values, and the range between them (Tukey's fences): a few odd values move neither."""

    def expect(self, state: State, slots: NDArray[Any], number: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        first, median, third = np.percentile(slots.astype(np.float64), (25, 50, 75), axis=0)
        far = self.learner.sensitivity * (third - first)
        return median, median - first + far, third - median + far


_METHODS: Final[Mapping[Method, type[Learning]]] = {
    "ewma": Ewma,
    "double_exponential": DoubleExponential,
    "holt_winters": HoltWinters,
    "rsi": Rsi,
    "z_score": ZScore,
    "iqr": Iqr,
}


def learning_of(learner: Learner) -> Learning:
    """The method of a learner, ready to be used."""
    return _METHODS[learner.method](learner)
