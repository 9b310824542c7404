"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 60.0
"""Seconds before the second attempt, and at most before any; each attempt doubles them."""


def wait_before(tries: int, at_least: float = 0.0) -> float:
    """Seconds to wait after so many attempts, at random in the upper half, so that not all come back at once.

    ``at_least`` is what the recipient asks for, which may be longer.
    """
    longest: float = min(LONGEST, FIRST * 2 ** min(tries - 1, 16))
    return max(at_least, longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
