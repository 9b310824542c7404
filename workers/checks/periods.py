"""What counters come to over five minutes, an hour and a day, kept from window to window.

A window's values go into the five minutes they lie in, those into their hour, hours into their day: so each is written
once a window, once in five minutes, once an hour. What is kept is in the stage's store, in pieces, and is as of its
commit point: a stage that takes over goes on with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from zlib import crc32

from prometheus_client import Counter

from tapline.checks.entities import SECONDS, Granularity
from topics.records import WINDOW_SECONDS, MeterKind, MeterValue
from workers.counting.meters import KINDS, MOST_MEMBERS, Number
from workers.windows.store import OwnerStore

TIERS: Final[tuple[Granularity, ...]] = ("five_minutes", "hour", "day")
"""The periods beyond a window, each of which is made of the ones before."""

MOST_KEYS: Final = 200_000
"""Most keys of which a period is kept, in one stage and lane; what comes beyond is left out of long periods."""

MOST_MEMBERS_IN_ALL: Final = 2_000_000
"""Most members of sets kept in a period; beyond, sets grow no more, and their size means at least as many."""

_PIECES: Final = 64
_refused = Counter(
    "tapline_worker_check_period_keys_refused", "Keys left out of long periods because there are too many.", ["group"]
)

Value = Number | list[Number]
"""A meter's value in a part of a period: its result, of averages and sets what they are made of."""

Kinds = dict[str, MeterKind]
"""The kind of each meter of a group."""

Part = tuple[str, str, Mapping[str, Any]]
"""What a key of a group has come to in a part of a period."""


class Ended(NamedTuple):
    """A period that is over: its start in epoch seconds and what the meters of each group's keys came to."""

    granularity: Granularity
    start: int
    counted: dict[str, dict[str, dict[str, Number]]]


def begin(kind: MeterKind, value: Value) -> Value:
    """What is kept of a meter's first window in a period."""
    return [value, 1] if kind == "delta_rate" and not isinstance(value, list) else value


def merged(kind: MeterKind, one: Any, other: Any) -> Value:
    """What is kept of two windows in a row; ``other`` is the later, as :func:`begin` made it or this."""
    if kind in ("gauge", "running"):
        return other  # type: ignore[no-any-return]
    if kind in ("average", "delta_rate"):
        return [one[0] + other[0], one[1] + other[1]]
    if kind in ("maximum", "sustained"):
        return max(one, other)  # type: ignore[no-any-return]
    if kind == "minimum":
        return min(one, other)  # type: ignore[no-any-return]
    if kind == "distinct":
        return KINDS["distinct"].merge(one, other)  # type: ignore[return-value]
    return one + other  # type: ignore[no-any-return]


def result(kind: MeterKind, value: Any, seconds: int) -> Number:
    """What a period of so many seconds comes to."""
    if kind in ("average", "delta_rate"):
        return value[0] / value[1]  # type: ignore[no-any-return]
    if kind == "rate":
        return value * WINDOW_SECONDS / seconds  # type: ignore[no-any-return]
    if kind == "distinct":
        return min(len(value), MOST_MEMBERS)
    return value  # type: ignore[no-any-return]


