"""The network at a glance."""

from __future__ import annotations

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
    applications: list[Ranked]
    scores: list[Host]
    conservation: Conservation
    dead_letters: int


def overview(store: Store, span: Span) -> Overview:
    """All of it, as of this span."""
    total = counters.totals(store, "Aggregates", span, ("bytes", "packets", "new_flows"), 1)
    whole = next(iter(total.values()), {"bytes": 0, "packets": 0, "new_flows": 0})
    scored = counters.with_most(store, "Scores", span, "score", _TOP)
    return Overview(
        period=Period.of(span),
        bytes=whole["bytes"],
        packets=whole["packets"],
        flows=whole["new_flows"],
        throughput=counters.over_time(store, "Aggregates", "TOTAL", span, ("bytes",), rate=True),
        hosts=counters.largest(store, "Hosts", span, _TOP),
        applications=counters.largest(store, "Apps", span, _TOP),
        scores=[Host(address=key, bytes=0, packets=0, flows=0, score=score) for key, score in scored],
        conservation=conservation(store, span),
        dead_letters=dead_letters_waiting(store),
    )
