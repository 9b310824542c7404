"""Which windows of a partition are open, what they hold, and from where to read again.

A partition's messages fall into lanes. The capture nodes of one stream share a lane: its window
closes when every node known to be live has marked it. What other workers publish comes in lanes of
its own (``stream@source``) that close when the workers' partitions expected there have marked the
window. Nothing here looks at a clock, so reading the same messages again gives the same result.

A window remembers the first offset that touched it. The resume offset, where reading must begin
again after a restart, is the least of the open windows' first offsets, or else the next offset.
"""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from topics.codec import Envelope
from topics.records import Snapshot

METADATA_LIMIT: Final = 4000
"""Most characters of metadata in an offset commit; Kafka's default limit is 4096 bytes."""

_GONE: Final = 1 << 62


class Tally:
    """What one producer sent to one window of this partition, and what it said it sent."""

    __slots__ = ("announced", "duplicates", "late", "next", "received")

    def __init__(self) -> None:
        self.next = 0
        self.received = 0
        self.duplicates = 0
        self.late = 0
        self.announced: int | None = None


class Window:
    """An open window: its place, its tallies by producer, and the monitor's own state.

    ``final`` is true, from when it is ready to close, for the last window of a stream whose producers are all done.
    """

    __slots__ = ("final", "first_offset", "lane", "start", "state", "tallies")

    def __init__(self, lane: Lane, start: int, first_offset: int) -> None:
        self.lane = lane
        self.start = start
        self.first_offset = first_offset
        self.tallies: dict[str, Tally] = {}
        self.final = False
        self.state: Any = None

    def tally(self, producer: str) -> Tally:
        """The tally of a producer, begun when it is new."""
        found = self.tallies.get(producer)
        if found is None:
            found = self.tallies[producer] = Tally()
        return found


class Lane:
    """The windows of one stream from one kind of source.

    ``source`` is empty for capture nodes, else the worker stage the records come from. ``expected``
    are the producers every window waits for; empty means those that have been heard of.
    """

    def __init__(self, stream: str, source: str, expected: frozenset[str]) -> None:
        self.stream = stream
        self.source = source
        self.expected = expected
        self.progress: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self.watermark = -1
        self.closed_at = -1
        self.windows: dict[int, Window] = {}
        self.late: dict[str, int] = {}
        self.late_offset = -1

    @property
    def key(self) -> str:
        """The lane's name in the metadata."""
        return f"{self.stream}@{self.source}" if self.source else self.stream

    @property
    def active(self) -> bool:
        """True while something known of the lane beside its watermark is still needed."""
        return bool(self.windows or (self.progress and not self.expected))

    def unfinished(self) -> list[str]:
        """The producers that have not said they are done."""
        return [producer for producer, reached in self.progress.items() if reached != _GONE]

    def oldest(self) -> Window | None:
        """The oldest open window."""
        return self.windows[min(self.windows)] if self.windows else None

    def ready(self) -> list[Window]:
        """The windows every producer has marked, oldest first."""
        if not self.windows:
            return []
        if self.expected:
            progress = self.progress
            reached = min(progress.get(producer, -1) for producer in self.expected)
        else:
            reached = min(self.progress.values(), default=_GONE)
        ready = [self.windows[start] for start in sorted(self.windows) if start <= reached]
        if ready and len(ready) == len(self.windows):
            ready[-1].final = self._ended(ready[-1].start)
        return ready

    def _ended(self, last: int) -> bool:
        """True when no producer goes on after this window."""
        if self.expected:
            return all(self.ends.get(producer) == last for producer in self.expected)
        return not self.unfinished()


class CommitPoint(NamedTuple):
    """A place from which everything can be rebuilt: the resume offset and what to know there."""

    offset: int
    metadata: str


class Admitted(NamedTuple):
    """Where a message's records go, and how many of its first ones are there already."""

    window: Window
    skip: int


