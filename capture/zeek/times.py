"""Times as Zeek writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from capture.zeek.errors import ZeekError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MILLISECONDS: Final = 1e11
"""No time of a packet is as many seconds after the epoch: it is in milliseconds (``JSON::TS_MILLIS``)."""

_LAST: Final = 253_402_300_800.0
"""The end of the year 9999, in epoch seconds."""


def moment(value: float | str) -> int:
    """Epoch microseconds of ``ts``: seconds, or milliseconds, since the epoch, or ISO 8601 (``JSON::TS_ISO8601``)."""
    seconds = _seconds(value)
    if seconds >= _MILLISECONDS:
        seconds /= 1000
    if not 0 < seconds < _LAST:
        raise ZeekError("zeek-time", f"{str(value)[:64]!r} is no time of a packet")
    return round(seconds * 1_000_000)


def date(value: float | str) -> int:
    """Epoch microseconds of a date that somebody wrote into a certificate; 0 where it is none that can be told."""
    try:
        seconds = _seconds(value)
    except ZeekError:
        return 0
    return round(seconds * 1_000_000) if -_LAST < seconds < _LAST else 0


def _seconds(value: float | str) -> float:
    if not isinstance(value, str):
        return value
    try:
        if "T" in value:
            time = datetime.fromisoformat(value)
            return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND / 1_000_000
        return float(value)
    except (ValueError, OverflowError) as error:
        raise ZeekError("zeek-time", f"{value[:64]!r} is no time") from error
