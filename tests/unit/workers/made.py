"""Streams made of the records a test names, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tapline.script import Script
from tests.integration.workers.stream import FIRST_WINDOW
from topics.catalog import CAPTURED, FLOW, METRIC, RESOURCE, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import partition_of
from topics.records import Endpoints, Metric, Record, Snapshot
from workers.pipeline import Message
from workers.scripting.scripts import ScriptSet, load_classes, load_files

STREAM = "file-0123456789abcdef"
__all__ = ["FIRST_WINDOW", "STREAM", "messages", "scripts"]


def scripts(*monitors: type[Script], params: dict[str, dict[str, Any]] | None = None) -> ScriptSet:
    """These classes, and the groups their modules define."""
    return load_classes(monitors, params or {}, load_files([], {}))


def messages(
    topic: Topic,
    windows: Mapping[int, Sequence[Record]],
    partitions: int = 2,
    *,
    node: str = STREAM,
    stream: str = STREAM,
    final: bool = True,
    size: int = MAX_RECORDS,
) -> Iterator[Message]:
    """The messages, of at most ``size`` records, of one node whose windows (by their start) hold these records."""
    place = _PLACES[topic.kind]
    for window, records in windows.items():
        sent: dict[int, list[Record]] = {}
        for record in records:
            sent.setdefault(partition_of(place(record), partitions), []).append(record)
        for partition, mine in sent.items():
            for start in range(0, len(mine), size):
                some = mine[start : start + size]
                yield topic, partition, Envelope(topic.schema, node, stream, window, start, len(some)), encode(some)
        for each in CAPTURED:
            for partition in range(partitions):
                marker = Snapshot(
                    node=node,
                    stream=stream,
                    window=window,
                    announced=len(sent.get(partition, ())) if each is topic else 0,
                    final=final and window == max(windows),
                )
                envelope = Envelope(SNAPSHOT_SCHEMA, node, stream, window, 0, 1)
                yield each, partition, envelope, encode([marker])


def _conversation(record: Endpoints) -> str:
    return record.community_id


def _metric(metric: Metric) -> str:
    return f"{metric.group}\x00{metric.key}"


_PLACES: dict[str, Callable[[Any], str]] = {
    FLOW.kind: _conversation,
    RESOURCE.kind: _conversation,
    METRIC.kind: _metric,
}
