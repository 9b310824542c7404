"""What periodic checks look at: a host, an interface, a network, the system, an SNMP device, over one period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

EntityKind = Literal["flow", "host", "interface", "network", "system", "snmp_device", "snmp_interface", "log"]
"""What an alert can be about."""

Granularity = Literal["min", "five_minutes", "hour", "day"]
"""How often a periodic check runs; its periods are aligned in UTC (a day begins at midnight)."""

SECONDS: Final[Mapping[str, int]] = {"min": 60, "five_minutes": 300, "hour": 3600, "day": 86400}
"""The length of each granularity's period."""


class Entity(Struct, frozen=True, kw_only=True):
    """An entity and what was counted of it in the period that has ended.

    ``meters`` are totals of the period, by meter name, of all counter groups its kind has; averages, gauges,
    maxima and minima are those of the period. ``window`` is the period's start in epoch seconds.
    """

    kind: EntityKind
    name: str
    granularity: Granularity = "min"
    window: int = 0
    meters: Mapping[str, float] = {}
    is_local: bool = False
    pools: tuple[str, ...] = ()
    engaged: tuple[str, ...] = ()
    """The types of the alerts that are engaged on it (``cur_alerts`` of ntopng)."""

    @property
    def seconds(self) -> int:
        """The length of the period."""
        return SECONDS[self.granularity]

    def value(self, metric: str) -> float:
        """What a meter came to in the period, 0 where nothing was counted."""
        return self.meters.get(metric, 0)

    def rate(self, metric: str) -> float:
        """A meter's value a second."""
        return self.value(metric) / self.seconds
