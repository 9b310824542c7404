"""The logs that Zeek goes on writing to."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from capture.following.follower import Taker, files_in
from capture.following.positions import HEAD, Position
from capture.following.source import FollowedFiles
from capture.source import Observation, Sink
from capture.zeek import NAME
from capture.zeek.errors import ZeekError
from capture.zeek.intake import Intake
from capture.zeek.lines import LogLines, Read, path_of
from capture.zeek.logs import KINDS

CURRENT: Final = "current"
"""The folder in which zeekctl has the logs that are written; beside it there is one for each day's."""

_OPENED: Final = re.compile(rb"^#open[\t ](\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)\r?$", re.MULTILINE)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
_ENDING: Final = b"\r\0"
_WHENEVER: Final = sys.maxsize


def followed_logs(observation: Observation, path: Path, positions: str) -> FollowedFiles:
    """The source of the lines in a log, or in those of a folder of which records are made.

    How far they were read is kept in the folder ``positions``.
    """
    logs = [path / f"{kind}.log" for kind in KINDS] if path.is_dir() else [path]

    def opening(sink: Sink) -> tuple[Intake, list[Taker]]:
        intake = Intake(observation, sink, time.time_ns() // 1000)
        return intake, [_Log(log, intake, sink) for log in logs]

    return FollowedFiles(observation, NAME, path, logs, positions, opening)


class _Log:
    """Takes the lines of one log, and of those that it is rotated to."""

    def __init__(self, path: Path, intake: Intake, sink: Sink) -> None:
        self._path = path
        self._kind = path_of(path.name)
        self._intake = intake
        self._sink = sink
        self._lines = LogLines(path.name, "", _WHENEVER)

    def beginning(self, data: bytes) -> bytes:
        """The header, which says when the log was begun, with the first line; of JSON the first line."""
        taken = 0
        while end := data.find(b"\n", taken) + 1:
            of_header = data.startswith(b"#", taken)
            taken = end
            if not of_header:
                return data[:taken]
        if len(data) >= HEAD:
            return data
        return data[:taken] if _OPENED.search(data, 0, taken) else b""

    def began(self, beginning: bytes) -> int:
        """When the log was opened, on the clock of its machine; without a header when its first line's was over."""
        if found := _OPENED.search(beginning):
            try:
                opened = datetime.strptime(found[1].decode(), "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
            except ValueError:
                return 0
            return round(opened.timestamp()) * 1_000_000
        lines = LogLines(self._path.name, "", _WHENEVER)
        ends = [read.end for raw in beginning.split(b"\n") if raw.strip() and (read := lines.read(raw, 0)) is not None]
        return max(ends, default=0)

    def beside(self, began: int) -> dict[Path, int]:
        """The files of this log in its folder, and where zeekctl has put those that were rotated since."""
        found = files_in(self._path.parent, self._is_other)
        if began and self._kind and self._path.parent.name == CURRENT:
            # The clock of the machine that wrote it may be that of another zone.
            day = (datetime.fromtimestamp(began / 1_000_000, UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
            for folder in _days(self._path.parent.parent, day):
                found |= files_in(folder, self._is_other)
        return found

    def _is_other(self, name: str) -> bool:
        """True for the name of another file of this log."""
        if name == self._path.name:
            return False
        return path_of(name) == self._kind if self._kind else name.startswith(self._path.name)

    def take(self, lines: list[bytes], position: Position) -> list[str]:
        log = self._log_at(position)
        counts: Counter[str] = Counter(lines=len(lines), bytes=sum(map(len, lines)) + len(lines))
        before = log.counts.copy()
        for number, raw in enumerate(lines, position.lines + 1):
            line = raw.rstrip(_ENDING)
            if not line:
                counts["empty"] += 1
            elif (read := log.read(line, number)) is not None:
                self._intake.take(log, read)
        for counter, amount in (counts + (log.counts - before)).items():
            self._sink.count(NAME, counter, amount)
        self._intake.tell()
        return log.header

    def refuse(self, rest: bytes, position: Position, detail: str) -> None:
        error = ZeekError("zeek-half", detail)
        self._sink.count(NAME, "lines")
        self._sink.count(NAME, "bytes", len(rest))
        self._intake.take(self._log_at(position), Read(position.lines + 1, rest, None, 0, 0, error))

    def _log_at(self, position: Position) -> LogLines:
        """The lines of the log that this is a position in, of which the next is read."""
        if self._lines.content != position.beginning:
            self._lines = LogLines(self._path.name, position.beginning, _WHENEVER)
            for line in position.header:
                self._lines.read(line.encode(), 0)
            self._lines.counts.clear()
        return self._lines


def _days(archive: Path, first: str) -> list[Path]:
    """The folders of an archive that are named after days from this one on."""
    try:
        with os.scandir(archive) as entries:
            return [Path(entry.path) for entry in entries if _DAY.match(entry.name) and entry.name >= first]
    except OSError:
        return []
