"""How many notifications of one type there may be in a minute of a stream's event time, and how many were held back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_MINUTE: Final = 60


class HeldBack(NamedTuple):
    """The alerts of a type that were not told in a minute, which began at this epoch second."""

    stream: str
    type: str
    minute: int
    alerts: int


class TypeLimits:
    """Counts notifications by stream and type; what it knows can be kept and taken up again."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self.changed = False

    def restore(self, value: Any) -> None:
        """Take up what :meth:`value` gave."""
        self._counts = {key: list(counts) for key, counts in (value or {}).items()}

    def value(self) -> dict[str, list[int]]:
        """What is known, as JSON can hold it."""
        return self._counts

    def allows(self, stream: str, type_: str, time: int, limit: int) -> bool:
        """True when a notification may be made at this time (microseconds); else it is counted as held back."""
        counts = self._at(stream, type_, time)
        if counts[1] < limit:
            return True
        counts[2] += 1
        self.changed = True
        return False

    def made(self, stream: str, type_: str, time: int) -> None:
        """Count a notification."""
        self._at(stream, type_, time)[1] += 1
        self.changed = True

    def passed(self, stream: str, type_: str, time: int) -> HeldBack | None:
        """What was held back of a type in a minute that this time is beyond, once."""
        counts = self._counts.get(_key(stream, type_))
        if counts is None or not counts[2] or time // 1_000_000 < counts[0] + _MINUTE:
            return None
        found = HeldBack(stream, type_, counts[0], counts[2])
        counts[2] = 0
        self.changed = True
        return found

    def ended(self, stream: str, second: int) -> Iterator[HeldBack]:
        """What was held back in minutes of a stream that ended by this epoch second, each once."""
        for key in sorted(self._counts):
            at, _, type_ = key.partition("\x00")
            if at == stream:
                found = self.passed(stream, type_, second * 1_000_000)
                if found is not None:
                    yield found

    def forget(self, stream: str, second: int) -> None:
        """Let go of minutes of a stream that are over since long, at this epoch second."""
        for key, counts in list(self._counts.items()):
            if key.startswith(f"{stream}\x00") and not counts[2] and counts[0] + 10 * _MINUTE <= second:
                del self._counts[key]
                self.changed = True

    def _at(self, stream: str, type_: str, time: int) -> list[int]:
        minute = time // 1_000_000 // _MINUTE * _MINUTE
        counts = self._counts.get(_key(stream, type_))
        if counts is None:
            counts = self._counts[_key(stream, type_)] = [minute, 0, 0]
            self.changed = True
        elif minute > counts[0]:
            counts[0], counts[1] = minute, 0
            self.changed = True
        return counts


def _key(stream: str, type_: str) -> str:
    return f"{stream}\x00{type_}"
