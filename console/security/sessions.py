"""Sessions: kept here, known to the browser by a random token alone."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from msgspec import Struct

from console.security.roles import Role
from console.security.users import User

MOST: Final = 10_000
"""Sessions kept at once; the one that began first gives way."""


class Session(Struct):
    """Somebody who has logged in. ``csrf`` is what forms have to bring along; ``streams`` are open event streams."""

    name: str
    role: Role
    csrf: str
    began: float
    seen: float
    streams: int = 0


class Sessions:
    """The sessions of this process: a restart ends them all.

    A token is 256 random bits, so signing it would add nothing; only its hash is kept.
    """

    def __init__(self, hours: float, idle_minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = hours * 3600
        self._idle = idle_minutes * 60
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def open(self, user: User) -> tuple[str, Session]:
        """Begin a session, always with a new token: what a browser had before log-in is worth nothing."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(user.name, user.rank, secrets.token_urlsafe(32), now, now)
        with self._lock:
            if len(self._sessions) >= MOST:
                self._sessions.popitem(last=False)
            self._sessions[_key(token)] = session
        return token, session

    def find(self, token: str, *, used: bool = True) -> Session | None:
        """The session of a token, if it has not ended; where it is ``used`` it lasts longer by that."""
        with self._lock:
            session = self._look(token)
            if session is not None and used:
                session.seen = self._clock()
            return session

    def close(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_key(token), None)

    def close_of(self, name: str) -> None:
        """End all sessions of a user, whose rights have changed."""
        with self._lock:
            for key in [key for key, session in self._sessions.items() if session.name == name]:
                del self._sessions[key]

    def _look(self, token: str) -> Session | None:
        now, session = self._clock(), self._sessions.get(_key(token))
        if session is None:
            return None
        if now - session.began > self._longest or now - session.seen > self._idle:
            del self._sessions[_key(token)]
            return None
        return session


def _key(token: str) -> bytes:
    return sha256(token.encode()).digest()
