"""When a line counts: whose clock is believed, and in which window its records are."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from capture.source import window_of
from topics.records import Flow, Record

EARLY: Final = 5 * 60 * 1_000_000
LATE: Final = 7 * 24 * 60 * 60 * 1_000_000
"""How far, in microseconds, a message's own time may be after and before it came."""


class Timeline:
    """Dates what lines tell.

    A time of its own is believed where it is at most five minutes after its line came and, live, at most seven
    days before.

    Live, whatever comes is in the window in which it came (``received``): no sender's clock moves a window. The
    lines of a file came when the file was last written; they are in the windows of their own times, which never
    run backwards: a line older than one before it is in that one's window.
    """

    def __init__(self, received: int, *, live: bool) -> None:
        self._live = live
        self._reached = 0
        self.received = received
        self.window = window_of(received)

    def at(self, now: int) -> None:
        """Live: it is now this time (epoch microseconds). A clock that is put back stands still."""
        if now > self.received:
            self.received = now
            self.window = window_of(now)

    def date(self, own: int) -> int:
        """The time of a record whose line says this one (epoch microseconds, 0 for none): it, or its substitute."""
        received = self.received
        if own <= received + EARLY:
            if self._live:
                if own >= received - LATE:
                    return own
            elif own > 0:
                if own > self._reached:
                    self._reached = own
                    self.window = window_of(own)
                return own
        return self._reached or received


def moved(record: Record, time: int) -> Record:
    """A record at another time; a flow, whose time is its end, keeps its length."""
    if isinstance(record, Flow):
        return replace(record, time=time, start=record.start + time - record.time, end=time)
    return replace(record, time=time)