class Ledger:
    """The lanes of one partition. ``expected`` says which producers a lane of a source waits for."""

    def __init__(self, expected: Callable[[str], frozenset[str]]) -> None:
        self._expected = expected
        self.lanes: dict[str, Lane] = {}
        self.next_offset = -1
        self.late_records = 0
        self.duplicate_records = 0

    def load(self, metadata: str) -> None:
        """Take up what a commit point knew; empty metadata means nothing was known.

        :class:`ValueError` when the text was not written by :meth:`point`.
        """
        self.lanes = {}
        for key, (watermark, closed_at, progress) in _unpack(metadata).items():
            stream, _, source = key.partition("@")
            lane = self._lane(stream, source)
            lane.watermark, lane.closed_at = watermark, closed_at
            lane.progress = dict(progress)

    def admit(self, offset: int, envelope: Envelope, source: str) -> Admitted | None:
        """Find the window of a message of records; ``None`` when it is closed or holds them all."""
        self.next_offset = offset + 1
        lane = self._lane(envelope.stream, source)
        if envelope.window <= lane.watermark:
            self._count_late(lane, offset, envelope.node, envelope.count)
            return None
        if not lane.expected:
            lane.progress.setdefault(envelope.node, -1)
        window = self._window(lane, envelope.window, offset)
        tally = window.tally(envelope.node)
        end = envelope.sequence + envelope.count
        skip = min(max(0, tally.next - envelope.sequence), envelope.count)
        tally.duplicates += skip
        self.duplicate_records += skip
        if skip == envelope.count:
            return None
        tally.received += envelope.count - skip
        tally.next = end
        return Admitted(window, skip)

    def mark(self, offset: int, envelope: Envelope, marker: Snapshot, source: str) -> Lane:
        """Take a window's marker; the lane's :meth:`Lane.ready` then says what closes."""
        self.next_offset = offset + 1
        lane = self._lane(envelope.stream, source)
        node = envelope.node
        if marker.closed_by:
            lane.progress.pop(node, None)
            return lane
        if marker.window > lane.watermark:
            self._window(lane, marker.window, offset).tally(node).announced = marker.announced
        lane.progress[node] = max(lane.progress.get(node, -1), marker.window)
        if not lane.expected:
            if marker.final:
                lane.progress[node] = _GONE
            _supersede(lane, node)
        elif marker.final:
            lane.ends[node] = marker.window
        return lane

    def close(self, window: Window) -> None:
        """Forget a window whose result is on its way; its lane's watermark moves up to it."""
        lane = window.lane
        for producer, count in lane.late.items():
            window.tally(producer).late += count
        lane.late = {}
        lane.late_offset = -1
        del lane.windows[window.start]
        lane.watermark = window.start
        lane.closed_at = self.next_offset - 1

    def settle(self, lane: Lane) -> bool:
        """Drop the producers that are gone for good; True when the lane has none left."""
        if lane.windows:
            return False
        if not lane.expected:
            for producer in [p for p, reached in lane.progress.items() if reached == _GONE]:
                del lane.progress[producer]
        return not lane.progress

    def point(self) -> CommitPoint | None:
        """The commit point as of the message taken last, after *all* its lane's ready windows closed.

        ``None`` when what has to be known there exceeds :data:`METADATA_LIMIT`; a later one may fit.
        """
        first = [w.first_offset for lane in self.lanes.values() for w in lane.windows.values()]
        first += [lane.late_offset for lane in self.lanes.values() if lane.late_offset >= 0 and lane.active]
        resume = min(first, default=self.next_offset)
        metadata = self._pack(resume)
        return None if metadata is None else CommitPoint(resume, metadata)

    def idle(self) -> bool:
        """True when no window is open: everything read so far is done."""
        return not any(lane.windows for lane in self.lanes.values())

    def open_windows(self) -> Iterator[Window]:
        """Every open window."""
        for lane in self.lanes.values():
            yield from lane.windows.values()

    def _lane(self, stream: str, source: str) -> Lane:
        key = f"{stream}@{source}" if source else stream
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(stream, source, self._expected(source))
        return lane

    def _window(self, lane: Lane, start: int, offset: int) -> Window:
        window = lane.windows.get(start)
        if window is None:
            window = lane.windows[start] = Window(lane, start, offset)
        return window

    def _count_late(self, lane: Lane, offset: int, producer: str, count: int) -> None:
        if offset <= lane.closed_at:
            return  # read again after a restart: it was dealt with before its window closed
        self.late_records += count
        lane.late[producer] = lane.late.get(producer, 0) + count
        if lane.late_offset < 0:
            lane.late_offset = offset

    def _pack(self, resume: int) -> str | None:
        """The lanes' states as text.

        What is still needed must fit: lanes that are active, and those closed at or after the resume
        offset, whose messages will be read again. Of the ended others the latest are kept, as many as
        fit: they only serve to recognise a stream that is published once more.
        """
        lanes = [lane for lane in self.lanes.values() if lane.watermark >= 0 or lane.progress]
        needed = [lane for lane in lanes if lane.active or lane.closed_at >= resume]
        ended = [lane for lane in lanes if not (lane.active or lane.closed_at >= resume)]
        ended.sort(key=lambda lane: lane.closed_at, reverse=True)
        keep = len(ended)
        while True:
            packed = _pack(
                {lane.key: (lane.watermark, lane.closed_at, lane.progress) for lane in needed + ended[:keep]}
            )
            if len(packed) <= METADATA_LIMIT:
                self._forget(ended[keep:])
                return packed
            if keep == 0:
                return None
            keep = min(keep - 1, (keep + len(needed)) * METADATA_LIMIT // len(packed) - len(needed))
            keep = max(keep, 0)

    def _forget(self, ended: list[Lane]) -> None:
        for lane in ended:
            del self.lanes[lane.key]


def known_offset(metadata: str, committed: int) -> int:
    """The offset up to which a commit point knows what windows have left behind; -1 where there is none.

    :class:`ValueError` as for :meth:`Ledger.load`.
    """
    return max([committed - 1, *(closed_at for _, closed_at, _ in _unpack(metadata).values())])


def _supersede(lane: Lane, node: str) -> None:
    """A node that was started anew (``name#start``) stands in for its earlier runs."""
    name, _, run = node.rpartition("#")
    if not name:
        return
    for other in list(lane.progress):
        other_name, _, other_run = other.rpartition("#")
        if other_name == name and other_run < run:
            lane.progress[other] = _GONE


def _pack(known: dict[str, tuple[int, int, dict[str, int]]]) -> str:
    return b85encode(zlib.compress(msgspec.json.encode(known))).decode()


def _unpack(metadata: str) -> dict[str, tuple[int, int, dict[str, int]]]:
    if not metadata:
        return {}
    try:
        return msgspec.json.decode(
            zlib.decompress(b85decode(metadata)), type=dict[str, tuple[int, int, dict[str, int]]]
        )
    except (ValueError, zlib.error) as error:
        raise ValueError(f"the commit's metadata is not ours: {error}") from error
