"""Which keys of counter groups have been seen of late."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

SLOTS: Final = 16
"""A key's last time is remembered to this fraction of how long it is remembered."""


class KeyMemory:
    """Tells keys that have not been seen for some hours of event time.

    ``seen`` maps a key to the start, in epoch seconds, of the slot of time in which it was last seen, so
    that it is written to once a slot for a key that is always there. A key is new again after the whole
    time without it, and before one slot more.
    """

    def __init__(self, seen: MutableMapping[str, int], hours: float) -> None:
        self._seen = seen
        self._slot = max(1, int(hours * 3600 / SLOTS))
        self._swept: dict[str, int] = {}

    def is_new(self, lane: str, group: str, key: str, window: int) -> bool:
        """True when the key is new in this window of this lane; it is then no longer."""
        slot = self._start(window)
        place = f"{lane}\x00{group}\x00{key}"
        last = self._seen.get(place)
        if last is None or slot > last:
            self._seen[place] = slot
        return last is None or self._expired(last, slot)

    def forget(self, lane: str, window: int, *, final: bool) -> None:
        """Drop the keys of a lane that have not been seen for so long, all of them when it has ended."""
        slot = self._start(window)
        if not final and self._swept.get(lane) == slot:
            return
        self._swept[lane] = slot
        prefix = f"{lane}\x00"
        old = [
            key for key, last in self._seen.items() if key.startswith(prefix) and (final or self._expired(last, slot))
        ]
        for key in old:
            del self._seen[key]
        if final:
            del self._swept[lane]

    def _start(self, window: int) -> int:
        return window - window % self._slot

    def _expired(self, last: int, slot: int) -> bool:
        return slot - last > SLOTS * self._slot
