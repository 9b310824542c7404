"""What pages and the API say when something is wrong."""

from __future__ import annotations

from topics.errors import TaplineError


class Unavailable(TaplineError):
    """Something the console asks does not answer now; it is asked again with the next page."""


class Missing(TaplineError):
    """There is no such thing."""


class Refused(TaplineError):
    """Somebody may not do this, or not so; nothing was changed."""


class NotAllowed(Refused):
    """The role does not allow it."""


class LoginNeeded(TaplineError):
    """Nobody has logged in, or the session has ended."""


class Outdated(TaplineError):
    """It was changed since what was sent was made of it; nothing was changed now."""


class Mistake(TaplineError):
    """What was given cannot be; the message says what would be right."""


class TooOften(TaplineError):
    """It was tried too often; the message says when it may be tried again."""
