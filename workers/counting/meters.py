"""The kinds of meters: how the samples of a window combine, and what a window's result is.

A sample becomes a value that travels between the stages (:data:`topics.records.MeterValue`). Merging
two values is commutative and associative, so the partitions' values come to the same in any order and
grouping: exactly for integers, for other numbers up to the rounding of a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from topics.records import WINDOW_SECONDS, MeterKind, MeterValue

Number = int | float

_MICROSECONDS: Final = 1_000_000

MOST_MEMBERS: Final = 1000
"""So many different samples are told apart; a count of this many means at least as many."""


@dataclass(frozen=True)
class Kind:
    """One kind of meter.

    ``begin`` makes a value of the first sample and its event time (microseconds since the epoch),
    ``add`` puts another sample to it, ``merge`` combines the values of two partitions. ``finish`` makes
    the window's result of the merged value and of what was kept of earlier windows (``None`` where
    there are none), and says what to keep; the result is ``None`` where there is none yet.
    ``adds_up`` says that values of several keys may be merged, to a total over the keys; ``keeps`` that
    something is kept for later windows.
    """

    begin: Callable[[Number, int], MeterValue]
    add: Callable[[Any, Number, int], MeterValue]
    merge: Callable[[Any, Any], MeterValue]
    finish: Callable[[Any, Any], tuple[Number | None, Any]]
    adds_up: bool = True
    keeps: bool = False


def growth(before: Number, after: Number, *, wide: bool) -> Number:
    """How much a counter that only grows has grown between two readings.

    Less than before means that it wrapped or that it began anew. It wrapped where it was in the last
    quarter of its range and is now in the first: 32 bits, or 64 where ``wide`` says that it was once
    beyond 32. Otherwise it began at 0, and has at least grown to what it shows.
    """
    if after >= before:
        return after - before
    size = 1 << (64 if wide or before >= 1 << 32 else 32)
    if before >= size * 3 // 4 and after < size // 4:
        return size - before + after
    return max(after, 0)


def _sample(value: Number, _time: int) -> MeterValue:
    return value


def _sum(before: Number, value: Number, _time: int = 0) -> Number:
    return before + value


def _larger(before: Number, value: Number, _time: int = 0) -> Number:
    return max(before, value)


def _smaller(before: Number, value: Number, _time: int = 0) -> Number:
    return min(before, value)


def _as_it_is(value: Number, _kept: None) -> tuple[Number, None]:
    return value, None


def _a_second(value: Number, _kept: None) -> tuple[Number, None]:
    return value / WINDOW_SECONDS, None


def _running(value: Number, kept: Number | None) -> tuple[Number, Number]:
    total = value + (kept or 0)
    return total, total


def _timed(value: Number, time: int) -> MeterValue:
    return [time, value]


def _gauge_add(before: list[Number], value: Number, time: int) -> MeterValue:
    return [time, value] if time >= before[0] else before


def _gauge_finish(value: list[Number], _kept: None) -> tuple[Number, None]:
    return value[1], None


def _average_begin(value: Number, _time: int) -> MeterValue:
    return [value, 1]


def _average_add(before: list[Number], value: Number, _time: int) -> MeterValue:
    return [before[0] + value, before[1] + 1]


def _average_merge(one: list[Number], other: list[Number]) -> MeterValue:
    return [one[0] + other[0], one[1] + other[1]]


def _average_finish(value: list[Number], _kept: None) -> tuple[Number, None]:
    return value[0] / value[1], None


def _readings_add(before: list[Number], value: Number, time: int) -> MeterValue:
    """Readings in a row, ``[time, value, time, value, …]``; of a run that rises its ends say all."""
    if (time, value) <= (before[-2], before[-1]):
        return _readings_merge(before, [time, value])
    if len(before) > 2 and before[-3] <= before[-1] <= value:
        return [*before[:-2], time, value]
    return [*before, time, value]


def _readings_merge(one: list[Number], other: list[Number]) -> MeterValue:
    readings = sorted({*_pairs(one), *_pairs(other)})
    return [number for reading in readings for number in reading]


def _pairs(readings: list[Number]) -> list[tuple[Number, Number]]:
    return list(zip(readings[::2], readings[1::2], strict=True))


def _delta_rate(value: list[Number], kept: list[Any] | None) -> tuple[Number | None, list[Any]]:
    """The growth a second since the last reading kept, else since the window's first.

    Kept is ``[time, value, wide]`` of the last reading.
    """
    readings = _pairs(value)
    wide = False
    if kept is not None:
        time, before, wide = kept
        readings = [(time, before), *(reading for reading in readings if reading[0] > time)]
    grown: Number = 0
    for (_, before), (_, after) in pairwise(readings):
        wide = wide or before >= 1 << 32
        grown += growth(before, after, wide=wide)
    (first, _), (last, latest) = readings[0], readings[-1]
    seconds = (last - first) / _MICROSECONDS
    return (grown / seconds if seconds > 0 else None), [last, latest, wide or latest >= 1 << 32]


def _members_begin(value: Number, _time: int) -> MeterValue:
    return [value]


def _members_add(before: list[Number], value: Number, _time: int) -> MeterValue:
    return before if value in before else _members_merge(before, [value])


def _members_merge(one: list[Number], other: list[Number]) -> MeterValue:
    """The smallest of the different samples, which no order of merging changes."""
    return sorted({*one, *other})[:MOST_MEMBERS]


def _members_finish(value: list[Number], _kept: None) -> tuple[Number, None]:
    return len(value), None


def _seconds_begin(value: Number, time: int) -> MeterValue:
    return [time // _MICROSECONDS, value]


def _seconds_add(before: list[Number], value: Number, time: int) -> MeterValue:
    return _seconds_merge(before, [time // _MICROSECONDS, value])


def _seconds_merge(one: list[Number], other: list[Number]) -> MeterValue:
    """Seconds with what was counted in them, ``[second, sum, second, sum, …]``."""
    seconds = dict(_pairs(one))
    for second, value in _pairs(other):
        seconds[second] = seconds.get(second, 0) + value
    return [number for pair in sorted(seconds.items()) for number in pair]


def _seconds_finish(value: list[Number], _kept: None) -> tuple[Number, None]:
    return sustained(dict(_pairs(value))), None


def sustained(seconds: Mapping[Number, Number]) -> Number:
    """The rate a second that was kept up for three seconds in a row: the largest of their least sums.

    That is ntopng's flood counter. A burst within one or two seconds is none.
    """
    return max((min(value, seconds.get(at + 1, 0), seconds.get(at + 2, 0)) for at, value in seconds.items()), default=0)


KINDS: Final[dict[MeterKind, Kind]] = {
    "counter": Kind(_sample, _sum, _sum, _as_it_is),
    "rate": Kind(_sample, _sum, _sum, _a_second),
    "gauge": Kind(_timed, _gauge_add, max, _gauge_finish, adds_up=False),
    "running": Kind(_sample, _sum, _sum, _running, keeps=True),
    "average": Kind(_average_begin, _average_add, _average_merge, _average_finish),
    "delta_rate": Kind(_timed, _readings_add, _readings_merge, _delta_rate, adds_up=False, keeps=True),
    "maximum": Kind(_sample, _larger, _larger, _as_it_is),
    "minimum": Kind(_sample, _smaller, _smaller, _as_it_is),
    "distinct": Kind(_members_begin, _members_add, _members_merge, _members_finish),
    "sustained": Kind(_seconds_begin, _seconds_add, _seconds_merge, _seconds_finish),
}
"""Every kind of meter by its name."""
