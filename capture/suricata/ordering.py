"""The events of a capture file in an order, and under names, that are the same each time it is read.

Suricata numbers flows at random, tells of their ends when a thread of its own comes by, and dates what it then knows
of them by that moment. So all it wrote is looked through before records are made: an event is then dated by its flow
and named by its own content.
"""

from __future__ import annotations

import mmap
from array import array
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from capture.eve.errors import EveError
from capture.eve.times import moment
from capture.source import Observation, window_of
from capture.suricata import NAME
from capture.suricata.configuration import timeout

_TYPE: Final = b'"event_type"'
_HTTP2: Final = b'"http2":{'
_GROUPED: Final = b'"grouped":{'
_REASON: Final = b'"reason":"'
_NO_FLOW: Final = -1
_ENDS: Final = -2


class _Span(Struct, gc=False):
    end: str = ""
    state: str = ""


class _Head(Struct, gc=False):
    """What says where an event belongs."""

    timestamp: str
    event_type: str
    flow_id: int = 0
    proto: str = ""
    flow: _Span | None = None


Ordered = tuple[int, str, bytes, str]
"""An event in its place: its time, the beginning of its records' ids, the line; of a flow's end, why it came."""


class EventFile:
    """What Suricata has written of a capture file; :meth:`close` it.

    ``windows`` are those that have events, in their order; ``statistics`` are the lines of its last counters, one of
    each run. Lines that are no events are in the window of the one before them. Of every line some 30
    bytes are kept, and of every flow that has more than its end told of it some 200.
    """

    def __init__(self, path: Path, observation: Observation) -> None:
        self.statistics: list[bytes] = []
        self._offsets = array("q")
        self._lengths = array("l")
        self._times = array("q")
        self._flows = array("q")
        self._deadlines = array("q")
        self._numbers: dict[int, int] = {}
        self._ends = array("q")
        self._last = 0
        self._begun = blake2b(f"{observation.identity}\0{NAME}\0".encode(), digest_size=16)
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else None
        self._index()
        self._lines: dict[int, array[int]] = {}
        self._spread()
        self.windows = sorted(self._lines)

    def close(self) -> None:
        """Let go of the file."""
        if self._data is not None:
            self._data.close()

    def events(self, window: int) -> list[Ordered]:
        """The events of a window, by time and then by name."""
        found: list[Ordered] = []
        named: dict[str, int] = {}
        assert self._data is not None
        data, times, flows, offsets, lengths = self._data, self._times, self._flows, self._offsets, self._lengths
        name = self._name
        # This loop runs for every event.
        for number in self._lines[window]:
            offset, time = offsets[number], times[number]
            line = data[offset : offset + lengths[number]]
            is_end = flows[number] == _ENDS
            identity = name(line, time, 0, is_end=is_end)
            if identity in named:
                named[identity] += 1
                identity = name(line, time, named[identity], is_end=is_end)
            else:
                named[identity] = 0
            found.append((time, identity, line, self._reason(number) if is_end else ""))
        found.sort(key=itemgetter(0, 1))
        return found

    def _index(self) -> None:
        """Look through all lines once, for their times and the ends of flows."""
        if self._data is None:
            return
        decode = msgspec.json.Decoder(_Head).decode
        offset = 0
        for line in iter(self._data.readline, b""):
            time, flow, deadline = self._last, _NO_FLOW, 0
            try:
                head = decode(line)
                told = moment(head.timestamp)
            except (msgspec.MsgspecError, UnicodeError, RecursionError, EveError):
                # Whoever makes records of it says what is wrong.
                head = None
            if head is not None and head.event_type == "stats":
                self.statistics.append(line)
                offset += len(line)
                continue
            if head is not None:
                time = told
                self._last = max(self._last, told)
                if head.event_type == "flow" and head.flow is not None:
                    flow = _ENDS
                    time = self._end(head, told)
                    deadline = time + 1_000_000 * timeout(
                        head.proto.lower(), established=head.flow.state == "established"
                    )
                elif head.flow_id:
                    flow = self._numbers.setdefault(head.flow_id, len(self._ends))
                    if flow == len(self._ends):
                        self._ends.append(0)
            self._offsets.append(offset)
            self._lengths.append(len(line) - line.endswith(b"\n"))
            self._times.append(time)
            self._flows.append(flow)
            self._deadlines.append(deadline)
            offset += len(line)
        self._numbers.clear()

    def _end(self, head: _Head, told: int) -> int:
        """When a flow ended, which is remembered where more is told of it."""
        assert head.flow is not None
        try:
            end = moment(head.flow.end)
        except EveError:
            return told
        number = self._numbers.get(head.flow_id)
        if number is not None:
            self._ends[number] = end
        return end

    def _spread(self) -> None:
        """Date every event, and find its window."""
        for number, flow in enumerate(self._flows):
            if flow >= 0 and 0 < self._ends[flow] < self._times[number]:
                self._times[number] = self._ends[flow]
            window = window_of(self._times[number])
            lines = self._lines.get(window)
            if lines is None:
                lines = self._lines[window] = array("q")
            lines.append(number)

    def _reason(self, number: int) -> str:
        """Why a flow ended: whether Suricata notices that it has timed out before the file is over is mere chance."""
        return "timeout" if self._deadlines[number] <= self._last else "shutdown"

    def _name(self, line: bytes, time: int, ordinal: int, *, is_end: bool) -> str:
        """A digest of what an event says, without what is another each time."""
        content = line[line.find(_TYPE) :]
        if is_end:
            if (at := content.find(_REASON)) >= 0:
                content = content[:at] + content[content.find(b",", at) :]
        elif (at := content.find(_GROUPED)) >= 0:
            # What stands there was told before, and in which order is left to chance,
            content = content[:at]
        elif _HTTP2 in content:
            # as it is with what is told of HTTP/2.
            content = _sorted(content)
        state = self._begun.copy()
        state.update(b"%d\0%d\0" % (time, ordinal))
        state.update(content)
        return state.hexdigest()


def _sorted(content: bytes) -> bytes:
    try:
        return msgspec.json.encode(msgspec.json.decode(b"{" + content), order="sorted")
    except (msgspec.MsgspecError, RecursionError):
        return content
