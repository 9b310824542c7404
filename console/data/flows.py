"""Flows: a page of their records, one flow whole, and all that fit for an export."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
from pydantic import Field

from console.data.flow_filter import FlowFilter
from console.data.model import Answer, Period
from console.data.span import Span
from console.data.store import Store, every, inner, moment_of
from console.errors import Missing, Mistake
from topics.catalog import FLOW

PAGE: Final = 100
MOST_COUNTED: Final = 10_000
_AT_ONCE: Final = 2000
_SORT: Final = [
    {"@timestamp": {"order": "desc", "format": "strict_date_optional_time_nanos"}},
    {"event.id": {"order": "desc"}},
]
_FIELDS: Final = [
    "@timestamp",
    "event.start",
    "event.duration",
    "event.id",
    "source",
    "destination",
    "network",
    "tags",
    "observer.name",
    "tapline.stream",
    "tapline.flow",
]


class End(Answer):
    """One end of a flow, and what it sent since the flow's previous record."""

    ip: str = ""
    port: int = 0
    domain: str = ""
    country: str = ""
    bytes: int = 0
    packets: int = 0


class FlowRecord(Answer):
    """What came of a flow since its previous record: ``record`` is ``update`` while it goes on, then ``final``."""

    id: str
    flow: str
    time: datetime | None
    start: datetime | None
    seconds: float
    record: str
    source: End
    destination: End
    transport: str = ""
    application: str = ""
    community_id: str = ""
    state: str = ""
    end_reason: str = ""
    total_bytes: int = 0
    total_packets: int = 0
    score: int = 0
    reasons: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    node: str = ""
    stream: str = ""

    @property
    def bytes(self) -> int:
        """Both directions."""
        return self.source.bytes + self.destination.bytes


class FlowPage(Answer):
    """Records of flows, the newest first."""

    period: Period
    total: int = Field(description="How many fit; counted up to 10,000.")
    more_than_counted: bool
    flows: list[FlowRecord]
    after: str = Field(default="", description="Ask for the next page with this; empty on the last one.")


def flow_page(store: Store, asked: FlowFilter, span: Span, after: str = "", size: int = PAGE) -> FlowPage:
    """A page of the records that fit. :class:`Mistake` when ``after`` is none that was given."""
    question: dict[str, Any] = {"search_after": _place(after)} if after else {}
    return store.shared(
        ("flows", asked, span.known_as, after, size), lambda: _flow_page(store, asked, span, question, size)
    )


def _flow_page(store: Store, asked: FlowFilter, span: Span, question: dict[str, Any], size: int) -> FlowPage:
    period = Period.of(span)
    answer = store.search(
        FLOW.kind,
        size=size + 1,
        query=every(span.over(), *asked.queries()),
        sort=_SORT,
        source=_FIELDS,
        track_total_hits=MOST_COUNTED,
        **question,
    )
    hits = answer["hits"]["hits"]
    total = answer["hits"].get("total", {"value": 0, "relation": "eq"})
    return FlowPage(
        period=period,
        total=total["value"],
        more_than_counted=total["relation"] != "eq",
        flows=[_record(hit["_source"]) for hit in hits[:size]],
        after=_written(hits[size - 1]["sort"]) if len(hits) > size else "",
    )


def flow_records(store: Store, flow: str) -> list[FlowRecord]:
    """The records of one flow, the newest first (at most a thousand); :class:`Missing` where there is none."""
    answer = store.search(
        FLOW.kind, size=1000, query=every({"term": {"tapline.flow.id": flow}}), sort=_SORT, source=_FIELDS
    )
    found = [_record(hit["_source"]) for hit in answer["hits"]["hits"]]
    if not found:
        raise Missing("Elasticsearch holds no such flow: it may be older than what is kept")
    return found


def all_flows(store: Store, asked: FlowFilter, span: Span, most: int) -> Iterator[FlowRecord]:
    """Every record that fits, the newest first, as it was when the first was asked for; at most so many."""
    point = store.begin_reading(FLOW.kind)
    try:
        after: list[Any] | None = None
        left = most
        while left > 0:
            question: dict[str, Any] = {"search_after": after} if after is not None else {}
            answer = store.read_on(
                point,
                size=min(_AT_ONCE, left),
                query=every(span.over(), *asked.queries()),
                sort=_SORT,
                source=_FIELDS,
                **question,
            )
            hits = answer["hits"]["hits"]
            for hit in hits:
                yield _record(hit["_source"])
            left -= len(hits)
            if not hits:
                return
            after, point = hits[-1]["sort"], answer.get("pit_id", point)
    finally:
        store.end_reading(point)


def _record(document: dict[str, Any]) -> FlowRecord:
    own = inner(document, "tapline.flow", {})
    network = document.get("network", {})
    return FlowRecord(
        id=inner(document, "event.id"),
        flow=own.get("id", ""),
        time=moment_of(document.get("@timestamp", "")),
        start=moment_of(inner(document, "event.start")),
        seconds=inner(document, "event.duration", 0) / 1e9,
        record=own.get("record", ""),
        source=_end(document.get("source", {})),
        destination=_end(document.get("destination", {})),
        transport=network.get("transport", ""),
        application=own.get("application", ""),
        community_id=network.get("community_id", ""),
        state=own.get("state", ""),
        end_reason=own.get("end_reason", ""),
        total_bytes=own.get("total_bytes") or 0,
        total_packets=own.get("total_packets") or 0,
        score=own.get("score", 0),
        reasons=tuple(own.get("reasons", ())),
        risks=tuple(own.get("risks", ())),
        tags=tuple(document.get("tags", ())),
        node=inner(document, "observer.name"),
        stream=inner(document, "tapline.stream"),
    )


def _end(fields: dict[str, Any]) -> End:
    return End(
        ip=fields.get("ip", ""),
        port=fields.get("port", 0),
        domain=fields.get("domain", ""),
        country=inner(fields, "geo.country_iso_code"),
        bytes=fields.get("bytes") or 0,
        packets=fields.get("packets") or 0,
    )


def _written(sort: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(sort)).decode().rstrip("=")


def _place(text: str) -> list[str]:
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return list(msgspec.json.decode(content, type=tuple[str, str]))
    except (binascii.Error, ValueError):
        raise Mistake("`after` is none that was given: begin at the first page") from None
