"""Notifications that are collected to go out as one message."""

from __future__ import annotations

from collections import Counter
from typing import Final

from exporters.recipients.notification import Notification
from topics.partitions import digest

MOST: Final = 10_000
"""Most notifications in one message: so many are counted."""

MOST_LISTED: Final = 100
"""Most of them that are in it whole."""

_KEYS: Final = 1 << 128


class Digest:
    """What was collected since ``began`` (of a clock that only goes forward), and ``outcome``, as what it counts."""

    def __init__(self, began: float, outcome: str) -> None:
        self.began = began
        self.outcome = outcome
        self.listed: list[Notification] = []
        self.types: Counter[str] = Counter()
        self.newest = 0.0
        self._ids: dict[str, None] = {}
        self._sum = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    @property
    def is_full(self) -> bool:
        """True when no more may be added."""
        return len(self._ids) >= MOST

    def add(self, notification: Notification, published: float) -> None:
        """Add a notification that was published then (epoch seconds)."""
        if len(self.listed) < MOST_LISTED:
            self.listed.append(notification)
        self.types[notification.alert.type] += 1
        self.newest = max(self.newest, published)
        self._ids[notification.id] = None
        self._sum = (self._sum + int(digest(notification.id), 16)) % _KEYS

    def ids(self) -> list[str]:
        """The ids of all."""
        return list(self._ids)

    def key(self, recipient: str) -> str:
        """The message's key: the same notifications give the same, in whichever order they came."""
        return digest("digest", recipient, len(self._ids), self._sum)
