"""Capture nodes that fell silent: their windows are closed by a marker in the stream itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from prometheus_client import Counter

from topics.catalog import ALERT, CAPTURED
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import digest
from topics.records import Alert, Snapshot
from workers.windows.ledger import Ledger
from workers.windows.outbox import Outgoing, alone

_PRODUCER: Final = "~silence/0"
_silent = Counter("tapline_worker_silent_nodes", "Times that a capture node said nothing and its windows were closed.")


class Silent(NamedTuple):
    """A node that windows wait for and that has said nothing for too long."""

    stream: str
    node: str
    seconds: float


class SilenceWatch:
    """Watches the lanes of one partition; only the worker that has that partition decides.

    The clock here is the only wall clock near a window, and it touches none: what it leads to is a
    message that every reader and every replay sees in the same place.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._heard: dict[tuple[str, str], float] = {}

    def heard(self, stream: str, node: str) -> None:
        """A message of this node has come."""
        self._heard[(stream, node)] = time.monotonic()

    def silent(self, ledger: Ledger) -> Iterator[Silent]:
        """The nodes that open windows wait for and that have been silent for the time-out."""
        now = time.monotonic()
        for lane in ledger.lanes.values():
            if lane.source or not lane.progress:
                continue
            for node in lane.unfinished():
                place = (lane.stream, node)
                since = now - self._heard.setdefault(place, now)
                if since >= self._timeout:
                    self._heard[place] = now
                    _silent.inc()
                    yield Silent(lane.stream, node, since)


def closing_markers(silent: Silent, closed_by: str, partitions: dict[str, int]) -> Iterator[Outgoing]:
    """The markers that close a silent node's windows, for every partition it could have written to."""
    for topic in CAPTURED:
        for partition in range(partitions[topic.kind]):
            marker = Snapshot(
                node=silent.node, stream=silent.stream, window=0, announced=0, final=True, closed_by=closed_by
            )
            envelope = Envelope(SNAPSHOT_SCHEMA, silent.node, silent.stream, 0, 0, 1)
            yield Outgoing(topic, partition, envelope, encode([marker]))


def silence_alert(silent: Silent, now: int, partitions: dict[str, int]) -> list[Outgoing]:
    """The alert about a silent node, as a window of its own.

    ``now`` is wall time in epoch microseconds: a node that says nothing has no event time.
    """
    window = now // 1_000_000
    alert = Alert(
        id=digest("node-silent", silent.stream, silent.node, window),
        time=now,
        type="node-silent",
        message=f"capture node {silent.node} has said nothing for {silent.seconds:.0f} s; its windows go on without it",
        entity=silent.node,
        severity=5,
        priority=1,
        value=silent.seconds,
        stream=silent.stream,
        window=window,
    )
    return alone(_PRODUCER, silent.stream, window, ALERT, f"node-silent\x00{silent.node}", alert, partitions)
