"""In which window a record counts that is told of some time after it was."""

from __future__ import annotations

from typing import Final

from capture.source import Sink, window_of
from topics.records import WINDOW_SECONDS

ALLOWANCE: Final = 10 * 60
"""How many seconds of event time a window stays open after a later one began.

A line is written when Zeek or Suricata has done with what it tells of: a connection some minutes after its last packet.
"""


class Windows:
    """Finds each record's window, which is that of its own time while that is open, and closes those that are over.

    A record that comes later than its window was closed counts in the oldest that is open: windows never run
    backwards. ``name`` is the source's, ``reached`` the latest time so far (epoch microseconds), ``allowance`` how many
    seconds a window stays open.
    """

    def __init__(self, sink: Sink, name: str, first: int, *, allowance: int = ALLOWANCE) -> None:
        self.reached = first
        self._sink = sink
        self._name = name
        self._allowance = allowance
        self._top = window_of(first)
        self._oldest = self._top - allowance

    def reach(self, time: int) -> None:
        """A line of this time has come; what was put until now is in windows that may close."""
        if time <= self.reached:
            return
        self.reached = time
        window = window_of(time)
        if window > self._top:
            self._top = window
            if window - self._allowance > self._oldest:
                self._oldest = window - self._allowance
                self._sink.advance(self._name, self._oldest - WINDOW_SECONDS)

    def place(self, time: int) -> int:
        """The window of a record of this time."""
        window = window_of(time)
        if window >= self._oldest:
            return window
        self._sink.count(self._name, "late")
        return self._oldest
