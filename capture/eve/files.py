"""The source of events that stand in a finished file, or come through a pipe."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from capture.eve import NAME
from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.packets.files import STANDARD_INPUT, Progress
from capture.source import Observation, Sink
from topics.errors import TaplineError
from topics.partitions import digest

_WAIT: Final = 0.2
_CHUNK: Final = 1 << 18


class EveFile:
    """The events of a file, read once to its end, or of standard input (``-``) or a FIFO."""

    def __init__(self, observation: Observation, path: str, progress: Progress | None = None) -> None:
        self._observation = observation
        self._path = path
        self._progress = progress
        self._stopping = False

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
        for chunk in self._chunks():
            if not observation.is_file:
                intake.at(_now())
            whole = lines.feed(chunk)
            intake.take(whole, prefix, number, "")
            number += len(whole)
        if self._stopping and observation.is_file:
            return
        if lines.rest:
            # The last line of a file that somebody has cut out of another may lack its end.
            intake.take([lines.rest], prefix, number, "")

    def stop(self) -> None:
        self._stopping = True

    def _chunks(self) -> Iterator[bytes]:
        """What there is to read; of a stream an empty chunk now and then, when nothing comes."""
        read = 0
        try:
            descriptor = os.dup(0) if self._path == STANDARD_INPUT else os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                while not self._stopping:
                    if not self._observation.is_file and not select.select([descriptor], [], [], _WAIT)[0]:
                        yield b""
                        continue
                    chunk = os.read(descriptor, _CHUNK)
                    if not chunk:
                        return
                    yield chunk
                    read += len(chunk)
                    if self._progress is not None:
                        self._progress(read)
            finally:
                os.close(descriptor)
        except OSError as problem:
            raise TaplineError(f"cannot read {self._path}: {problem.strerror}") from problem


def _now() -> int:
    return time.time_ns() // 1000
