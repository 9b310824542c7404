"""Times as Suricata writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from capture.eve.errors import EveError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SHORTEST: Final = len("2021-06-06T15:59:46")
_LONGEST: Final = len("2021-06-06T15:59:46.457984+0200")
_REMEMBERED: Final = 10_000

_seconds: dict[str, int] = {}
"""Epoch microseconds at which seconds begin, by all of a time but its fraction: most times are of the same few."""


def moment(text: str) -> int:
    """Epoch microseconds of a time as ``2021-06-06T15:59:46.457984+0200``; without an offset it is UTC."""
    # This runs for every event, of a flow's end twice.
    if len(text) < _LONGEST:
        return _read_short(text)
    second, fraction = text[:20] + text[26:], text[20:26]
    began = _seconds.get(second)
    if began is not None and fraction.isdecimal():
        return began + int(fraction)
    time = _read(text)
    if len(text) == _LONGEST and text[19] == "." and fraction.isdecimal():
        if len(_seconds) >= _REMEMBERED:
            _seconds.clear()
        _seconds[second] = time - int(fraction)
    return time


@lru_cache(maxsize=_REMEMBERED)
def _read_short(text: str) -> int:
    """The same of one that may be remembered: those of certificates come again."""
    return _read(text)


def _read(text: str) -> int:
    try:
        # A date alone would be taken for its midnight.
        time = datetime.fromisoformat(text if len(text) >= _SHORTEST else "")
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return (time - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise EveError("eve-time", f"{text[:64]!r} is no time") from error
