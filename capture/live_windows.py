"""The windows of a source that reads what there is now."""

from __future__ import annotations

import time
from collections.abc import Callable

from capture.source import Sink, window_of
from topics.records import WINDOW_SECONDS


class LiveWindows:
    """The time at which things are read, and the window they are in.

    A clock that is put back stands still, so that no window is put into after it was advanced past. ``turning`` is
    called at the end of each window, before it is advanced past.
    """

    def __init__(self, name: str, sink: Sink, turning: Callable[[], None] | None = None) -> None:
        self._name = name
        self._sink = sink
        self._turning = turning
        self.now = time.time_ns() // 1000
        self.window = window_of(self.now)

    def look(self) -> int:
        """Look at the clock: the time in epoch microseconds. A window that is over is advanced past."""
        now = time.time_ns() // 1000
        if now > self.now:
            window = window_of(now)
            if window > self.window:
                if self._turning is not None:
                    self._turning()
                self.window = window
                self._sink.advance(self._name, window - WINDOW_SECONDS)
            self.now = now
        return self.now
