"""Who made a message: names of worker stages, the lanes they publish in, and the cut of loops.

A stage is named ``~flow/3`` (topic kind, partition), and ``~alert/2<~flow/3`` for what it makes of
another stage's output; ``~flow/3+`` is what it says aside. Capture nodes never begin with ``~``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from topics.catalog import ALERT, DOCUMENT, FLOW, METRIC, PARTIAL, RANKING, RESOURCE, Topic

FLOW_SUMS: Final = f"~{FLOW.kind}"
"""The lane of the partial topic that has a window of every window of the flows."""

METRIC_SUMS: Final = f"~{METRIC.kind}"
"""The lane of the partial topic that samples of capture nodes come in."""

_FED_BACK: Final = (ALERT, RESOURCE, DOCUMENT)
"""Topics that scripts both read and add to; a record says which script added it."""


def stage_name(topic: Topic, partition: int, source: str) -> str:
    """The producer name of a stage for what it makes of a lane."""
    own = f"~{topic.kind}/{partition}"
    return f"{own}<{source}" if source else own


def aside_name(producer: str) -> str:
    """The producer name of a stage for its interim sums and for alerts about its scripts.

    How many there are may differ when a window is read again, so they are numbered apart from what
    has to be exact.
    """
    return f"{producer}+"


def lane_source(topic: Topic, producer: str) -> str:
    """The lane source of a message: empty for capture nodes.

    Partial sums and rankings wait for all partitions of the stage they come from, so those share a
    lane; whatever else a stage publishes is a lane by itself.
    """
    if not producer.startswith("~"):
        return ""
    stage, below, source = producer.partition("<")
    if (topic is PARTIAL and not below) or topic is RANKING:
        return f"{stage.partition('/')[0]}{below}{source}"
    return producer


def expected_producers(source: str, partitions: Mapping[str, int]) -> frozenset[str]:
    """The producers whose markers a lane's window waits for; empty: those that have been heard of."""
    if not source:
        return frozenset()
    stage, below, rest = source.partition("<")
    if "/" in stage:
        return frozenset((source,))
    count = partitions.get(stage.removeprefix("~"), 0)
    return frozenset(f"{stage}/{number}{below}{rest}" for number in range(count))


def loops(topic: Topic, source: str) -> bool:
    """True for records that scripts on this topic had a part in: they must not see them again.

    What they add to the very topic they read is shown once, to the others; what comes of that is not.
    """
    passed = sum(stage.partition("/")[0] == f"~{topic.kind}" for stage in source.split("<"))
    return passed > (topic in _FED_BACK)


def origin(source: str) -> str:
    """The word for a lane in counters: ``flow`` for sums of flows."""
    return source.removeprefix("~")
