"""What scripts may use of a window: time, one by one and all together, and what they print."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final

from workers.scripting.standing import STANDING, Tally
from workers.settings import WorkersSettings

REMEMBERED_WINDOWS: Final = 64
"""Use is known for so many windows; an older one that is met again begins anew."""

_log = logging.getLogger(__name__)


class WindowUse:
    """What scripts have used of one window, by script: seconds, and bytes printed."""

    __slots__ = ("printed", "seconds", "told")

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.printed: dict[str, int] = {}
        self.told = False


class Budget:
    """Keeps account of what the scripts of this process use, window by window."""

    def __init__(self, settings: WorkersSettings) -> None:
        self.settings = settings
        self.place = ("", 0)
        """Stream and window that what scripts do now counts for."""

        self._use = WindowUse()
        self._windows: OrderedDict[tuple[str, int], WindowUse] = OrderedDict({self.place: self._use})
        self._marks: dict[Tally, float] = {tally: tally.seconds for tally in STANDING.tallies()}
        self._quiet: set[str] = set()
        self._over: list[str] = []

    def point(self, stream: str, window: int) -> None:
        """Let what scripts use from here on count for this window."""
        place = (stream, window)
        if place == self.place:
            return
        self.look()
        self.place = place
        use = self._windows.get(place)
        if use is None:
            use = self._windows[place] = WindowUse()
            if len(self._windows) > REMEMBERED_WINDOWS:
                self._windows.popitem(last=False)
        self._use = use

    def used(self, script: str) -> float:
        """Seconds this script has taken of the present window, calls under way not counted."""
        self._settle()
        return self._use.seconds.get(script, 0.0)

    def look(self) -> None:
        """See whether all scripts together have taken more of the present window than they may."""
        self._settle()
        use = self._use
        total = sum(use.seconds.values())
        if use.told or total <= self.settings.scripts_window_seconds:
            return
        use.told = True
        most = max(use.seconds, key=lambda script: use.seconds[script])
        stream, window = self.place
        self._over.append(
            f"scripts took {total:.0f} s of window {window} of stream {stream}, more than"
            f" {self.settings.scripts_window_seconds:g} s, {most} most of it ({use.seconds[most]:.0f} s):"
            " run fewer, make them faster, or add workers (workers.scripts_window_seconds is the limit)"
        )

    def overruns(self) -> list[str]:
        """What is to be said of windows that scripts took too long for, each once."""
        if not self._over:
            return []
        over, self._over = self._over, []
        return over

    def may_print(self, script: str, size: int) -> bool:
        """Whether a script may print so many bytes more in this window; what it may not is counted."""
        printed = self._use.printed
        wanted = printed.get(script, 0) + size
        limit = self.settings.script_output_kb * 1024
        if wanted <= limit:
            printed[script] = wanted
            return True
        STANDING.output_dropped(script, size)
        if script not in self._quiet:
            self._quiet.add(script)
            _log.warning(
                "script %s printed more than %d KiB in one window; the rest is left out and counted in"
                " tapline_script_output_dropped_bytes_total: print less, or raise workers.script_output_kb",
                script, self.settings.script_output_kb,
            )  # fmt: skip
        return False

    def _settle(self) -> None:
        seconds = self._use.seconds
        marks = self._marks
        for tally in STANDING.tallies():
            more = tally.seconds - marks.get(tally, 0.0)
            if more:
                marks[tally] = tally.seconds
                seconds[tally.script] = seconds.get(tally.script, 0.0) + more
