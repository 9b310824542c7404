"""State per conversation that cannot grow without end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")

LIMIT = 65536
"""Conversations remembered at most, per protocol."""


class Recent(Generic[V]):
    """A mapping that forgets the entry not used for longest once it holds ``limit``.

    ``forgotten`` is called with each value that had to go.
    """

    def __init__(self, limit: int = LIMIT, forgotten: Callable[[V], None] = lambda _: None) -> None:
        self._limit = limit
        self._forgotten = forgotten
        self._entries: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        """The value, now the most recently used, or None."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: V) -> None:
        """Remember a value, forgetting the oldest when there are too many."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self._forgotten(oldest)

    def pop(self, key: str) -> V | None:
        """Take a value out."""
        return self._entries.pop(key, None)

    def drain(self) -> Iterator[V]:
        """Take every value out, oldest first."""
        while self._entries:
            yield self._entries.popitem(last=False)[1]

    def __len__(self) -> int:
        return len(self._entries)
