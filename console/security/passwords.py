"""Passwords: what one has to be, and its argon2id hash (RFC 9106)."""

from __future__ import annotations

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12
LONGEST: Final = 256
"""How many characters a password may have; longer ones would only cost time."""

_AT_ONCE: Final = 2


class Passwords:
    """Makes and checks hashes, few at once: each costs 64 MiB and some of a processor's time on purpose."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._of_nobody = ""

    def hash(self, password: str) -> str:
        """The hash to keep; :class:`ValueError` says why a password will not do."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters")
        with self._turn:
            return self._hasher.hash(password)

    def fits(self, password: str, kept: str | None) -> bool:
        """True when this is the password; without a hash (no such user) it takes as long and is false."""
        if len(password) > LONGEST:
            return False
        with self._turn:
            if kept is None:
                self._of_nobody = self._of_nobody or self._hasher.hash("nobody has this one")
            try:
                return self._hasher.verify(kept or self._of_nobody, password) and kept is not None
            except (VerificationError, InvalidHashError):
                return False
