"""In which window a record of a log counts."""

from __future__ import annotations

from typing import Final

from capture.source import Sink, window_of
from capture.zeek import NAME
from topics.records import WINDOW_SECONDS

ALLOWANCE: Final = 10 * 60
"""How many seconds of event time a window stays open after a later one began.

A line is written when Zeek has done with what it tells of: a connection up to five minutes after its last packet.
"""


class Windows:
    """Finds each record's window, which is that of its own time while that is open, and closes those that are over.

    A record that comes later than its window was closed counts in the oldest that is open: windows never run
    backwards. ``reached`` is the latest time so far (epoch microseconds).
    """

    def __init__(self, sink: Sink, first: int) -> None:
        self.reached = first
        self._sink = sink
        self._top = window_of(first)
        self._oldest = self._top - ALLOWANCE

    def reach(self, time: int) -> None:
        """A line of this time has come; what was put until now is in windows that may close."""
        if time <= self.reached:
            return
        self.reached = time
        window = window_of(time)
        if window > self._top:
            self._top = window
            if window - ALLOWANCE > self._oldest:
                self._oldest = window - ALLOWANCE
                self._sink.advance(NAME, self._oldest - WINDOW_SECONDS)

    def place(self, time: int) -> int:
        """The window of a record of this time."""
        window = window_of(time)
        if window >= self._oldest:
            return window
        self._sink.count(NAME, "late")
        return self._oldest
