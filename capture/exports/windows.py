"""When a record of an exporter counts: whose clock is believed, and in which window its records are."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from capture.source import Sink, window_of
from topics.records import WINDOW_SECONDS

EARLY: Final = 5 * 60 * 1_000_000
LATE: Final = 7 * 24 * 60 * 60 * 1_000_000
"""How far, in microseconds, an exporter's time may be after and before its datagram came."""

_WINDOW: Final = WINDOW_SECONDS * 1_000_000


class Windows:
    """Places records in windows, and closes those that are over.

    The clock is that of the datagrams, live or as they stand in a capture file. A record's own time is believed where
    it is at most five minutes after its datagram came and at most seven days before; else it is the time at which it
    came. It is in the window of its time, which stays open for ``wait`` microseconds after its end, else in the
    oldest that is open; no exporter's clock opens a window before its time. ``reached`` is the latest time so far.
    """

    def __init__(self, sink: Sink, name: str, wait: int, now: int) -> None:
        self.reached = now
        self._sink = sink
        self._name = name
        self._wait = wait
        self._oldest = window_of(max(now - wait, 0))

    def see(self, now: int) -> None:
        """It is now this time (epoch microseconds); windows stay open."""
        self.reached = max(self.reached, now)

    def reach(self, now: int) -> bool:
        """It is now this time (epoch microseconds); True when a window is over, which the sink is told."""
        self.see(now)
        oldest = window_of(self.reached - self._wait)
        if oldest <= self._oldest:
            return False
        self._oldest = oldest
        self._sink.advance(self._name, oldest - WINDOW_SECONDS)
        return True

    def place(self, time: int) -> int:
        """The window of a record of this time."""
        return max(window_of(min(time, self.reached)), self._oldest)

    def date(self, time: int) -> tuple[int, int]:
        """The time of a record that says this one and came now, and its window (epoch seconds)."""
        if not self.reached - LATE <= time <= self.reached + EARLY:
            self._sink.count(self._name, "time-not-believed")
            time = self.reached
        window = window_of(min(time, self.reached))
        if window < self._oldest:
            self._sink.count(self._name, "late")
            window = self._oldest
        return time, window

    def date_all(
        self, times: npt.NDArray[np.int64], received: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The times of records that say these, whose datagrams came then, and their windows (epoch seconds)."""
        believed = (times <= received + EARLY) & (times >= received - LATE)
        wrong = len(times) - int(np.count_nonzero(believed))
        if wrong:
            self._sink.count(self._name, "time-not-believed", wrong)
            times = np.where(believed, times, received)
        windows = np.minimum(times, received) // _WINDOW * WINDOW_SECONDS
        late = int(np.count_nonzero(windows < self._oldest))
        if late:
            self._sink.count(self._name, "late", late)
            windows = np.maximum(windows, self._oldest)
        return times, windows
