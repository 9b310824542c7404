"""How often rules would have fired over the last day, found out of the counters that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace
from pydantic import Field

from console.data.model import Answer, Series
from console.data.setting import policy_of
from console.data.span import Span, span_of
from console.data.store import every, inner, moment_of
from console.parts import Console
from tapline.policy.model import Policy, Rule
from topics.catalog import COUNTER
from topics.records import WINDOW_SECONDS, Alert, Metric

MOST_COUNTERS: Final = 200_000
"""Counters that are looked at; where a day has more, less than a day is."""

_PAGE: Final = 5_000
_SHOWN: Final = 50
_STEP: Final = 3_600


class Firing(Answer):
    """Once that a rule would have raised an alert."""

    rule: str
    time: datetime
    entity: str
    message: str
    value: float
    threshold: float


class Rehearsed(Answer):
    """What rules would have done of late."""

    begin: datetime
    end: datetime
    shortened: bool = Field(description="A day has more counters than are looked at: it was shorter.")
    counters: int = Field(description="How many were looked at.")
    fired: int = Field(description="How many alerts would have been raised.")
    entities: int = Field(description="About how many different things.")
    by_rule: dict[str, int]
    over_time: Series = Field(description="How many an hour.")
    newest: list[Firing] = Field(description="The last of them.")


def rehearse(console: Console, rules: Mapping[str, Rule]) -> Rehearsed:
    """What these rules would have done over the last day, beside those of the same question.

    Judged as workers do, window by window; what has to be learned begins at the beginning of the day.
    """
    groups = sorted({console.workshop.group(rule.group) for rule in rules.values()})
    span = span_of("24h", "", "", console.store.newest())
    span, shortened = _shortened(console, groups, span)
    policy = _policy(console, rules, groups)
    counted = _Counted()
    standing: set[tuple[str, ...]] = set()
    firings: list[Firing] = []
    fired: dict[str, int] = dict.fromkeys(rules, 0)
    entities: set[str] = set()
    hours: dict[int, int] = {}
    for alert in console.workshop.rehearse(policy, _windows(console, policy, groups, span, counted)):
        key = alert.configuration.removeprefix("rules/")
        if key not in fired or not _begins(alert, standing):
            continue
        fired[key] += 1
        entities.add(alert.entity)
        at = alert.time // 1_000_000
        hours[at // _STEP * _STEP] = hours.get(at // _STEP * _STEP, 0) + 1
        firings.append(_firing(key, alert))
    first = int(span.begin.timestamp()) // _STEP * _STEP
    times = list(range(first, int(span.end.timestamp()) + 1, _STEP))
    return Rehearsed(
        begin=span.begin,
        end=span.end,
        shortened=shortened,
        counters=counted.number,
        fired=sum(fired.values()),
        entities=len(entities),
        by_rule=fired,
        over_time=Series(times=times, values={"fired": [float(hours.get(at, 0)) for at in times]}),
        newest=sorted(firings, key=lambda each: each.time, reverse=True)[:_SHOWN],
    )


class _Counted:
    """How many counters were read."""

    number = 0


def _begins(alert: Alert, standing: set[tuple[str, ...]]) -> bool:
    """True for what begins an alert, and for one that has no end; one that stands is asserted now and then."""
    place = (alert.type, alert.subtype, alert.granularity, alert.entity_kind, alert.entity, alert.stream)
    if alert.action == "release":
        standing.discard(place)
    if alert.action != "trigger":
        return alert.action == "store"
    before = len(standing)
    standing.add(place)
    return len(standing) > before


def _firing(key: str, alert: Alert) -> Firing:
    return Firing(
        rule=key,
        time=datetime.fromtimestamp(alert.time / 1_000_000, UTC),
        entity=alert.entity,
        message=alert.message,
        value=alert.value,
        threshold=alert.threshold,
    )


def _policy(console: Console, rules: Mapping[str, Rule], groups: list[str]) -> Policy:
    """The policy with these rules and those that share their questions: the most specific of them is asked."""
    now = policy_of(console)
    questions = {key.partition("/")[0] for key in rules}
    beside = {
        key: rule
        for key, rule in now.rules.items()
        if key.partition("/")[0] in questions and console.workshop.group(rule.group) in groups
    }
    return replace(now, rules={**beside, **rules})


def _query(groups: list[str], span: Span) -> dict[str, Any]:
    return every(span.over("tapline.window"), {"terms": {"tapline.counter.group": groups}})


def _shortened(console: Console, groups: list[str], span: Span) -> tuple[Span, bool]:
    """As much of the end of a span as has no more counters than are looked at."""
    buckets = console.store.buckets(
        COUNTER.kind,
        _query(groups, span),
        {"date_histogram": {"field": "tapline.window", "fixed_interval": "15m", "min_doc_count": 1}},
    )
    total = 0
    begin = span.begin
    for bucket in reversed(buckets):
        total += bucket["doc_count"]
        if total > MOST_COUNTERS and begin > span.begin:
            return replace(span, begin=begin, name=""), True
        begin = max(span.begin, datetime.fromtimestamp(bucket["key"] / 1000, UTC))
    return span, total > MOST_COUNTERS


def _windows(
    console: Console, policy: Policy, groups: list[str], span: Span, counted: _Counted
) -> Iterator[tuple[str, int, list[Metric]]]:
    """The windows of each stream in their order, those without counters too."""
    metrics = {metric for rule in policy.rules.values() for metric in (rule.metric, rule.other_metric) if metric}
    for stream in _streams(console, groups, span):
        at = 0
        members: list[Metric] = []
        for start, counter in _counters(console, groups, stream, span, metrics):
            counted.number += 1
            if start != at and at:
                yield stream, at, members
                for missing in range(at + WINDOW_SECONDS, start, WINDOW_SECONDS):
                    yield stream, missing, []
                members = []
            at = start
            members.append(counter)
        if at:
            yield stream, at, members


def _streams(console: Console, groups: list[str], span: Span) -> list[str]:
    buckets = console.store.buckets(
        COUNTER.kind, _query(groups, span), {"terms": {"field": "tapline.stream", "size": 1000}}
    )
    return sorted(str(bucket["key"]) for bucket in buckets)


def _counters(
    console: Console, groups: list[str], stream: str, span: Span, metrics: set[str]
) -> Iterator[tuple[int, Metric]]:
    """The counters of a stream, by window."""
    query = every(
        span.over("tapline.window"),
        {"terms": {"tapline.counter.group": groups}},
        {"term": {"tapline.stream": stream}},
    )
    fields = ["tapline.window", "tapline.counter.group", "tapline.counter.key"]
    fields += [f"tapline.counter.meter.{metric}" for metric in metrics]
    point = console.store.begin_reading(COUNTER.kind)
    try:
        after: dict[str, Any] = {}
        while True:
            answer = console.store.read_on(
                point,
                size=_PAGE,
                query=query,
                source=fields,
                sort=[{"tapline.window": "asc"}, {"_shard_doc": "asc"}],
                **after,
            )
            hits = answer["hits"]["hits"]
            for hit in hits:
                window = moment_of(inner(hit["_source"], "tapline.window"))
                if window is not None:
                    yield int(window.timestamp()), _metric(hit["_source"], stream, int(window.timestamp()))
            if len(hits) < _PAGE:
                return
            point = str(answer.get("pit_id", point))
            after = {"search_after": hits[-1]["sort"]}
    finally:
        console.store.end_reading(point)


def _metric(document: dict[str, Any], stream: str, window: int) -> Metric:
    meters = inner(document, "tapline.counter.meter", {})
    return Metric(
        id="",
        time=window * 1_000_000,
        group=inner(document, "tapline.counter.group"),
        key=inner(document, "tapline.counter.key"),
        meters={name: value for name, value in meters.items() if isinstance(value, int | float)},
        stream=stream,
        window=window,
    )
