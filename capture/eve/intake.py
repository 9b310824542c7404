"""From lines to records in their windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from capture.eve import NAME
from capture.eve.decoder import EveDecoder
from capture.eve.errors import EveError
from capture.eve.lines import LONGEST
from capture.source import LIVE, Observation, Sink, putting_together, window_of
from capture.syslog.rejected import Rejected
from capture.syslog.timeline import EARLY, LATE, moved
from capture.windows import Windows
from topics.records import WINDOW_SECONDS, Metric, Record

PUBLISHED: Final = 600
"""How many rejected lines of a file, or of a minute, are published as dead letters; those beyond are counted."""

_DAY: Final = 24 * 60 * 60 * 1_000_000

GRACE: Final = 5_000_000
"""How many microseconds what is live may take to come and still count in its own window."""


class Intake:
    """Makes the records of lines.

    Every line makes the records of one event (``used``) or is rejected for a reason; all are counted. Records of a
    file are in the windows of their own times. Live, a window closes some seconds after its end: what comes later
    counts in the one that is open. ``written`` is when a file was last written to, or when what is live began (epoch
    microseconds); ``name`` is the source's, ``joined`` is the
    decoder's.
    """

    def __init__(
        self, observation: Observation, sink: Sink, written: int, *, name: str = NAME, joined: bool = False
    ) -> None:
        self._observation = observation
        self._sink = sink
        self._put_together = putting_together(sink)
        self._name = name
        self._live = observation.stream == LIVE
        self._now = written
        self._window = self._from = self._until = 0
        self._windows = Windows(sink, name, written - GRACE, allowance=0) if self._live else None
        self._decoder = EveDecoder(observation, texts=True, joined=joined)
        self._rejected = Rejected(observation, name, PUBLISHED, sink)

    def at(self, now: int) -> None:
        """Live: it is now this time (epoch microseconds). A clock that is put back stands still."""
        if now > self._now:
            self._now = now
            if self._windows is not None and self._live:
                self._windows.reach(now - GRACE)
                # Most of what comes is of now.
                self._window = window_of(now)
                self._from, self._until = self._window * 1_000_000, now + 1

    def take(self, lines: Sequence[bytes], prefix: str, first: int, sensor: str) -> None:
        """Take lines, the first of which is the ``first`` of those whose records' ids begin with ``prefix``.

        ``sensor`` is what events are said to be from that do not say it.
        """
        # This loop runs for every line.
        decode, put, put_together, place = self._decoder.decode, self._sink.put, self._put_together, self._place
        window, begin, end = self._window, self._from, self._until
        used = 0
        for number, line in enumerate(lines, first):
            identity = f"{prefix}{number:012x}"
            if len(line) > LONGEST:
                error = EveError("eve-long", f"the line is longer than {LONGEST:,} bytes")
                self._reject(line, number, error, identity)
                continue
            try:
                made = decode(line, sensor, identity)
                if begin <= made[0][2].time < end:
                    if len(made) == 1:
                        put(*made[0], window)
                    else:
                        put_together(made, window)
                else:
                    for topic, key, record in made:
                        put(topic, key, *place(record))
                    window, begin, end = self._window, self._from, self._until
            except EveError as error:
                self._reject(line, number, error, identity)
            else:
                used += 1
        self._sink.count(self._name, "lines", len(lines))
        self._sink.count(self._name, "bytes", sum(map(len, lines)) + len(lines))
        self._sink.count(self._name, "used", used)

    def refuse(self, line: bytes, number: int, detail: str) -> None:
        """Reject what never became a line."""
        self._sink.count(self._name, "lines")
        self._sink.count(self._name, "bytes", len(line))
        self._reject(line, number, EveError("eve-half", detail))

    def _place(self, record: Record) -> tuple[Record, int]:
        """A record, and the window that it counts in."""
        time = record.time
        if self._live:
            now = self._now
            if not now - LATE <= time <= now + EARLY:
                self._sink.count(self._name, "time-not-believed")
                record, time = moved(record, now), now
            return record, self._windows_from(now).place(min(time, now))
        if time > self._now + _DAY:
            raise EveError("eve-time", "the event is dated more than a day after the file was last written")
        windows = self._windows_from(time)
        if isinstance(record, Metric):
            # Suricata dates its counters by the clock also where it reads a capture of long ago.
            return record, windows.place(min(time, windows.reached))
        windows.reach(time)
        window = windows.place(time)
        if window == window_of(time):
            # Most records are in the window of the one before.
            self._window, self._from, self._until = window, window * 1_000_000, (window + WINDOW_SECONDS) * 1_000_000
        return record, window

    def _windows_from(self, time: int) -> Windows:
        """The windows; of a file they begin with its first event."""
        if self._windows is None:
            self._windows = Windows(self._sink, self._name, time)
        return self._windows

    def _reject(self, line: bytes, number: int, error: EveError, identity: str = "") -> None:
        # Before the first event of a file nothing is known of its times.
        time = self._now if self._live or self._windows is None else self._windows.reached
        window = self._windows.place(time) if self._windows is not None else window_of(time)
        self._rejected.add(line[:LONGEST], number, error.reason, error.detail, time, window, record_id=identity)
