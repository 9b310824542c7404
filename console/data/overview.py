"""The network at a glance."""

from __future__ import annotations

from pydantic import Field

from console.data import counters
from console.data.hosts import Host
from console.data.model import Answer, Period, Ranked, Series
from console.data.pipeline import Conservation, conservation, dead_letters_waiting
from console.data.span import Span
from console.data.store import Store

_TOP = 10


class Overview(Answer):
    """Bytes a second over time, the largest hosts and applications, the highest scores, and whether all arrived."""

    period: Period
    bytes: int
    packets: int
    flows: int
    throughput: Series
    hosts: list[Ranked]
    sampled: bool = Field(
        description="A sample told which hosts are the largest; what is told of each is exact, the last may be others."
    )
    applications: list[Ranked]
    scores: list[Host]
    conservation: Conservation
    dead_letters: int


def overview(store: Store, span: Span) -> Overview:
    """All of it, as of this span."""
    return store.shared(("overview", span.known_as), lambda: _overview(store, span))


def _overview(store: Store, span: Span) -> Overview:
    period = Period.of(span)
    hosts = store.later(counters.largest, store, "Hosts", span, _TOP)
    total = store.later(counters.totals, store, "Aggregates", span, ("bytes", "packets", "new_flows"), 1)
    throughput = store.later(counters.over_time, store, "Aggregates", "TOTAL", span, ("bytes",), rate=True)
    applications = store.later(counters.largest, store, "Apps", span, _TOP)
    scored = store.later(counters.with_most, store, "Scores", span, "score", _TOP)
    arrived = store.later(conservation, store, span)
    letters = store.later(dead_letters_waiting, store)
    whole = next(iter(total.result().values()), {"bytes": 0, "packets": 0, "new_flows": 0})
    return Overview(
        period=period,
        bytes=whole["bytes"],
        packets=whole["packets"],
        flows=whole["new_flows"],
        throughput=throughput.result(),
        hosts=hosts.result().keys,
        sampled=hosts.result().sampled,
        applications=applications.result().keys,
        scores=[Host(address=key, bytes=0, packets=0, flows=0, score=score) for key, score in scored.result()],
        conservation=arrived.result(),
        dead_letters=letters.result(),
    )
