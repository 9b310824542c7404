"""What waits in Kafka, asked for by many pages and found out now and then."""

from __future__ import annotations

import threading
import time
from typing import Final

from console.data.pipeline import Backlog, TopicLag
from topics.errors import TaplineError

_KNOWN_SECONDS: Final = 5.0


class Lag:
    """Remembers the lag for some seconds: to find it out, every partition has to be asked."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._lock = threading.Lock()
        self._at = 0.0
        self._known: list[TopicLag] = []
        self._problem = ""

    def now(self) -> tuple[list[TopicLag], str]:
        """The lag by group and topic, and why it is not known if it is not."""
        with self._lock:
            if not self._at or time.monotonic() - self._at > _KNOWN_SECONDS:
                self._known, self._problem = self._ask()
                self._at = time.monotonic()
            return self._known, self._problem

    def _ask(self) -> tuple[list[TopicLag], str]:
        try:
            found = self._backlog()
        except TaplineError as error:
            return [], str(error)
        return [
            TopicLag(group=each.group, topic=each.topic, messages=each.messages, waiting=each.waiting) for each in found
        ], ""
