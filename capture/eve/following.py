"""The events of a file that Suricata goes on writing to."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from capture.eve import NAME
from capture.eve.errors import EveError
from capture.eve.intake import Intake
from capture.eve.times import moment
from capture.following.follower import Taker, files_in
from capture.following.positions import HEAD, Position
from capture.following.source import FollowedFiles
from capture.source import Observation, Sink
from topics.partitions import digest

_TIME: Final = re.compile(rb'"timestamp": ?"([^"]*)"')


def followed_events(observation: Observation, path: Path, positions: str) -> FollowedFiles:
    """The source of the events in a file; how far it was read is kept in the folder ``positions``."""

    def opening(sink: Sink) -> tuple[_Events, list[Taker]]:
        events = _Events(observation, path, sink)
        return events, [events]

    return FollowedFiles(observation, NAME, path, [path], positions, opening)


class _Events:
    """Takes the events of one file. No event waits for another."""

    received = released = 0

    def __init__(self, observation: Observation, path: Path, sink: Sink) -> None:
        self._observation = observation
        self._path = path
        self._intake = Intake(observation, sink, time.time_ns() // 1000)

    def at(self, now: int) -> None:
        self._intake.at(now)

    def finish(self) -> None:
        """All was put when it came."""

    def beginning(self, data: bytes) -> bytes:
        """The first line: it has a time."""
        end = data.find(b"\n")
        if end < 0:
            return data if len(data) >= HEAD else b""
        return data[: end + 1]

    def began(self, beginning: bytes) -> int:
        """When the first event was."""
        found = _TIME.search(beginning)
        try:
            return moment(found[1].decode()) if found else 0
        except (EveError, UnicodeDecodeError):
            return 0

    def beside(self, began: int) -> dict[Path, int]:  # noqa: ARG002 - whenever it was
        own = self._path.name
        return files_in(self._path.parent, lambda name: name.startswith(own) and name != own)

    def take(self, lines: list[bytes], position: Position) -> list[str]:
        prefix = digest(self._observation.identity, NAME, position.beginning)[:20]
        self._intake.take(lines, prefix, position.lines + 1, "")
        return []

    def refuse(self, rest: bytes, position: Position, detail: str) -> None:
        self._intake.refuse(rest, position.lines + 1, detail)
