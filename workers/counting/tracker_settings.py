"""How many flows a flow tracker lists, and how often."""

from __future__ import annotations

from typing import Any, NamedTuple

from tapline.monitors import FlowTracker
from topics.errors import TaplineError
from topics.records import WINDOW_SECONDS


class TrackerSettings(NamedTuple):
    """Flows in a list, and seconds from one list to the next."""

    top: int
    bucket_seconds: int


def tracker_settings(monitor: type[FlowTracker], params: Any) -> TrackerSettings:
    """Those of a tracker: of its parameters where it declares ones of these names, else of its class.

    :class:`TaplineError` for values that cannot be.
    """
    top, seconds = (getattr(params, name, getattr(monitor, name)) for name in TrackerSettings._fields)
    if not isinstance(top, int) or top < 1:
        raise TaplineError(f"{monitor.__name__}: top is {top!r}; give how many flows to list, 1 or more")
    if not isinstance(seconds, int) or seconds < WINDOW_SECONDS or seconds % WINDOW_SECONDS:
        raise TaplineError(
            f"{monitor.__name__}: bucket_seconds is {seconds!r}; give whole windows, a multiple of {WINDOW_SECONDS}"
        )
    return TrackerSettings(top, seconds)
