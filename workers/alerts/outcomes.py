"""What becomes of alerts, counted: every alert that comes has exactly one outcome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from prometheus_client import Counter, Gauge

from topics.records import Partial
from workers.counting.groups import ALERTS

RECEIVED: Final = "received"
STORED: Final = "stored"
RAISED: Final = "raised"
CHANGED: Final = "changed"
RELEASED: Final = "released"
REFRESHED: Final = "refreshed"
EXCLUDED: Final = "excluded"
RATE_LIMITED: Final = "rate_limited"
REPEATED: Final = "repeated"
NOT_ADMITTED: Final = "not_admitted"
BELOW_MINIMUM: Final = "below_minimum"
ACKNOWLEDGED: Final = "acknowledged"
OVERFLOW: Final = "overflow"
EXPIRED: Final = "expired"
SUMMARIES: Final = "summaries"

TOLD: Final = (STORED, RAISED, CHANGED, RELEASED, EXPIRED, SUMMARIES)
"""Each of these is a notification."""

MADE: Final = (EXPIRED, SUMMARIES)
"""These are of no alert that came."""

_alerts = Counter("tapline_alerts", "Alerts that came to the engine, and what became of them.", ["outcome"])
ENGAGED: Final = Gauge("tapline_alerts_engaged", "Conditions that are engaged, by partition.", ["partition"])


class Outcomes:
    """What has been counted and is not published yet, by stream and type; it can be kept and taken up again."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, dict[str, int]]] = {}
        self.changed = False

    def restore(self, value: Any) -> None:
        """Take up what :meth:`value` gave."""
        self._counts = value or {}

    def value(self) -> dict[str, dict[str, dict[str, int]]]:
        """What is known, as JSON can hold it."""
        return self._counts

    def count(self, stream: str, type_: str, *outcomes: str) -> None:
        """Count one of each of these."""
        of_type = self._counts.setdefault(stream, {}).setdefault(type_, {})
        for outcome in outcomes:
            of_type[outcome] = of_type.get(outcome, 0) + 1
            _alerts.labels(outcome).inc()
        self.changed = True

    def partials(self, stream: str) -> Iterator[Partial]:
        """The counts of a stream since the last call, as sums of the group ``Alerts``."""
        of_stream = self._counts.pop(stream, None)
        if of_stream is None:
            return
        self.changed = True
        for type_, counts in sorted(of_stream.items()):
            yield Partial(ALERTS.name, type_, list(counts.values()), list(counts))
