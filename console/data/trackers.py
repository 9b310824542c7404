"""Flow trackers: the flows that scripts chose, the largest by what each measures."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import Field

from console.data.model import Answer, Period
from console.data.span import Span
from console.data.store import Store, every, inner, moment_of
from topics.catalog import TRACK

_MOST: Final = 100
_BUCKETS: Final = 50


class TrackedFlow(Answer):
    """A flow in a tracker's list."""

    flow: str
    metric: float
    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    transport: str = ""
    application: str = ""
    start: datetime | None = None


class Tracker(Answer):
    """A tracker and its list over a span: each flow once, with the largest metric it had."""

    name: str
    lists: int = Field(description="How many lists it published in the span.")
    newest: datetime | None
    flows: list[TrackedFlow]


class TrackerList(Answer):
    """The trackers that published something in a span."""

    period: Period
    trackers: list[Tracker]


def tracker_list(store: Store, span: Span) -> TrackerList:
    """Every tracker with its largest flows."""
    return store.shared(("trackers", span.known_as), lambda: _tracker_list(store, span))


def _tracker_list(store: Store, span: Span) -> TrackerList:
    period = Period.of(span)
    buckets = store.buckets(
        TRACK.kind,
        every(span.over("tapline.window")),
        {"terms": {"field": "tapline.track.tracker", "size": _MOST, "order": {"_key": "asc"}}},
    )
    return TrackerList(
        period=period,
        trackers=[_tracker(store, span, bucket["key"], bucket["doc_count"]) for bucket in buckets],
    )


def _tracker(store: Store, span: Span, name: str, lists: int) -> Tracker:
    answer = store.search(
        TRACK.kind,
        size=_BUCKETS,
        query=every(span.over("tapline.window"), {"term": {"tapline.track.tracker": name}}),
        sort=[{"tapline.window": "desc"}],
        track_total_hits=False,
    )
    documents = [hit["_source"] for hit in answer["hits"]["hits"]]
    best: dict[str, TrackedFlow] = {}
    for document in documents:
        for fields in inner(document, "tapline.track.flow", []):
            flow = _flow(fields)
            if flow.flow not in best or best[flow.flow].metric < flow.metric:
                best[flow.flow] = flow
    flows = sorted(best.values(), key=lambda flow: -flow.metric)
    newest = moment_of(inner(documents[0], "tapline.window")) if documents else None
    return Tracker(name=name, lists=lists, newest=newest, flows=flows[:_MOST])


def _flow(fields: dict[str, Any]) -> TrackedFlow:
    return TrackedFlow(
        flow=fields.get("id", ""),
        metric=fields.get("metric") or 0,
        source=inner(fields, "source.ip"),
        source_port=inner(fields, "source.port", 0),
        destination=inner(fields, "destination.ip"),
        destination_port=inner(fields, "destination.port", 0),
        transport=fields.get("transport", ""),
        application=fields.get("application", ""),
        start=moment_of(fields.get("start", "")),
    )
