"""The source of events that stand in a finished file, or come through a pipe."""

from __future__ import annotations

import time
from pathlib import Path

from capture.chunks import Chunks
from capture.eve import NAME
from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.packets.files import Progress
from capture.source import Observation, Sink
from topics.partitions import digest


class EveFile:
    """The events of a file, read once to its end, or of standard input (``-``) or a FIFO."""

    def __init__(self, observation: Observation, path: str, progress: Progress | None = None) -> None:
        self._observation = observation
        self._path = path
        self._chunks = Chunks(path, is_file=observation.is_file, progress=progress)

    @property
    def name(self) -> str:
        """``eve``."""
        return NAME

    def run(self, sink: Sink) -> None:
        observation = self._observation
        written = Path(self._path).stat().st_mtime_ns // 1000 if observation.is_file else _now()
        intake = Intake(observation, sink, written)
        lines = Lines()
        prefix = digest(observation.identity, NAME)[:20]
        number = 1
        for chunk in self._chunks:
            if not observation.is_file:
                intake.at(_now())
            whole = lines.feed(chunk)
            intake.take(whole, prefix, number, "")
            number += len(whole)
        if self._chunks.stopping and observation.is_file:
            return
        if lines.rest:
            # The last line of a file that somebody has cut out of another may lack its end.
            intake.take([lines.rest], prefix, number, "")

    def stop(self) -> None:
        self._chunks.stop()


def _now() -> int:
    return time.time_ns() // 1000
