"""The newest values of chosen counters, in bounded number, as families of metrics."""

from __future__ import annotations

import heapq
import re
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporters.prometheus.metrics import DISPLACED, DROPPED, TAKEN
from exporters.prometheus.settings import Choice, PrometheusSettings
from topics.records import Metric

_LABELS = ("group", "key", "label", "meter", "source")


_Key = tuple[str, str]


class Held(Struct):
    """What is known of one key: its values, of which window, and when Kafka had them, in epoch seconds.

    ``rank`` is the value by which the largest keys are chosen.
    """

    window: int
    seen: float
    label: str
    meters: dict[str, float]
    rank: float


class Group(Struct):
    """The keys of a group that fit a choice, and how many of them are shown."""

    most: int
    keys: dict[_Key, Held]

    def largest(self) -> list[tuple[_Key, Held]]:
        """The keys that are shown, the largest first."""
        return heapq.nlargest(self.most, self.keys.items(), key=lambda each: (each[1].rank, each[0]))


def metric_name(group: str, meter: str) -> str:
    """The metric's name, as ``tapline_counter_hosts_bytes_in``: lower case, with ``_`` for what a name may not have."""
    return "_".join(
        ("tapline_counter", *(re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in (group, meter)))
    )


class Values(Collector):
    """Takes the totals of windows and shows the newest of each key, as gauges.

    Of a group the :attr:`Choice.most_keys` largest keys are shown. Up to twice as many are held, so that a key that was
    smaller for a window is not forgotten. Names that differ only in what a metric's name cannot have are one metric;
    the labels ``group`` and ``meter`` tell them apart. May be read from any thread.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._groups: dict[tuple[str, int], Group] = {}

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
            for group in self._groups.values():
                for key in [key for key, each in group.keys.items() if self._is_stale(each.seen, now)]:
                    del group.keys[key]
            self._groups = {place: group for place, group in self._groups.items() if group.keys}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, each once, for a scrape."""
        families: dict[str, GaugeMetricFamily] = {}
        with self._lock:
            shown = [(name, group.largest()) for (name, _), group in self._groups.items()]
        for group, keys in shown:
            for (key, source), each in keys:
                for meter, value in each.meters.items():
                    name = metric_name(group, meter)
                    if name not in families:
                        families[name] = GaugeMetricFamily(
                            name, f"{meter} of the last window, by key of the group {group}.", labels=_LABELS
                        )
                    families[name].add_metric([group, key, each.label, meter, source], value)
        yield from families.values()

    def _take(self, record: Metric, seen: float, now: float) -> str:
        number = self._choice(record)
        if number is None:
            return "not-chosen"
        choice = self._settings.counters[number]
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
            group = self._groups.setdefault((record.group, number), Group(choice.most_keys, {}))
            key = (record.key, record.source)
            held = group.keys.get(key)
            if held is not None and record.window < held.window:
                return "older"
            group.keys[key] = Held(record.window, seen, record.label, meters, _rank(choice, meters))
            if len(group.keys) > 2 * group.most:
                DISPLACED.labels(record.group).inc(len(group.keys) - group.most)
                group.keys = dict(group.largest())
        return ""

    def _choice(self, record: Metric) -> int | None:
        """The number of the first choice that a record fits."""
        for number, choice in enumerate(self._settings.counters):
            if fnmatchcase(record.group, choice.group) and any(
                fnmatchcase(record.key, pattern) for pattern in choice.keys
            ):
                return number
        return None

    def _is_stale(self, seen: float, now: float) -> bool:
        return now - seen >= self._settings.stale_seconds


def _rank(choice: Choice, meters: dict[str, float]) -> float:
    """The value of the first meter that was chosen: of the first pattern that fits one."""
    return next(value for pattern in choice.meters for meter, value in meters.items() if fnmatchcase(meter, pattern))
