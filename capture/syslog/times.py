"""The times that stand in syslog messages."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

_MONTHS: Final = {
    name: number + 1
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    )
}
_DAY: Final = 86_400
_KEPT: Final = 4096
_SECOND: Final = 1_000_000


class Clock:
    """Turns dates and times into epoch microseconds; ``zone`` holds where a message names none.

    Messages of one second share their date, so what a text came to is kept for a while.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._full: dict[str, int] = {}
        self._yearless: dict[tuple[str, int], int] = {}

    def full(self, text: str, fraction: str | None, offset: str | None) -> int:
        """The time of ``2016-02-21T04:32:57`` with the digits of a fraction and an offset (``Z``, ``+01:00``).

        ``ValueError`` or ``OverflowError`` when there is no such time; as of the others here.
        """
        zoned = offset is None
        key = text + "?" if zoned else text
        seconds = self._full.get(key)
        if seconds is None:
            moment = datetime.fromisoformat(text)
            seconds = int(moment.replace(tzinfo=self._zone if zoned else UTC).timestamp())
            if len(self._full) >= _KEPT:
                self._full.clear()
            self._full[key] = seconds
        if offset and offset != "Z":
            minutes = int(offset[1:3]) * 60 + int(offset[-2:])
            if minutes >= 24 * 60 or int(offset[-2:]) > 59:
                raise ValueError(f"no such offset: {offset}")
            seconds += -60 * minutes if offset[0] == "+" else 60 * minutes
        return seconds * _SECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)

    def yearless(self, month: str, day: str, time: str, reference: int) -> int:
        """The time of ``Feb``, ``5``, ``17:32:18`` in the latest year that puts it at most a day after ``reference``.

        ``reference`` is in epoch microseconds; ``ValueError`` when there is no such time.
        """
        today = reference // _SECOND // _DAY
        key = (f"{month} {day} {time}", today)
        found = self._yearless.get(key)
        if found is None:
            found = self._latest(month, int(day), time, (today + 1) * _DAY)
            if len(self._yearless) >= _KEPT:
                self._yearless.clear()
            self._yearless[key] = found
        return found

    def with_year(self, year: str, month: str, day: str, time: str) -> int:
        """The time of ``2016``, ``Feb``, ``5``, ``17:32:18``; ``ValueError`` when there is none."""
        return self._at(int(year), month, int(day), time) * _SECOND

    def _latest(self, month: str, day: int, time: str, latest: int) -> int:
        year = datetime.fromtimestamp(latest, UTC).year
        # A 29th of February may lie eight years back.
        for candidate in range(year + 1, max(year - 8, 1), -1):
            try:
                seconds = self._at(candidate, month, day, time)
            except ValueError:
                continue
            if seconds <= latest:
                return seconds * _SECOND
        raise ValueError(f"no such day: {month} {day}")

    def _at(self, year: int, month: str, day: int, time: str) -> int:
        number = _MONTHS.get(month)
        if number is None:
            raise ValueError(f"no such month: {month}")
        hour, minute, second = int(time[:2]), int(time[3:5]), int(time[6:8])
        return int(datetime(year, number, day, hour, minute, second, tzinfo=self._zone).timestamp())