class Period:
    """One period of one lane that is going on."""

    def __init__(self, store: OwnerStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self.start = -1
        self.kinds: dict[str, Kinds] = {}
        self._rows: dict[tuple[str, str], dict[str, Value]] = {}
        self._dirty: set[int] = set()
        self._members = 0
        self._load()

    def add(self, start: int, parts: Iterable[Part], kinds: Mapping[str, Kinds]) -> None:
        """Add what keys have come to in a part of the period that begins at ``start``; ``kinds`` by group."""
        self.start = start
        rows, dirty = self._rows, self._dirty
        for group, key, values in parts:
            place = (group, key)
            of_group = kinds[group]
            dirty.add(_piece(key))
            row = rows.get(place)
            if row is None:
                if len(rows) >= MOST_KEYS:
                    _refused.labels(group).inc()
                    continue
                row = rows[place] = {}
            for meter, value in values.items():
                kind = of_group[meter]
                if meter not in row:
                    row[meter] = value
                    if kind == "distinct":
                        self._members += len(value)
                elif kind == "counter":
                    row[meter] += value
                elif kind == "distinct":
                    self._unite(row, meter, value)
                else:
                    row[meter] = merged(kind, row[meter], value)
        for group, of_group in kinds.items():
            self.kinds.setdefault(group, {}).update(of_group)

    def _unite(self, row: dict[str, Value], meter: str, members: list[Number]) -> None:
        if self._members < MOST_MEMBERS_IN_ALL:
            before: Any = row[meter]
            after: Any = merged("distinct", before, members)
            self._members += len(after) - len(before)
            row[meter] = after

    def parts(self) -> Iterator[Part]:
        """What it has come to, to be added to a longer one."""
        for (group, key), row in self._rows.items():
            yield group, key, row

    def results(self, seconds: int) -> dict[str, dict[str, dict[str, Number]]]:
        """What it comes to, by group and key."""
        found: dict[str, dict[str, dict[str, Number]]] = {}
        for (group, key), row in self._rows.items():
            kinds = self.kinds[group]
            found.setdefault(group, {})[key] = {
                meter: value if kinds[meter] == "counter" else result(kinds[meter], value, seconds)  # type: ignore[misc]
                for meter, value in row.items()
            }
        return found

    def clear(self) -> None:
        """The period is over: forget it."""
        self._dirty |= {_piece(key) for _, key in self._rows}
        self._rows, self.kinds = {}, {}
        self._members = 0
        self.start = -1

    def keep(self) -> None:
        """Write down what has changed."""
        if not self._dirty:
            return
        pieces: dict[int, list[Any]] = {number: [] for number in sorted(self._dirty)}
        for (group, key), row in self._rows.items():
            piece = pieces.get(_piece(key))
            if piece is not None:
                piece.append((group, key, row))
        for number, piece in pieces.items():
            place = f"{self._prefix}{number}"
            if piece:
                self._store[place] = piece
            elif place in self._store:
                del self._store[place]
        head = f"{self._prefix}head"
        if self._rows:
            self._store[head] = [self.start, self.kinds]
        elif head in self._store:
            del self._store[head]
        self._dirty.clear()

    def _load(self) -> None:
        head = self._store.get(f"{self._prefix}head")
        if head is None:
            return
        self.start, self.kinds = head
        for number in range(_PIECES):
            for group, key, row in self._store.get(f"{self._prefix}{number}", ()):
                self._rows[group, key] = row
        self._members = sum(
            len(value)
            for (group, _), row in self._rows.items()
            for meter, value in row.items()
            if isinstance(value, list) and self.kinds[group][meter] == "distinct"
        )


class Periods:
    """The long periods of one lane, as far as ``longest``."""

    def __init__(self, store: OwnerStore, lane: str) -> None:
        self._tiers = {tier: Period(store, f"{lane}\x00{tier}\x00") for tier in TIERS}

    def add(
        self,
        window: int,
        longest: Granularity,
        parts: Callable[[dict[str, Kinds]], Iterable[Part]],
        *,
        final: bool,
    ) -> list[Ended]:
        """Take a window's values; returns the periods that are over with it, the earlier and shorter ones first.

        ``parts`` puts the kinds of what it yields where it is told to. A period that a later window shows to be over
        ends before that is taken. With the end of a stream the periods that have begun end as they are, since
        nothing more can come.
        """
        tiers = TIERS[: TIERS.index(longest) + 1] if longest in TIERS else ()
        ended = self._close(tiers, lambda tier, start: start + SECONDS[tier] <= window)
        if tiers:
            kinds: dict[str, Kinds] = {}
            self._tiers[tiers[0]].add(window - window % SECONDS[tiers[0]], parts(kinds), kinds)
        end = window + WINDOW_SECONDS
        ended += self._close(tiers, lambda tier, start: final or start + SECONDS[tier] <= end)
        for tier in TIERS:
            if tier not in tiers and self._tiers[tier].start >= 0:
                self._tiers[tier].clear()
            self._tiers[tier].keep()
        return ended

    def _close(self, tiers: tuple[Granularity, ...], is_over: Callable[[Granularity, int], bool]) -> list[Ended]:
        ended = []
        for number, tier in enumerate(tiers):
            period = self._tiers[tier]
            if period.start < 0 or not is_over(tier, period.start):
                continue
            ended.append(Ended(tier, period.start, period.results(SECONDS[tier])))
            if number + 1 < len(tiers):
                longer = tiers[number + 1]
                start = period.start - period.start % SECONDS[longer]
                self._tiers[longer].add(start, period.parts(), period.kinds)
            period.clear()
        return ended


def _piece(key: str) -> int:
    return crc32(key.encode("utf-8", "surrogatepass")) % _PIECES


def window_values(
    meters: Mapping[str, Number], kinds: Mapping[str, MeterKind], raw: Callable[[], Mapping[str, MeterValue]]
) -> dict[str, Any]:
    """A key's meters of a window; ``raw`` gives those of averages and sets, which results do not tell."""
    found: dict[str, Any] = {}
    made_of: Mapping[str, MeterValue] | None = None
    for meter, value in meters.items():
        kind = kinds[meter]
        if kind == "counter":
            found[meter] = value
        elif kind in ("average", "distinct"):
            made_of = raw() if made_of is None else made_of
            if meter in made_of:
                found[meter] = made_of[meter]
        else:
            found[meter] = begin(kind, value)
    return found
