"""Tells open pages that something has changed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

TICK_SECONDS: Final = 15.0
"""How often a page hears that there is something new of what changes all the time."""


class Change(NamedTuple):
    """Something of a kind has changed; who has heard of it has heard of all up to this moment."""

    kind: str
    moment: int


class Hub:
    """Passes on which kinds of things have changed, from any thread to any number of pages.

    A page that is slow hears of each kind once, however often it has changed meanwhile. Changes are numbered by
    moments, so that a page also hears of what changed between being drawn and listening, or while it was not heard.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._closed = False
        # Those of another process, before or after this one, are others.
        self._moment = time.time_ns()
        self._last: dict[str, int] = {}

    @property
    def moment(self) -> int:
        """The moment of the newest change: what is looked at from here on has it."""
        return self._moment

    def tell(self, kind: str) -> None:
        """Say that something of this kind has changed; safe to call from any thread."""
        with self._lock:
            self._moment += 1
            self._last[kind] = self._moment
            for listener in self._listeners:
                listener.tell(kind, self._moment)

    def close(self) -> None:
        """End all streams; a later one ends at once."""
        with self._lock:
            self._closed = True
            for listener in self._listeners:
                listener.tell("", self._moment)

    async def changes(self, since: int | None = None, tick: float = TICK_SECONDS) -> AsyncIterator[Change]:
        """The kinds that have changed since a moment, or from now on; ``tick`` each so many seconds without any."""
        with self._lock:
            if self._closed:
                return
            missed = {kind for kind, moment in self._last.items() if since is not None and moment > since}
            listener = _Listener(asyncio.get_running_loop(), missed, self._moment)
            self._listeners.add(listener)
            heard = self._moment if since is None else since
        try:
            while True:
                kinds, moment = await listener.take(tick)
                *some, last = sorted(kinds) or ["tick"]
                for kind in some:
                    if not kind:
                        return
                    yield Change(kind, heard)
                if not last:
                    return
                heard = moment
                yield Change(last, heard)
        finally:
            with self._lock:
                self._listeners.discard(listener)


class _Listener:
    """One open page; all but :meth:`tell` runs in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, kinds: set[str], moment: int) -> None:
        self._loop = loop
        self._kinds = kinds
        self._moment = moment
        self._changed = asyncio.Event()
        if kinds:
            self._changed.set()

    def tell(self, kind: str, moment: int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, kind, moment)

    async def take(self, seconds: float) -> tuple[set[str], int]:
        """The kinds that have changed since the last time, none after so many seconds, and up to which moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        kinds, self._kinds = self._kinds, set()
        self._changed.clear()
        return kinds, self._moment

    def _note(self, kind: str, moment: int) -> None:
        self._moment = moment
        self._kinds.add(kind)
        self._changed.set()
