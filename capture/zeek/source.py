"""The source of Zeek's logs."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from capture.packets.files import Progress
from capture.source import CutShort, Observation, Sink
from capture.zeek import NAME
from capture.zeek.intake import OTHER, Intake
from capture.zeek.lines import Read
from capture.zeek.reading import LogFile

_TOLD_EVERY: Final = 10_000
_TOLD_OF_FILES: Final = ("lines", "bytes", "headers", "empty", "not-utf-8")
_log = logging.getLogger("tapline.capture")

_Ordered = tuple[int, int, int, LogFile, Read | None]
"""A line by its time; place of the file and of the line in it make the order the same each time."""


class ZeekLogs:
    """The lines of log files, merged by time.

    ``ignored`` are files that are no logs, as (name, reason). A file that is damaged is read as far as it goes, the
    others to their end.
    """

    def __init__(
        self,
        observation: Observation,
        logs: Sequence[tuple[int, LogFile]],
        ignored: Sequence[tuple[str, str]],
        written: int,
        progress: Progress | None = None,
    ) -> None:
        self._observation = observation
        self._logs = logs
        self._ignored = ignored
        self._written = written
        self._progress = progress
        self._bytes = 0
        self._stopping = False

    @property
    def name(self) -> str:
        """``zeek``."""
        return NAME

    def run(self, sink: Sink) -> None:
        first = min((first for first, _ in self._logs if first), default=self._written)
        intake = Intake(self._observation, sink, first)
        for name, reason in self._ignored:
            self._ignore(sink, name, reason)
        told = 0
        for _, _, _, log, read in self._merged(sink):
            if self._stopping:
                return
            if read is None:
                continue
            intake.take(log, read)
            told += 1
            if told >= _TOLD_EVERY:
                told = 0
                intake.tell()
        intake.finish()
        problems = [log.problem for _, log in self._logs if log.problem]
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise CutShort(problems[0] + more)

    def stop(self) -> None:
        self._stopping = True

    def _merged(self, sink: Sink) -> Iterator[_Ordered]:
        if len(self._logs) == 1:
            return self._lines(0, *self._logs[0], sink)
        return heapq.merge(*(self._lines(order, first, log, sink) for order, (first, log) in enumerate(self._logs)))

    def _lines(self, order: int, first: int, log: LogFile, sink: Sink) -> Iterator[_Ordered]:
        """The lines of one file, whose times are not sorted: each comes when the latest before it did."""
        # A file is opened when its time has come: a year has more of them than a process may have open.
        yield first, order, 0, log, None
        reached, used = first, False
        for read in log.lines(self._advance):
            used = used or read.line is not None or read.error is not None
            reached = max(reached, read.end)
            yield reached, order, read.number, log, read
        for counter in _TOLD_OF_FILES:
            if log.counts[counter]:
                sink.count(NAME, counter, log.counts[counter])
        if used or log.problem:
            sink.count(NAME, "files")
        else:
            self._ignore(sink, log.path.name, OTHER if log.counts["lines"] > log.counts["headers"] else "empty")

    def _ignore(self, sink: Sink, name: str, reason: str) -> None:
        sink.count(NAME, f"ignored-files.{reason}")
        _log.info("ignored %s: %s", name, reason)

    def _advance(self, read: int) -> None:
        self._bytes += read
        if self._progress is not None:
            self._progress(self._bytes)
