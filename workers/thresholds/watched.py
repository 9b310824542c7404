"""The keys of one counter group in one lane: what rules have to know of them, and what the rules come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from topics.records import WINDOW_SECONDS, Metric
from workers.thresholds.methods import judge, weighed
from workers.thresholds.plan import Ask, Plan, Way
from workers.thresholds.sums import Mask, Period, PeriodSums, before_column
from workers.thresholds.table import KeyTable, Numbers

MOST_KEYS: Final = 200_000
"""Keys of a group in a lane that rules know; those not seen for longest make room for new ones."""

FORGET: Final = 86_400
"""Seconds after which a key that stays away is forgotten: one day, or two periods of the longest rule."""

_refused = Counter(
    "tapline_worker_rule_keys_refused", "Keys that rules did not look at in a window.", ["group", "reason"]
)

_GROWING: Final[tuple[Way, ...]] = ("sum", "mean", "largest")


class Verdict(NamedTuple):
    """What came of one rule in one period: of each key in ``keys`` its value and the threshold that was crossed.

    With ``holds`` false the keys have crossed nothing, but are not clear of it either. ``bands`` are where values
    were expected.
    """

    ask: Ask
    period: Period
    keys: list[str]
    values: list[float]
    thresholds: list[float]
    holds: bool = True
    bands: Sequence[tuple[float, float]] = ()


class Learned(NamedTuple):
    """How many keys of a rule have bands that are still being learned, and how many that are believed."""

    learning: int
    ready: int


class Watched:
    """The keys of one group in one lane.

    :meth:`end` takes a window's counters and says what came of the rules whose periods it has ended.
    """

    def __init__(self, table: KeyTable) -> None:
        self._table = table
        self._sums = PeriodSums(table)
        self._plan: Plan | None = None
        self._chosen: NDArray[np.bool_] | None = None
        self._undecided: list[int] = []
        self.learned: dict[str, Learned] = {}

    def use(self, plan: Plan) -> None:
        """Go by these rules from here on; what only others needed is dropped."""
        if plan is self._plan:
            return
        self._plan = plan
        self._chosen = None
        self.learned = {}
        needed = {"seen"} | {sum_.column for sum_ in plan.sums} | {sum_.counted for sum_ in plan.sums}
        needed |= {before_column(*each) for each in plan.befores}
        bands = tuple(f"b/{name}/" for name in plan.learnings)
        for name in self._table.columns():
            if name not in needed and not name.startswith(bands or ("\x00",)):
                self._table.drop(name)
        self._sums.keep(needed)

    def end(
        self, start: int, members: Sequence[Metric], *, final: bool, owns: Callable[[str], bool], new_after: float
    ) -> list[Verdict]:
        """Take the counters of the window that began at ``start`` (epoch seconds).

        ``owns`` tells whether a key that was not seen would come here; a key is new when it was not seen for
        ``new_after`` seconds.
        """
        plan, table = self._plan, self._table
        assert plan is not None
        table.meta.setdefault("first", start)
        keys = [member.key for member in members]
        self._make_room(plan, keys, start)
        rows, self._undecided = table.rows_of(keys)
        self._undecided += table.rows_of([key for key in plan.named if table.row(key) < 0 and owns(key)])[1]
        if len(rows) and rows.min() < 0:
            _refused.labels(plan.group, "too-many").inc(int((rows < 0).sum()))
            members = [member for member, row in zip(members, rows.tolist(), strict=True) if row >= 0]
            rows = rows[rows >= 0]
        self._decide(plan)
        present = np.zeros(table.size, dtype=bool)
        present[rows] = True
        values = self._values(plan, members, rows)
        seen = self._table.column("seen", "<i4")
        fresh = present & ((seen == 0) | (start - seen.astype(np.int64) * WINDOW_SECONDS > new_after))
        verdicts = self._overdue(plan, start)
        self._sums.add(plan, start, values, present)
        seen[rows] = start // WINDOW_SECONDS
        table.touch("seen")
        verdicts += self._new_keys(plan, Period(start, WINDOW_SECONDS, final=final), fresh, values)
        for seconds in plan.periods:
            ended = (start + WINDOW_SECONDS) % seconds == 0
            if ended or final:
                period = Period(start - start % seconds, seconds, whole=ended, final=final)
                verdicts += self._judge(plan, period, values, present)
                self._sums.reset(plan, period, values)
        if plan.remembers:
            table.save()
        return verdicts

    @property
    def remembers(self) -> bool:
        """True when anything is kept beyond a window."""
        return self._plan is None or self._plan.remembers

    def clear(self) -> None:
        """Forget all of it: the lane has ended."""
        self._table.clear()

    def _values(self, plan: Plan, members: Sequence[Metric], rows: NDArray[np.intp]) -> dict[str, Numbers]:
        """The values of all metrics that rules are on, by metric; 0 where there is none, or none that is a number."""
        found = np.zeros((len(plan.metrics), self._table.size))
        meters = [member.meters for member in members]
        try:
            given = np.array([plan.pick(each) for each in meters], dtype=np.float64).reshape(-1, len(plan.metrics))
        except KeyError:
            given = np.array([[each.get(name, 0) for name in plan.metrics] for each in meters], dtype=np.float64)
        found[:, rows] = np.nan_to_num(given.T, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return dict(zip(plan.metrics, found, strict=True))

    def _make_room(self, plan: Plan, keys: Sequence[str], start: int) -> None:
        """Forget the keys that have been away for long; more of them where there is no room for new ones."""
        table = self._table
        missing = sum(table.row(key) < 0 for key in keys)
        crowded = len(table) + missing > MOST_KEYS
        if not crowded and start % 3600:
            return
        seen = self._table.column("seen", "<i4").astype(np.int64)
        idle = table.used()
        idle[[row for key in (*keys, *plan.named) if (row := table.row(key)) >= 0]] = False
        oldest = start - max(FORGET, 2 * plan.periods[-1])
        gone = np.flatnonzero(idle & (seen * WINDOW_SECONDS < oldest))
        short = len(table) - len(gone) + missing - MOST_KEYS
        if short > 0:
            idle[gone] = False
            others = np.flatnonzero(idle)
            gone = np.concatenate([gone, others[np.argsort(seen[others], kind="stable")][:short]])
        table.free(gone.tolist())

    def _decide(self, plan: Plan) -> None:
        """Find out which rules are asked of the keys that are new, or of all where the rules are."""
        table = self._table
        rows = self._undecided
        if self._chosen is None:
            rows = np.flatnonzero(table.used()).tolist()
            self._chosen = np.zeros((max(table.size, 64), len(plan.asks)), dtype=bool)
        elif len(self._chosen) < table.size:
            grown = np.zeros((2 * table.size, len(plan.asks)), dtype=bool)
            grown[: len(self._chosen)] = self._chosen
            self._chosen = grown
        if plan.everywhere:
            self._chosen[rows] = True
            return
        for row in rows:
            self._chosen[row] = plan.choose(table.key(row))

    def _asked(self, number: int) -> Mask:
        assert self._chosen is not None
        return self._chosen[: self._table.size, number] & self._table.used()

    def _overdue(self, plan: Plan, start: int) -> list[Verdict]:
        """Judge the periods that had ended before this window, in a time without any."""
        found = []
        nothing = {metric: np.zeros(self._table.size) for metric in plan.metrics}
        nobody = np.zeros(self._table.size, dtype=bool)
        at = self._table.meta.setdefault("at", {})
        for seconds in plan.periods:
            began = at.get(str(seconds))
            if began is not None and began + seconds <= start:
                period = Period(began, seconds)
                found += self._judge(plan, period, nothing, nobody)
                self._sums.reset(plan, period, nothing)
        return found

    def _settled(self, period: Period) -> bool:
        """True when it is known of keys that were not seen: the first and the last window of a stream may be short."""
        return not period.final and period.start > self._table.meta["first"]

    def _judge(self, plan: Plan, period: Period, values: dict[str, Numbers], present: Mask) -> list[Verdict]:
        asks = [(number, ask) for number, ask in enumerate(plan.asks) if ask.rule.period == period.seconds]
        if not asks:
            return []
        seen = self._table.column("seen", "<i4").astype(np.int64) * WINDOW_SECONDS
        if period.seconds > WINDOW_SECONDS:
            present = seen >= period.start
        found: list[Verdict] = []
        bands: dict[str, tuple[Mask, list[tuple[int, Ask]]]] = {}
        for number, ask in asks:
            rule, asked = ask.rule, self._asked(number)
            if rule.measure == "new_key":
                continue
            total = self._sums.total(plan, rule.metric, period, values)
            if rule.measure == "absence":
                if self._sums.whole(rule.metric, period) and self._settled(period):
                    found += self._absent(ask, period, asked & (total == 0), seen)
            elif rule.measure == "anomaly":
                mask, sharing = bands.setdefault(ask.band, (np.zeros(len(total), dtype=bool), []))
                mask |= asked
                sharing.append((number, ask))
            elif rule.measure == "top_change":
                if self._sums.whole(rule.metric, period):
                    found.append(self._largest(ask, period, asked & present, total))
            else:
                found += self._compared(plan, ask, period, asked, present, total, values)
        for asked, sharing in bands.values():
            found += self._left(plan, period, asked, sharing, values, present)
        return found

    def _compared(
        self,
        plan: Plan,
        ask: Ask,
        period: Period,
        asked: Mask,
        present: Mask,
        total: Numbers,
        values: dict[str, Numbers],
    ) -> list[Verdict]:
        """Volume, rate, ratio and change against their threshold."""
        rule = ask.rule
        if not self._sums.whole(rule.metric, period) and not (
            rule.operator == "gt" and rule.measure in ("volume", "rate", "change") and ask.way in _GROWING
        ):
            return []
        judged = (
            asked if rule.operator == "lt" and not _is_sample(ask.way) and self._settled(period) else asked & present
        )
        value = total
        if rule.measure == "rate" and ask.way == "sum":
            value = total / period.seconds
        elif rule.measure == "ratio":
            other = self._sums.total(plan, rule.other_metric, period, values)
            judged &= (other > 0) & (other >= rule.floor)
            value = 100 * np.divide(total, other, out=np.zeros_like(total), where=other > 0)
        elif rule.measure == "change":
            before = self._sums.last(rule.metric, period, total)
            if before is None:
                return []
            base = np.maximum(before, rule.floor)
            judged &= base > 0
            value = 100 * np.divide(total - before, base, out=np.zeros_like(total), where=base > 0)
        crossed = judged & (value > rule.value if rule.operator == "gt" else value < rule.value)
        found = [self._verdict(ask, period, crossed, value, np.full_like(value, rule.value))]
        clear = rule.patience.clear_threshold
        if clear is not None:
            between = judged & ~crossed & (value > clear if rule.operator == "gt" else value < clear)
            found.append(self._verdict(ask, period, between, value, np.full_like(value, rule.value), holds=False))
        return found

    def _left(
        self,
        plan: Plan,
        period: Period,
        asked: Mask,
        sharing: list[tuple[int, Ask]],
        values: dict[str, Numbers],
        present: Mask,
    ) -> list[Verdict]:
        """Compare the keys' values with their bands, and learn them."""
        ask = sharing[0][1]
        metric, name = ask.rule.metric, ask.band
        if not self._sums.whole(metric, period):
            return []
        total = self._sums.total(plan, metric, period, values)
        if _is_sample(ask.way) or period.final:
            asked = asked & present
        learning, table = plan.learnings[name], self._table
        rows = np.flatnonzero(asked)
        number = self._table.column(f"b/{name}/number")
        state = {part: self._table.column(f"b/{name}/{part}") for part in learning.fixed}
        slots = [self._table.column(f"b/{name}/{slot}", learning.slot_type) for slot in range(learning.slots)]
        ticks = table.meta.setdefault("ticks", {})
        turn = ticks.get(name, 0) % len(slots) if slots else 0
        past = np.array([slot[rows] for slot in slots]) if learning.all_slots else slots[turn][rows] if slots else _NONE
        known = {part: column[rows] for part, column in state.items()}
        judged = judge(learning, known, past, number[rows], total[rows])
        written = learning.learn(known, past, number[rows], weighed(judged, total[rows]))
        ticks[name] = ticks.get(name, 0) + 1
        if written is not None:
            slots[turn][rows] = written
            table.touch(f"b/{name}/{turn}")
        for part, column in state.items():
            column[rows] = known[part]
            table.touch(f"b/{name}/{part}")
        if not _is_sample(ask.way) and not period.final:
            number[~asked] = 0
        number[rows] += 1
        table.touch(f"b/{name}/number")
        found = []
        for ask_number, each in sharing:
            mine = self._asked(ask_number)[rows]
            learnt = int((mine & judged.learning).sum())
            self.learned[each.key] = Learned(learnt, int(mine.sum()) - learnt)
            value = total[rows]
            out = mine & judged.left & (np.maximum(value, judged.upper) >= each.rule.floor)
            at = np.flatnonzero(out)
            limits = np.where(value > judged.upper, judged.upper, judged.lower)
            found.append(
                Verdict(
                    each,
                    period,
                    [table.key(row) for row in rows[at].tolist()],
                    value[at].tolist(),
                    limits[at].tolist(),
                    bands=list(zip(judged.lower[at].tolist(), judged.upper[at].tolist(), strict=True)),
                )
            )
        return found

    def _absent(self, ask: Ask, period: Period, missing: Mask, seen: NDArray[np.int64]) -> list[Verdict]:
        """The keys that are missing, and for how many seconds; those that never came since the first window."""
        last = np.where(seen > 0, seen + WINDOW_SECONDS, self._table.meta["first"])
        return [
            self._verdict(
                ask, period, missing, (period.end - last).astype(np.float64), np.full(len(last), period.seconds)
            )
        ]

    def _new_keys(self, plan: Plan, period: Period, fresh: Mask, values: dict[str, Numbers]) -> list[Verdict]:
        found = []
        age = period.start - self._table.meta["first"]
        for number, ask in enumerate(plan.asks):
            rule = ask.rule
            if rule.measure == "new_key":
                ready = age >= rule.learn_periods * rule.period
                self.learned[ask.key] = Learned(0 if ready else 1, 1 if ready else 0)
                value = values[rule.metric]
                out = self._asked(number) & fresh & (value >= rule.floor)
                if ready:
                    found.append(self._verdict(ask, period, out, value, np.full_like(value, rule.floor)))
        return found

    def _largest(self, ask: Ask, period: Period, asked: Mask, total: Numbers) -> Verdict:
        """This partition's largest keys, the first by name where they are equal."""
        rows = np.flatnonzero(asked & (total > 0))
        if len(rows) > ask.rule.top:
            least = np.partition(total[rows], len(rows) - ask.rule.top)[len(rows) - ask.rule.top]
            rows = rows[total[rows] >= least]
        ordered = sorted(
            (-value, self._table.key(row)) for row, value in zip(rows.tolist(), total[rows].tolist(), strict=True)
        )
        ordered = ordered[: ask.rule.top]
        return Verdict(ask, period, [key for _, key in ordered], [-value for value, _ in ordered], [])

    def _verdict(
        self, ask: Ask, period: Period, mask: Mask, value: Numbers, threshold: NDArray[Any], *, holds: bool = True
    ) -> Verdict:
        rows = np.flatnonzero(mask)
        keys = [self._table.key(row) for row in rows.tolist()]
        return Verdict(ask, period, keys, value[rows].tolist(), threshold[rows].tolist(), holds=holds)


_NONE: Final = np.zeros(0)


def _is_sample(way: Way) -> bool:
    """True for values that are not 0 where nothing was counted."""
    return way not in ("sum", "mean")
