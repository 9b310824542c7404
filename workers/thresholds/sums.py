"""What the metrics of keys come to over periods: sums that grow from window to window, and the period before."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topics.records import WINDOW_SECONDS
from workers.thresholds.plan import Plan
from workers.thresholds.table import KeyTable, Numbers

Mask = NDArray[np.bool_]


class Period(NamedTuple):
    """A period that has ended: where it began, its length, whether all of it was seen, and whether the stream ended."""

    start: int
    seconds: int
    whole: bool = True
    final: bool = False

    @property
    def end(self) -> int:
        """When it ended, in epoch seconds."""
        return self.start + self.seconds


class PeriodSums:
    """The sums of the keys of one table, and from which window on each has been kept."""

    def __init__(self, table: KeyTable) -> None:
        self._table = table

    def keep(self, needed: AbstractSet[str]) -> None:
        """Forget what is known of columns that are not among these."""
        for known in (self._since, self._table.meta.setdefault("ended", {})):
            for name in known.keys() - needed:
                del known[name]

    def add(self, plan: Plan, start: int, values: dict[str, Numbers], present: Mask) -> None:
        """Put the window's values to the sums of the periods it lies in."""
        at = self._table.meta.setdefault("at", {})
        for seconds in plan.periods:
            if seconds > WINDOW_SECONDS:
                at.setdefault(str(seconds), start - start % seconds)
        for each in plan.sums:
            self._since.setdefault(each.column, start)
            column, value = self._table.column(each.column), values[each.metric]
            if each.counted:
                count = self._table.column(each.counted)
                first = present & (count == 0)
                more = present & (count > 0)
                count[present] += 1
                self._table.touch(each.counted)
                column[first] = value[first]
                if each.way == "average":
                    column[more] += value[more]
                elif each.way == "largest":
                    column[more] = np.maximum(column, value)[more]
                elif each.way == "smallest":
                    column[more] = np.minimum(column, value)[more]
                else:
                    column[more] = value[more]
            else:
                column += value
            self._table.touch(each.column)

    def reset(self, plan: Plan, period: Period, values: dict[str, Numbers]) -> None:
        """Begin the next period."""
        for metric, seconds in plan.befores:
            if seconds == period.seconds:
                before = self._table.column(before_column(metric, seconds))
                before[:] = self.total(plan, metric, period, values)
                self._table.touch(before_column(metric, seconds))
                ended = self._table.meta["ended"]
                ended.pop(before_column(metric, seconds), None)
                if self.whole(metric, period):
                    ended[before_column(metric, seconds)] = period.start
        for each in plan.sums:
            if each.period == period.seconds:
                for name in filter(None, (each.column, each.counted)):
                    self._table.column(name)[:] = 0
                    self._table.touch(name)
        self._table.meta.setdefault("at", {}).pop(str(period.seconds), None)

    def total(self, plan: Plan, metric: str, period: Period, values: dict[str, Numbers]) -> Numbers:
        """A metric over a period that has ended."""
        if period.seconds == WINDOW_SECONDS:
            return values[metric]
        each = next(s for s in plan.sums if s.metric == metric and s.period == period.seconds)
        column: Numbers = self._table.column(each.column)
        if each.way == "mean":
            mean: Numbers = column / (period.seconds // WINDOW_SECONDS)
            return mean
        if each.way == "average":
            average: Numbers = column / np.maximum(self._table.column(each.counted), 1)
            return average
        return column.copy()

    def whole(self, metric: str, period: Period) -> bool:
        """True when all windows of the period are in the sums of a metric."""
        if period.seconds == WINDOW_SECONDS:
            return True
        return period.whole and self._since.get(f"s/{metric}/{period.seconds}", period.end) <= period.start

    def last(self, metric: str, period: Period, like: Numbers) -> Numbers | None:
        """A metric in the period before this one: 0 where nothing was counted, ``None`` where no whole one is known."""
        name = before_column(metric, period.seconds)
        ended = self._table.meta["ended"].get(name)
        if ended is None:
            return None
        column: Numbers = self._table.column(name)
        return column if ended == period.start - period.seconds else np.zeros_like(like)

    @property
    def _since(self) -> dict[str, int]:
        """From which window on each sum has been kept."""
        found: dict[str, int] = self._table.meta.setdefault("since", {})
        return found


def before_column(metric: str, seconds: int) -> str:
    """The column of a metric's value in the period before."""
    return f"p/{metric}/{seconds}"
