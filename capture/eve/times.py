"""Times as Suricata writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from capture.eve.errors import EveError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SHORTEST: Final = len("2021-06-06T15:59:46")
_LONGEST: Final = len("2021-06-06T15:59:46.457984+0200")
_REMEMBERED: Final = 10_000

_minutes: dict[str, int] = {}
"""Epoch microseconds at which minutes begin, by all of a time but its seconds: most times are of the same few."""


def moment(text: str) -> int:
    """Epoch microseconds of a time as ``2021-06-06T15:59:46.457984+0200``; without an offset it is UTC."""
    if len(text) != _LONGEST or text[19] != "." or not text.isascii():
        return _read(text)
    minute, seconds, microseconds = text[:17] + text[26:], text[17:19], text[20:26]
    if not (seconds.isdigit() and microseconds.isdigit()) or seconds > "59":
        return _read(text)
    began = _minutes.get(minute)
    since = int(seconds) * 1_000_000 + int(microseconds)
    if began is None:
        began = _read(text) - since
        if len(_minutes) >= _REMEMBERED:
            _minutes.clear()
        _minutes[minute] = began
    return began + since


def _read(text: str) -> int:
    try:
        # A date alone would be taken for its midnight.
        time = datetime.fromisoformat(text if len(text) >= _SHORTEST else "")
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return (time - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise EveError("eve-time", f"{text[:64]!r} is no time") from error
