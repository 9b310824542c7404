"""Counters: what windows came to, by key and over time."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from console.data.model import Ranked, Series
from console.data.span import Span
from console.data.store import Store, every, inner, sums, value_of
from topics.catalog import COUNTER

_METER: Final = "tapline.counter.meter"

MOST_EXACT: Final = 1_000_000
"""From more counters than this the largest keys are chosen by a sample: adding up nine millions takes four seconds."""

_SAMPLED: Final = 300_000
_SPARE: Final = 200
"""So many keys more than are wanted are taken from a sample, and added up exactly."""

_BURSTS: Final = 500
"""Of the keys that a sample does not know those of so many largest counters are added up too: it knows little of what
was much in few windows."""


class Largest(NamedTuple):
    """The largest keys of a group; ``sampled`` says that a sample told which, though their numbers are exact."""

    keys: list[Ranked]
    sampled: bool


def of_group(group: str, *keys: str) -> list[dict[str, Any]]:
    """The queries for the counters of a group, or of some of its keys."""
    found: list[dict[str, Any]] = [{"term": {"tapline.counter.group": group}}]
    if keys:
        found.append({"terms": {"tapline.counter.key": list(keys)}})
    return found


def largest(store: Store, group: str, span: Span, size: int, also: tuple[dict[str, Any], ...] = ()) -> Largest:
    """The keys of a group with the most bytes in a span.

    Where there are very many counters, candidates are chosen by a sample and by the largest single counters, and then
    added up: what is told of a key is always exact, but one at the end of the list may stand there in the place of
    another about as large.
    """
    # A flow is counted in each of its windows: those that began tell how many there were.
    meters = sums(bytes=f"{_METER}.bytes", packets=f"{_METER}.packets", flows=f"{_METER}.new_flows")
    asked = [span.over("tapline.window"), *of_group(group), *also]
    number = store.count(COUNTER.kind, every(*asked))
    if number > MOST_EXACT:
        asked.append({"terms": {"tapline.counter.key": _candidates(store, asked, size + _SPARE, number)}})
    buckets = store.buckets(
        COUNTER.kind,
        every(*asked),
        {"terms": {"field": "tapline.counter.key", "size": size, "order": {"bytes": "desc"}}, "aggs": meters},
    )
    keys = [
        Ranked(
            key=bucket["key"],
            bytes=value_of(bucket, "bytes"),
            packets=value_of(bucket, "packets"),
            flows=value_of(bucket, "flows"),
        )
        for bucket in buckets
    ]
    return Largest(keys, number > MOST_EXACT)


def _candidates(store: Store, asked: list[dict[str, Any]], size: int, number: int) -> list[str]:
    """The keys of which those with the most bytes are some, of so many counters."""
    buckets = store.sampled_buckets(
        COUNTER.kind,
        every(*asked),
        {
            "terms": {"field": "tapline.counter.key", "size": size, "order": {"bytes": "desc"}},
            "aggs": sums(bytes=f"{_METER}.bytes"),
        },
        _SAMPLED / number,
    )
    found = {bucket["key"] for bucket in buckets}
    answer = store.search(
        COUNTER.kind,
        size=_BURSTS,
        track_total_hits=False,
        query=every(*asked, {"bool": {"must_not": {"terms": {"tapline.counter.key": sorted(found)}}}}),
        sort=[{f"{_METER}.bytes": {"order": "desc", "unmapped_type": "double"}}],
        source=["tapline.counter.key"],
    )
    bursts = {inner(hit["_source"], "tapline.counter.key") for hit in answer["hits"]["hits"]}
    return sorted(found | bursts)


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
