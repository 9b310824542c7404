"""The time that a page looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from console.errors import Mistake

RANGES: Final = {
    "15m": ("15 minutes", timedelta(minutes=15)),
    "1h": ("hour", timedelta(hours=1)),
    "6h": ("6 hours", timedelta(hours=6)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
"""The ranges one can choose: what they are called and how long they are."""

USUAL: Final = "1h"
_MOST_POINTS: Final = 120
_TOGETHER: Final = 5
"""Seconds within which ranges that end now end at the same time."""

_STEPS: Final = (60, 300, 900, 3600, 10_800, 43_200, 86_400)


class Span(Struct, frozen=True):
    """From ``begin`` until before ``end``, UTC. ``name`` is the range chosen, empty where both ends were given.

    ``behind`` says that it ends at the newest record, which is older than the range itself.
    """

    begin: datetime
    end: datetime
    name: str = ""
    behind: bool = False

    @property
    def known_as(self) -> tuple[str, ...]:
        """What tells it from others, but not from itself some seconds later."""
        return tuple(self.parameters().values())

    def over(self, field: str = "@timestamp") -> dict[str, Any]:
        """The query for what lies in it."""
        return {"range": {field: {"gte": _written(self.begin), "lt": _written(self.end)}}}

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin).total_seconds()

    @property
    def step(self) -> int:
        """How many seconds one point of a chart stands for: a whole number of windows."""
        return next((step for step in _STEPS if self.seconds / step <= _MOST_POINTS), _STEPS[-1])

    def histogram(self, inner: dict[str, Any], field: str = "tapline.window") -> dict[str, Any]:
        """An aggregation over time, with these aggregations for each point."""
        return {
            "date_histogram": {"field": field, "fixed_interval": f"{self.step}s", "min_doc_count": 0},
            "aggs": inner,
        }

    def parameters(self) -> dict[str, str]:
        """What in a link stands for it."""
        return {"range": self.name} if self.name else {"from": _written(self.begin), "to": _written(self.end)}


def span_of(name: str, begin: str, end: str, newest: datetime | None, now: datetime | None = None) -> Span:
    """The span that was asked for: between two times, or a range that ends now.

    Where nothing is newer than the whole range, it ends with the newest window instead: a capture of last week is
    looked at as of last week. :class:`Mistake` says what would be right.
    """
    now = _rounded(now or datetime.now(UTC))
    if begin or end:
        first = _read(begin, "from") if begin else datetime(1970, 1, 1, tzinfo=UTC)
        last = _read(end, "to") if end else now
        if first >= last:
            raise Mistake("the time has to end after it begins: change `from` or `to`")
        return Span(first, last)
    if name and name not in RANGES:
        raise Mistake(f"there is no range {name}: there are {', '.join(RANGES)}")
    name = name or USUAL
    length = RANGES[name][1]
    if newest is not None and newest + timedelta(minutes=1) < now - length:
        last = newest + timedelta(minutes=1)
        return Span(last - length, last, name, behind=True)
    return Span(now - length, now, name)


def _rounded(now: datetime) -> datetime:
    """The end of the five seconds at hand: those who look within them ask the same."""
    begun = now.replace(second=now.second - now.second % _TOGETHER, microsecond=0)
    return begun if begun == now else begun + timedelta(seconds=_TOGETHER)


def _read(text: str, what: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Mistake(f"`{what}` has to be a time, as 2026-12-31T18:00Z") from None
    if not 1970 <= found.year < 2262:
        raise Mistake(f"`{what}` has to lie between 1970 and 2262")
    return found


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
