"""The one-time token that makes the first administrator."""

from __future__ import annotations

import secrets


class FirstStart:
    """A token that was printed where only who runs the console sees it; it can be used once."""

    def __init__(self) -> None:
        self._token = ""

    def begin(self) -> str:
        """Make the token."""
        self._token = secrets.token_urlsafe(18)
        return self._token

    def fits(self, given: str) -> bool:
        """True for the token, as long as it was not used."""
        return bool(self._token) and secrets.compare_digest(self._token.encode(), given.encode("utf-8", "replace"))

    def use(self) -> None:
        """It is used up."""
        self._token = ""
