"""The newest values of chosen counters, in bounded number, as families of metrics."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporters.prometheus.metrics import DROPPED, TAKEN
from exporters.prometheus.settings import Choice, PrometheusSettings
from topics.records import Metric

_LABELS = ("group", "key", "label", "meter", "source")


class Shown(Struct):
    """What is shown of one key: its values, of which window, and when Kafka had them, in epoch seconds."""

    window: int
    seen: float
    label: str
    meters: dict[str, float]


def metric_name(group: str, meter: str) -> str:
    """The metric's name, as ``tapline_counter_hosts_bytes_in``: lower case, with ``_`` for what a name may not have."""
    return "_".join(
        ("tapline_counter", *(re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in (group, meter)))
    )


class Values(Collector):
    """Takes the totals of windows and shows the newest of each key, as gauges.

    At most :attr:`Choice.most_keys` keys of a group are held. Names that differ only in what a metric's name cannot
    have are one metric; the labels ``group`` and ``meter`` tell them apart. May be read from any thread.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._groups: dict[str, dict[tuple[str, str], Shown]] = {}

    def take(self, record: Metric, seen: float, now: float) -> None:
        """Take one total; ``seen`` is when Kafka took it, ``now`` the time, both in epoch seconds."""
        reason = self._take(record, seen, now)
        if reason:
            DROPPED.labels(reason).inc()
        else:
            TAKEN.inc()

    def expire(self, now: float) -> None:
        """Show no more what was not counted for too long."""
        with self._lock:
            for shown in self._groups.values():
                for key in [key for key, each in shown.items() if self._is_stale(each.seen, now)]:
                    del shown[key]
            self._groups = {group: shown for group, shown in self._groups.items() if shown}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, each once, for a scrape."""
        families: dict[str, GaugeMetricFamily] = {}
        with self._lock:
            for group, shown in self._groups.items():
                for (key, source), each in shown.items():
                    for meter, value in each.meters.items():
                        name = metric_name(group, meter)
                        if name not in families:
                            families[name] = GaugeMetricFamily(
                                name, f"{meter} of the last window, by key of the group {group}.", labels=_LABELS
                            )
                        families[name].add_metric([group, key, each.label, meter, source], value)
        yield from families.values()

    def _take(self, record: Metric, seen: float, now: float) -> str:
        choice = self._choice(record)
        if choice is None:
            return "not-chosen"
        if not fnmatchcase(record.stream, self._settings.stream):
            return "stream"
        if self._is_stale(seen, now):
            return "older"
        meters = {
            meter: float(value)
            for meter, value in record.meters.items()
            if any(fnmatchcase(meter, pattern) for pattern in choice.meters)
        }
        if not meters:
            return "not-chosen"
        with self._lock:
            group = self._groups.setdefault(record.group, {})
            key = (record.key, record.source)
            held = group.get(key)
            if held is not None and record.window < held.window:
                return "older"
            if held is None and len(group) >= choice.most_keys:
                stale = next((key for key, each in group.items() if self._is_stale(each.seen, now)), None)
                if stale is None:
                    return "keys"
                del group[stale]
            group[key] = Shown(record.window, seen, record.label, meters)
        return ""

    def _choice(self, record: Metric) -> Choice | None:
        for choice in self._settings.counters:
            if fnmatchcase(record.group, choice.group) and any(
                fnmatchcase(record.key, pattern) for pattern in choice.keys
            ):
                return choice
        return None

    def _is_stale(self, seen: float, now: float) -> bool:
        return now - seen >= self._settings.stale_seconds
