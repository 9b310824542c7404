"""From what was read of logs to records in their windows."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from msgspec.structs import replace

from capture.source import Observation, Sink
from capture.syslog.rejected import Rejected
from capture.windows import Windows
from capture.zeek import NAME
from capture.zeek.decoder import Placed, ZeekDecoder
from capture.zeek.errors import ZeekError
from capture.zeek.reading import LogFile, Read
from topics.partitions import digest

WAIT: Final = 5 * 60 * 1_000_000
"""How long, in microseconds of event time, a line waits for those that say more of it."""

WAITING: Final = 100_000
"""How many lines wait at most; then the oldest waits no longer."""

PUBLISHED: Final = 600
"""How many rejected lines of a file are published as dead letters; those beyond are counted."""

OTHER: Final = "other-log"
"""Why a line is ignored: no records are made of the log it is of."""


class Intake:
    """Makes the records of lines.

    Every line is a header's, makes records (``used``), is ignored, or is rejected for a reason; all are counted.
    ``first`` is the earliest time of the logs, in epoch microseconds.
    """

    def __init__(self, observation: Observation, sink: Sink, first: int) -> None:
        self._observation = observation
        self._sink = sink
        self._windows = Windows(sink, NAME, first)
        self._counts: Counter[str] = Counter()
        self._decoder = ZeekDecoder(observation, self._count)
        self._waiting: deque[tuple[int, LogFile, Read]] = deque()
        self._prefixes: dict[str, str] = {}
        self._rejected: dict[str, Rejected] = {}

    def take(self, log: LogFile, read: Read) -> None:
        """Take a line of a file."""
        if read.error is not None:
            self._reject(log, read, read.error)
        elif read.line is None:
            self._count(f"ignored.{OTHER}")
        else:
            self._until(read.end)
            self._windows.reach(read.end)
            if self._decoder.waits(read.line):
                self._waiting.append((self._windows.reached + WAIT, log, read))
            else:
                self._put(log, read)

    def finish(self) -> None:
        """Put what still waits."""
        while self._waiting:
            _, log, read = self._waiting.popleft()
            self._put(log, read)
        self.tell()

    def tell(self) -> None:
        """Tell the sink what was counted since."""
        for counter, amount in self._counts.items():
            self._sink.count(NAME, counter, amount)
        self._counts.clear()

    def _until(self, time: int) -> None:
        """Put what has waited long enough when it is this time."""
        waiting = self._waiting
        while waiting and (waiting[0][0] <= time or len(waiting) >= WAITING):
            _, log, read = waiting.popleft()
            self._put(log, read)

    def _put(self, log: LogFile, read: Read) -> None:
        assert read.line is not None
        prefix = self._prefixes.get(log.sha256)
        if prefix is None:
            prefix = self._prefixes[log.sha256] = digest(self._observation.identity, NAME, log.sha256)[:20]
        try:
            made = self._decoder.decode(Placed(read.line, read.start, read.end, f"{prefix}{read.number:012x}"))
        except ZeekError as error:
            self._reject(log, read, error)
            return
        self._count("used")
        for topic, key, record in made:
            self._sink.put(topic, key, record, self._windows.place(record.time))

    def _reject(self, log: LogFile, read: Read, error: ZeekError) -> None:
        rejected = self._rejected.get(log.sha256)
        if rejected is None:
            observation = replace(self._observation, identity=f"{self._observation.identity}/{log.sha256}")
            rejected = self._rejected[log.sha256] = Rejected(observation, NAME, PUBLISHED, self._sink)
        time = self._windows.reached
        detail = f"{log.path.name}:{read.number}: {error.detail}"
        rejected.add(read.raw, read.number, error.reason, detail, time, self._windows.place(time))

    def _count(self, counter: str) -> None:
        self._counts[counter] += 1
