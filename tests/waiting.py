"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, *, seconds: float = 30.0, every: float = 0.02) -> T:
    """Return the first true value of ``condition``; fail naming ``what`` when none came in time.

    An ``AssertionError`` of the condition counts as "not yet", and is what the failure says.
    """
    deadline = time.monotonic() + seconds
    last: AssertionError | None = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}") from last
        time.sleep(every)
