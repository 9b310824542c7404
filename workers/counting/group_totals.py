"""Totals over all keys of counter groups, made of one partition's sums as these are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tapline.groups import TOTALS
from topics.records import Partial
from workers.counting.counter_sums import CounterSums
from workers.counting.counts import named_partial
from workers.counting.meters import KINDS


class GroupTotals:
    """Adds up the sums of the groups ``wanted``; ``None`` adds up nothing.

    Meters whose values of several keys make no sense together, gauges and readings, have no total.
    """

    def __init__(self, wanted: Callable[[str], bool] | None) -> None:
        self._wanted = wanted
        self._sums = CounterSums()

    def added(self, partials: Iterable[Partial]) -> Iterable[Partial]:
        """The same sums, added up on their way."""
        return partials if self._wanted is None else self._adding(partials, self._wanted)

    def partials(self) -> Iterator[Partial]:
        """The totals of what has passed."""
        return self._sums.partials()

    def _adding(self, partials: Iterable[Partial], wanted: Callable[[str], bool]) -> Iterator[Partial]:
        for partial in partials:
            yield partial
            if wanted(partial.group):
                self._sums.add(_part_of_total(partial))


def _part_of_total(partial: Partial) -> list[Partial]:
    """A key's sums as a part of its group's totals, where there are any that add up."""
    if not partial.kinds:
        return [Partial(partial.group, TOTALS, partial.meters, partial.names)]
    values = {
        (name, kind): value
        for name, kind, value in zip(partial.names, partial.kinds, partial.meters, strict=True)
        if KINDS[kind].adds_up
    }
    return [named_partial(partial.group, TOTALS, values)] if values else []
