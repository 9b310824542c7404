"""How many messages a recipient gets."""

from __future__ import annotations

from collections import deque
from typing import Final

PERIOD: Final = 60.0
"""Seconds over which messages are counted."""


class RateLimit:
    """At most ``most`` messages in any 60 seconds; 0 for no limit. Times are of a clock that only goes forward."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sent: deque[float] = deque(maxlen=most or 1)

    def wait(self, now: float) -> float:
        """In how many seconds the next message may go; 0 when it may now."""
        if not self._most or len(self._sent) < self._most:
            return 0.0
        return max(0.0, self._sent[0] + PERIOD - now)

    def count(self, now: float) -> None:
        """A message goes now."""
        self._sent.append(now)
