"""From what was read of logs to records in their windows."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from capture.source import LIVE, Observation, Sink
from capture.syslog.rejected import Rejected
from capture.syslog.timeline import EARLY, LATE, moved
from capture.windows import Windows
from capture.zeek import NAME
from capture.zeek.decoder import Placed, ZeekDecoder
from capture.zeek.errors import ZeekError
from capture.zeek.lines import LogLines, Read
from topics.partitions import digest
from topics.records import Record

WAIT: Final = 5 * 60 * 1_000_000
"""How long, in microseconds of event time, a line waits for those that say more of it."""

LIVE_WAIT: Final = 5_000_000
"""The same in microseconds of the clock, for lines that are read while Zeek writes them."""

GRACE: Final = 5_000_000
"""How many microseconds a line that is read live may take to come and still count in its own window."""

WAITING: Final = 100_000
"""How many lines wait at most; then the oldest waits no longer."""

PUBLISHED: Final = 600
"""How many rejected lines of a file, or of a minute, are published as dead letters; those beyond are counted."""

OTHER: Final = "other-log"
"""Why a line is ignored: no records are made of the log it is of."""

_KEPT: Final = 1_000
"""How many logs are remembered at once by what their records' ids begin with."""


class Intake:
    """Makes the records of lines.

    Every line is a header's, makes records (``used``), is ignored, or is rejected for a reason; all are counted.
    Records of files are in the windows of their own times. Live, a window closes some seconds after its end: what
    comes later counts in the one that is open. ``first`` is the earliest time of the logs, or when what is live began,
    in epoch microseconds. ``received`` is how many lines have begun to wait for others, ``released`` how many of them
    wait no more.
    """

    def __init__(self, observation: Observation, sink: Sink, first: int) -> None:
        self.received = 0
        self.released = 0
        self._observation = observation
        self._sink = sink
        self._live = observation.stream == LIVE
        self._now = first
        self._windows = Windows(sink, NAME, first - GRACE, allowance=0) if self._live else Windows(sink, NAME, first)
        self._counts: Counter[str] = Counter()
        self._decoder = ZeekDecoder(observation, self._count)
        self._waiting: deque[tuple[int, LogLines, Read]] = deque()
        self._prefixes: dict[str, str] = {}
        self._rejected: dict[str, Rejected] = {}

    def at(self, now: int) -> None:
        """Live: it is now this time (epoch microseconds). A clock that is put back stands still."""
        if now > self._now:
            self._now = now
            self._until(now)
            self.tell()
            self._windows.reach(now - GRACE)

    def take(self, log: LogLines, read: Read) -> None:
        """Take a line of a log."""
        if read.error is not None:
            self._reject(log, read, read.error)
        elif read.line is None:
            self._count(f"ignored.{OTHER}")
        else:
            if not self._live:
                self._until(read.end)
                self._windows.reach(read.end)
            if self._decoder.waits(read.line):
                if len(self._waiting) >= WAITING:
                    self._release()
                self._waiting.append((self._now + LIVE_WAIT if self._live else self._windows.reached + WAIT, log, read))
                self.received += 1
            else:
                self._put(log, read)

    def finish(self) -> None:
        """Put what still waits."""
        while self._waiting:
            self._release()
        self.tell()

    def tell(self) -> None:
        """Tell the sink what was counted since."""
        for counter, amount in self._counts.items():
            self._sink.count(NAME, counter, amount)
        self._counts.clear()

    def _until(self, time: int) -> None:
        """Put what has waited long enough when it is this time."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= time:
            self._release()

    def _release(self) -> None:
        """Put the line that has waited for longest."""
        _, log, read = self._waiting.popleft()
        self._put(log, read)
        self.released += 1

    def _put(self, log: LogLines, read: Read) -> None:
        assert read.line is not None
        prefix = self._prefixes.get(log.content)
        if prefix is None:
            if len(self._prefixes) >= _KEPT:
                self._prefixes.clear()
            prefix = self._prefixes[log.content] = digest(self._observation.identity, NAME, log.content)[:20]
        try:
            made = self._decoder.decode(Placed(read.line, read.start, read.end, f"{prefix}{read.number:012x}"))
        except ZeekError as error:
            self._reject(log, read, error)
            return
        self._count("used")
        for topic, key, record in made:
            self._sink.put(topic, key, *self._place(record))

    def _place(self, record: Record) -> tuple[Record, int]:
        """A record, and the window that it counts in."""
        if not self._live:
            return record, self._windows.place(record.time)
        now = self._now
        if not now - LATE <= record.time <= now + EARLY:
            self._count("time-not-believed")
            record = moved(record, now)
        return record, self._windows.place(min(record.time, now))

    def _reject(self, log: LogLines, read: Read, error: ZeekError) -> None:
        # What is live has no end: of all its logs together so many are published a minute.
        of_what = "" if self._live else log.content
        rejected = self._rejected.get(of_what)
        if rejected is None:
            rejected = self._rejected[of_what] = Rejected(self._observation, NAME, PUBLISHED, self._sink)
        time = self._now if self._live else self._windows.reached
        identity = digest(f"{self._observation.identity}/{log.content}", NAME, "rejected", read.number)
        detail = f"{log.name}:{read.number}: {error.detail}"
        rejected.add(read.raw, read.number, error.reason, detail, time, self._windows.place(time), record_id=identity)

    def _count(self, counter: str) -> None:
        self._counts[counter] += 1
