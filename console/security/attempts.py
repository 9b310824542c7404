"""How often somebody may try to log in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

WITHIN_SECONDS: Final = 300.0
OF_ADDRESS: Final = 30
OF_NAME: Final = 10
"""Most failures within that time from one address, and for one name."""

_MOST: Final = 20_000


class Attempts:
    """Failed log-ins by address and by name: too many, and one has to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_seconds(self, address: str, name: str) -> float:
        """How long this one has to wait before trying; 0 when not at all."""
        with self._lock:
            return max(self._wait(("address", address), OF_ADDRESS), self._wait(("name", name), OF_NAME))

    def failed(self, address: str, name: str) -> None:
        """Take note of a failure."""
        with self._lock:
            for key, most in ((("address", address), OF_ADDRESS), (("name", name), OF_NAME)):
                times = self._failed.setdefault(key, deque(maxlen=most))
                times.append(self._clock())
                self._failed.move_to_end(key)
            while len(self._failed) > _MOST:
                self._failed.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        with self._lock:
            self._failed.pop(("name", name), None)

    def _wait(self, key: tuple[str, str], most: int) -> float:
        times = self._failed.get(key)
        if times is None or len(times) < most:
            return 0.0
        return max(0.0, times[0] + WITHIN_SECONDS - self._clock())
