"""How the system itself fares: nodes, topics, lag, whether all that was announced arrived, dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pydantic import Field

from console.data import counters
from console.data.model import Answer, Period
from console.data.span import Span
from console.data.store import Store, every, inner, moment_of
from topics.catalog import COUNTER, DEAD

_METERS: Final = ("announced", "received", "missing", "unannounced", "duplicate", "late")
_CAPTURE: Final = ("packets", "bytes", "ignored", "dropped", "evicted_flows")
_MOST: Final = 500
_LETTERS: Final = 50


class Waiting(Protocol):
    """What a consumer group has before it in one topic."""

    @property
    def group(self) -> str:
        """The consumer group."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def messages(self) -> int:
        """How many are in it."""

    @property
    def waiting(self) -> int:
        """Of them, those not worked on yet."""


Backlog = Callable[[], Sequence[Waiting]]
"""Asks Kafka what waits; :class:`~topics.errors.TaplineError` where it cannot be asked."""


class Conservation(Answer):
    """Records announced by capture nodes, and what the workers received of them."""

    announced: int = 0
    received: int = 0
    missing: int = 0
    unannounced: int = 0
    duplicate: int = 0
    late: int = 0


class ConservationRow(Conservation):
    """The same of one kind of record from one capture node."""

    kind: str
    node: str


class CapturePoint(Answer):
    """What was read at one place."""

    name: str
    packets: int
    bytes: int
    ignored: int
    dropped: int
    evicted_flows: int


class Node(Answer):
    """A capture node, and the newest window it has announced something for."""

    name: str
    newest: datetime | None


class TopicLag(Answer):
    """What a group of readers has before it in one topic, in messages."""

    group: str
    topic: str
    messages: int
    waiting: int


class DeadLetter(Answer):
    """Something that could not be used, and why."""

    id: str
    time: datetime | None
    topic: str
    stage: str
    reason: str
    error: str


class Pipeline(Answer):
    """All of it, as of a span; lag and dead letters are as of now."""

    period: Period
    nodes: list[Node]
    capture: list[CapturePoint]
    conservation: list[ConservationRow]
    lag: list[TopicLag]
    lag_problem: str = Field(description="Why the lag is not known; empty when it is.")
    dead_letters: int
    letters: list[DeadLetter] = Field(description="The newest of those that wait.")


def conservation(store: Store, span: Span) -> Conservation:
    """The sums over all kinds and nodes."""
    rows = counters.totals(store, "Conservation", span, _METERS, _MOST).values()
    return Conservation(**{meter: sum(row[meter] for row in rows) for meter in _METERS})


def pipeline(store: Store, span: Span, lag: list[TopicLag], lag_problem: str) -> Pipeline:
    """All of it."""
    found = store.shared(("pipeline", span.known_as), lambda: _pipeline(store, span))
    return found.model_copy(update={"lag": lag, "lag_problem": lag_problem})


def _pipeline(store: Store, span: Span) -> Pipeline:
    period = Period.of(span)
    rows = store.later(counters.totals, store, "Conservation", span, _METERS, _MOST)
    captured = store.later(counters.totals, store, "Capture", span, _CAPTURE, _MOST)
    nodes = store.later(_nodes, store)
    waiting = store.later(dead_letters_waiting, store)
    return Pipeline(
        period=period,
        nodes=nodes.result(),
        capture=[CapturePoint(name=name, **row) for name, row in captured.result().items()],
        conservation=[
            ConservationRow(kind=key.partition("/")[0], node=key.partition("/")[2], **row)
            for key, row in rows.result().items()
        ],
        lag=[],
        lag_problem="",
        dead_letters=waiting.result(),
        letters=dead_letters(store),
    )


def dead_letters_waiting(store: Store) -> int:
    """How many dead letters wait: those of which nobody has said that they were sent again or dropped."""
    answer = store.search(
        DEAD.kind,
        size=0,
        track_total_hits=False,
        query={"match_all": {}},
        aggs={
            "state": {
                "terms": {"field": "tapline.dead.state", "size": 5},
                "aggs": {"letters": {"cardinality": {"field": "tapline.dead.letter", "precision_threshold": 40_000}}},
            }
        },
    )
    buckets = answer.get("aggregations", {}).get("state", {}).get("buckets", [])
    found = {bucket["key"]: bucket["letters"]["value"] for bucket in buckets}
    return max(0, int(found.pop("waiting", 0)) - sum(map(int, found.values())))


def dead_letters(store: Store) -> list[DeadLetter]:
    """The newest dead letters that wait."""
    answer = store.search(
        DEAD.kind,
        size=_LETTERS,
        query=every({"term": {"tapline.dead.state": "waiting"}}),
        sort=[{"@timestamp": "desc"}, {"event.id": "desc"}],
        source=["@timestamp", "event.id", "error", "tapline.dead.topic", "tapline.dead.stage", "tapline.dead.letter"],
    )
    found = [hit["_source"] for hit in answer["hits"]["hits"]]
    done = _dealt_with(store, [inner(document, "tapline.dead.letter") for document in found])
    return [
        DeadLetter(
            id=inner(document, "tapline.dead.letter"),
            time=moment_of(document.get("@timestamp", "")),
            topic=inner(document, "tapline.dead.topic"),
            stage=inner(document, "tapline.dead.stage"),
            reason=inner(document, "error.type"),
            error=inner(document, "error.message"),
        )
        for document in found
        if inner(document, "tapline.dead.letter") not in done
    ]


def _dealt_with(store: Store, letters: list[str]) -> set[str]:
    if not letters:
        return set()
    marked: dict[str, Any] = {"terms": {"tapline.dead.state": ["retried", "dropped"]}}
    buckets = store.buckets(
        DEAD.kind,
        every(marked, {"terms": {"tapline.dead.letter": letters}}),
        {"terms": {"field": "tapline.dead.letter", "size": len(letters)}},
    )
    return {bucket["key"] for bucket in buckets}


def _nodes(store: Store) -> list[Node]:
    buckets = store.buckets(
        COUNTER.kind,
        every(*counters.of_group("Conservation")),
        {
            "terms": {"field": "tapline.counter.key", "size": _MOST},
            "aggs": {"newest": {"max": {"field": "tapline.window"}}},
        },
    )
    newest: dict[str, float] = {}
    for bucket in buckets:
        node = bucket["key"].partition("/")[2]
        newest[node] = max(newest.get(node, 0), bucket["newest"]["value"] or 0)
    return [Node(name=name, newest=datetime.fromtimestamp(at / 1000, UTC)) for name, at in sorted(newest.items())]
