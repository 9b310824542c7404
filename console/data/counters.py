"""Counters: what windows came to, by key and over time."""

from __future__ import annotations

from typing import Any, Final

from console.data.model import Ranked, Series
from console.data.span import Span
from console.data.store import Store, every, sums, value_of
from topics.catalog import COUNTER

_METER: Final = "tapline.counter.meter"


def of_group(group: str, *keys: str) -> list[dict[str, Any]]:
    """The queries for the counters of a group, or of some of its keys."""
    found: list[dict[str, Any]] = [{"term": {"tapline.counter.group": group}}]
    if keys:
        found.append({"terms": {"tapline.counter.key": list(keys)}})
    return found


def largest(
    store: Store, group: str, span: Span, size: int, *, by: str = "bytes", also: tuple[dict[str, Any], ...] = ()
) -> list[Ranked]:
    """The keys of a group with the most bytes (or ``packets``, ``flows``) in a span."""
    # A flow is counted in each of its windows: those that began tell how many there were.
    meters = sums(bytes=f"{_METER}.bytes", packets=f"{_METER}.packets", flows=f"{_METER}.new_flows")
    buckets = store.buckets(
        COUNTER.kind,
        every(span.over("tapline.window"), *of_group(group), *also),
        {"terms": {"field": "tapline.counter.key", "size": size, "order": {by: "desc"}}, "aggs": meters},
    )
    return [
        Ranked(
            key=bucket["key"],
            bytes=value_of(bucket, "bytes"),
            packets=value_of(bucket, "packets"),
            flows=value_of(bucket, "flows"),
        )
        for bucket in buckets
    ]


def over_time(store: Store, group: str, key: str, span: Span, meters: tuple[str, ...], *, rate: bool) -> Series:
    """Meters of a key over time: their sums, or (``rate``) those a second. Points without any are 0."""
    buckets = store.buckets(
        COUNTER.kind,
        every(span.over("tapline.window"), *of_group(group, key)),
        span.histogram(sums(**{meter: f"{_METER}.{meter}" for meter in meters})),
    )
    over = span.step if rate else 1
    return Series(
        times=[bucket["key"] // 1000 for bucket in buckets],
        values={meter: [round((bucket[meter]["value"] or 0) / over, 3) for bucket in buckets] for meter in meters},
    )


def totals(store: Store, group: str, span: Span, meters: tuple[str, ...], size: int) -> dict[str, dict[str, int]]:
    """The sums of meters for each key of a group, by key."""
    buckets = store.buckets(
        COUNTER.kind,
        every(span.over("tapline.window"), *of_group(group)),
        {
            "terms": {"field": "tapline.counter.key", "size": size, "order": {"_key": "asc"}},
            "aggs": sums(**{meter: f"{_METER}.{meter}" for meter in meters}),
        },
    )
    return {bucket["key"]: {meter: value_of(bucket, meter) for meter in meters} for bucket in buckets}


def highest(store: Store, group: str, span: Span, meter: str, keys: list[str]) -> dict[str, int]:
    """The largest value of a meter in any one window, for each of these keys that has one."""
    if not keys:
        return {}
    buckets = store.buckets(
        COUNTER.kind,
        every(span.over("tapline.window"), *of_group(group, *keys)),
        {
            "terms": {"field": "tapline.counter.key", "size": len(keys)},
            "aggs": {"most": {"max": {"field": f"{_METER}.{meter}"}}},
        },
    )
    return {bucket["key"]: value_of(bucket, "most") for bucket in buckets}


def with_most(store: Store, group: str, span: Span, meter: str, size: int) -> list[tuple[str, int]]:
    """The keys with the largest value of a meter in any one window."""
    buckets = store.buckets(
        COUNTER.kind,
        every(span.over("tapline.window"), *of_group(group), {"range": {f"{_METER}.{meter}": {"gt": 0}}}),
        {
            "terms": {"field": "tapline.counter.key", "size": size, "order": {"most": "desc"}},
            "aggs": {"most": {"max": {"field": f"{_METER}.{meter}"}}},
        },
    )
    return [(bucket["key"], value_of(bucket, "most")) for bucket in buckets]
