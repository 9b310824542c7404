"""Tells open pages that something has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Final

TICK_SECONDS: Final = 15.0
"""How often a page hears that there is something new of what changes all the time."""


class Hub:
    """Passes on which kinds of things have changed, from any thread to any number of pages.

    A page that is slow hears of each kind once, however often it has changed meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._closed = False

    def tell(self, kind: str) -> None:
        """Say that something of this kind has changed; safe to call from any thread."""
        with self._lock:
            for listener in self._listeners:
                listener.tell(kind)

    def close(self) -> None:
        """End all streams; a later one ends at once."""
        with self._lock:
            self._closed = True
            for listener in self._listeners:
                listener.tell("")

    async def changes(self, tick: float = TICK_SECONDS) -> AsyncIterator[str]:
        """The kinds that change from now on; ``tick`` each so many seconds without any."""
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                return
            self._listeners.add(listener)
        try:
            while True:
                kinds = await listener.take(tick)
                for kind in sorted(kinds) or ["tick"]:
                    if not kind:
                        return
                    yield kind
        finally:
            with self._lock:
                self._listeners.discard(listener)


class _Listener:
    """One open page; all but :meth:`tell` runs in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kinds: set[str] = set()
        self._changed = asyncio.Event()

    def tell(self, kind: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, kind)

    async def take(self, seconds: float) -> set[str]:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return set()
        kinds, self._kinds = self._kinds, set()
        self._changed.clear()
        return kinds

    def _note(self, kind: str) -> None:
        self._kinds.add(kind)
        self._changed.set()
