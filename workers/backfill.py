"""Running scripts over what topics still hold: which windows, and how what comes of it is published.

No Kafka in here: messages in, messages out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from topics.catalog import ALERT, ANNOTATION, COUNTER, DOCUMENT, RESOURCE, TRACK, Topic
from topics.codec import SNAPSHOT_SCHEMA, BadMessage, Envelope, Headers, encode, open_envelope, open_message
from topics.partitions import digest
from topics.records import Snapshot
from workers.pipeline import Message
from workers.windows.outbox import Outgoing

PUBLISHED: Final = (ALERT, RESOURCE, DOCUMENT, COUNTER, TRACK, ANNOTATION)
"""What a backfill adds to; messages between scripts are for those that run now."""

_OWN_ALERTS: Final = frozenset({"conservation"})
"""Alerts of the stages about the range itself, whose edges they cannot know."""

_LAST: Final = 1 << 62


class WindowRange:
    """The messages of the whole windows that begin at ``begin`` or later and before ``end`` (epoch seconds).

    A window's messages are handed on when its producer has marked it on this partition, so what is still
    open is left out; the last window of a producer in the range is its final one. What worker stages
    have published is renamed (``~flow/held-3``), since the stages that run here go by the same names.
    """

    def __init__(self, begin: int = 0, end: int = _LAST) -> None:
        self._begin = begin
        self._end = end
        self._lanes: dict[tuple[str, int, str, str], _Lane] = {}
        self.records = 0
        self.missing = 0
        """Records that markers announced and that are not held: deleted by retention, at the beginning, or lost."""

        self.windows: set[tuple[str, int]] = set()
        self.first, self.last = _LAST, -1
        """The earliest and the latest window there is, also outside the range."""

        self.skipped: Counter[str] = Counter()
        """Messages that were not handed on, by reason."""

    def take(self, topic: Topic, partition: int, headers: Headers, body: bytes | None) -> Iterator[Message]:
        """Take a message of a topic; what can be handed on now comes back."""
        try:
            envelope = open_envelope(headers, topic)
        except BadMessage as error:
            self.skipped[error.reason] += 1
            return
        if body is None:
            self.skipped["empty"] += 1
            return
        if envelope.reader:
            # What was sent again to one stage is held under its own place as well.
            self.skipped["again"] += 1
            return
        place = (topic.kind, partition, envelope.stream, envelope.node)
        yield from self._superseded(place)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane(topic, partition)
        renamed = replace(envelope, node=_renamed(envelope.node, "held-"))
        if envelope.window >= 0:
            self.first, self.last = min(self.first, envelope.window), max(self.last, envelope.window)
        if not envelope.is_snapshot:
            if self._begin <= envelope.window < self._end:
                yield from lane.announced(renamed)
                lane.open.setdefault(envelope.window, []).append((topic, partition, renamed, body))
            else:
                self.skipped["outside"] += 1
            return
        marker: Snapshot = open_message(headers, body, topic)[1][0]
        marker.node = renamed.node
        if marker.closed_by:
            yield from self._release(lane)
            yield lane.message(renamed, marker)
        elif envelope.window < self._begin:
            yield from lane.announced(renamed, gone=marker.final)
        elif envelope.window < self._end:
            yield from lane.announced(renamed)
            yield from self._completed(lane, final=False)
            lane.complete = lane.open.pop(envelope.window, [])
            lane.marker = (renamed, marker)
            if marker.final:
                yield from self._completed(lane, final=True)
        else:
            yield from self._completed(lane, final=True)

    def finish(self) -> Iterator[Message]:
        """What has been waiting for a later window; the range is over."""
        for lane in self._lanes.values():
            yield from self._completed(lane, final=True)
            self.skipped["open"] += sum(len(messages) for messages in lane.open.values())

    def _completed(self, lane: _Lane, *, final: bool) -> Iterator[Message]:
        """The newest window that is marked, and its marker."""
        if lane.marker is None:
            return
        envelope, marker = lane.marker
        received = sum(message[2].count for message in lane.complete)
        self.records += received
        self.missing += max(0, marker.announced - received)
        yield from lane.complete
        self.windows.add((envelope.stream, envelope.window))
        marker.final = final
        yield lane.message(envelope, marker)
        lane.marker, lane.complete = None, []

    def _release(self, lane: _Lane) -> Iterator[Message]:
        """Everything that is held of a producer that will mark nothing more."""
        yield from self._completed(lane, final=False)
        for window in sorted(lane.open):
            for message in lane.open.pop(window):
                self.records += message[2].count
                yield message

    def _superseded(self, place: tuple[str, int, str, str]) -> Iterator[Message]:
        """What is held of earlier runs of a node that has been started anew (``name#start``)."""
        if place in self._lanes:
            return
        kind, partition, stream, node = place
        name, _, run = node.rpartition("#")
        if not name:
            return
        for (other_kind, other_partition, other_stream, other), lane in self._lanes.items():
            other_name, _, other_run = other.rpartition("#")
            if (other_kind, other_partition, other_stream, other_name) == (kind, partition, stream, name) and (
                other_run < run
            ):
                yield from self._release(lane)


class _Lane:
    """What is held of one producer on one partition: windows not marked yet, and the newest marked one."""

    def __init__(self, topic: Topic, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.known = False
        self.open: dict[int, list[Message]] = {}
        self.complete: list[Message] = []
        self.marker: tuple[Envelope, Snapshot] | None = None

    def announced(self, envelope: Envelope, *, gone: bool = False) -> Iterator[Message]:
        """A marker before all windows, where the producer is new: they wait for it, or no longer when it is ``gone``.

        Without it a window would be closed as soon as the first node that is handed on has marked it.
        """
        if self.known is gone and not envelope.node.startswith("~"):
            self.known = not gone
            marker = Snapshot(node=envelope.node, stream=envelope.stream, window=-1, announced=0, final=gone)
            yield self.message(Envelope(SNAPSHOT_SCHEMA, envelope.node, envelope.stream, -1, 0, 1), marker)

    def message(self, envelope: Envelope, marker: Snapshot) -> Message:
        """A marker as a message."""
        return (self.topic, self.partition, envelope, encode([marker]))


class Republished:
    """Makes messages of what stages in memory publish, under names of its own, to be sent to the topics.

    ``name`` is the same for the same scripts and the same beginning, so that whoever reads them
    recognises what comes a second time. ``keep`` says which counters are the scripts'. What a stage
    emits in a window comes when it marks the window, so that a run that breaks off leaves none open.
    """

    def __init__(self, name: str, keep: Callable[[Any], bool]) -> None:
        self._prefix = f"{name}-"
        self._keep = keep
        self._held: dict[tuple[str, int, str, str, int], list[Outgoing]] = {}
        self.records: Counter[str] = Counter()

    def messages(self, topic: Topic, partition: int, envelope: Envelope, records: list[Any]) -> Iterator[Outgoing]:
        """What to send for a message that a stage has published."""
        if topic not in PUBLISHED:
            return
        node = _renamed(envelope.node, self._prefix)
        place = (topic.kind, partition, node, envelope.stream, envelope.window)
        if envelope.is_snapshot:
            held = self._held.pop(place, [])
            sent = sum(message.envelope.count for message in held)
            if sent:
                self.records[topic.kind] += sent
                yield from held
                marker = replace(records[0], node=node, announced=sent)
                yield Outgoing(topic, partition, replace(envelope, node=node), encode([marker]))
            return
        wanted = [record for record in records if self._wants(topic, record)]
        if wanted:
            held = self._held.setdefault(place, [])
            sequence = sum(message.envelope.count for message in held)
            numbered = replace(envelope, node=node, sequence=sequence, count=len(wanted))
            held.append(Outgoing(topic, partition, numbered, encode(wanted)))

    def _wants(self, topic: Topic, record: Struct) -> bool:
        if topic is COUNTER:
            return self._keep(record)
        return topic is not ALERT or getattr(record, "type", "") not in _OWN_ALERTS


def name_of(scripts: list[tuple[str, str, str]], begin: int) -> str:
    """The name of a backfill of these scripts (name, content, parameters as text) from this window on."""
    parts = [part for script in sorted(scripts) for part in script]
    return f"backfill-{digest(*parts, begin)[:12]}"


def _renamed(producer: str, prefix: str) -> str:
    """A stage's name with something before its number: ``~flow/3<rest`` as ``~flow/held-3<rest``."""
    if not producer.startswith("~"):
        return producer
    stage, below, rest = producer.partition("<")
    kind, _, number = stage.partition("/")
    return f"{kind}/{prefix}{number}{below}{rest}"
