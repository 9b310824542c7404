"""How large bulk requests are: as large as the server answers in good time."""

from __future__ import annotations

from threading import Lock
from typing import Final

from exporters.elasticsearch.metrics import BULK_TARGET

GOOD_SECONDS: Final = 1.0
"""A full request that is answered within this is no burden: the next ones may be larger."""

LEAST_BYTES: Final = 64 * 1024
"""Size below which busy servers gain nothing from still smaller requests."""


class Pace:
    """The size of bulk requests in bytes, found by trying; safe to use from several threads.

    It begins at a quarter of ``most``. Each full request that is answered in good time lets it grow by a quarter.
    A request that is too much for the server (429, no answer in time) halves it, and one that is called too large
    (413) sets a limit for good: a half of that request.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(LEAST_BYTES, most)
        self._size = max(self._least, most // 4)
        self._lock = Lock()
        BULK_TARGET.set(self._size)

    @property
    def size(self) -> int:
        """Bytes at which a request is large enough."""
        return self._size

    def answered(self, size: int, seconds: float) -> None:
        """A request of this size was taken, and answered after so long."""
        with self._lock:
            if size >= self._size and seconds <= GOOD_SECONDS:
                self._set(self._size + self._size // 4)

    def too_much(self, size: int) -> None:
        """A request of this size was too much for the server as it is now."""
        with self._lock:
            # Several of one size may fail together, which is one reason to halve it.
            self._set(min(self._size, size // 2))

    def too_large(self, size: int) -> None:
        """A request of this size will never be taken."""
        with self._lock:
            self._most = max(1, min(self._most, size // 2))
            self._least = min(self._least, self._most)
            self._set(self._size)

    def _set(self, size: int) -> None:
        self._size = max(self._least, min(size, self._most))
        BULK_TARGET.set(self._size)
