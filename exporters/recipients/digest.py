"""Notifications that are collected to go out as one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

from exporters.recipients.notification import Notification
from topics.partitions import digest

MOST: Final = 2_000
"""Most notifications in one message: so many are counted."""

MOST_LISTED: Final = 100
"""Most of them that are in it whole."""

_KEYS: Final = 1 << 128


class Digest:
    """What was collected since ``began`` (of a clock that only goes forward), and ``outcome``, as what it counts."""

    def __init__(self, began: float, outcome: str) -> None:
        self.began = began
        self.outcome = outcome
        self.newest = 0.0
        self._notifications: dict[str, Notification] = {}
        self._sum = 0

    def __len__(self) -> int:
        return len(self._notifications)

    def __contains__(self, identity: str) -> bool:
        return identity in self._notifications

    def __iter__(self) -> Iterator[Notification]:
        return iter(self._notifications.values())

    @property
    def is_full(self) -> bool:
        """True when no more may be added."""
        return len(self._notifications) >= MOST

    @property
    def listed(self) -> list[Notification]:
        """Those that are in the message whole."""
        return list(islice(self, MOST_LISTED))

    @property
    def types(self) -> Counter[str]:
        """How many there are of each type of alerts."""
        return Counter(each.alert.type for each in self)

    def add(self, notification: Notification, published: float) -> None:
        """Add a notification that was published then (epoch seconds)."""
        self.newest = max(self.newest, published)
        self._notifications[notification.id] = notification
        self._sum = (self._sum + int(digest(notification.id), 16)) % _KEYS

    def key(self, recipient: str) -> str:
        """The message's key: the same notifications give the same, in whichever order they came."""
        return digest("digest", recipient, len(self), self._sum)
