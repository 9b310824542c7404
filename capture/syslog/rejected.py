"""What becomes of a line that cannot be used."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from capture.source import Observation, Sink
from topics.catalog import DEAD
from topics.partitions import digest
from topics.records import DeadLetter

_MINUTE: Final = 60_000_000


class Rejected:
    """Counts rejected lines by reason and publishes them as dead letters, at most so many a minute.

    ``name`` is the source's, which they name as their topic: their value is a line that it read.
    The allowance is filled evenly; a file, whose lines all come at one time, has that of one minute. Those beyond
    it are counted as ``unpublished``.
    """

    def __init__(self, observation: Observation, name: str, per_minute: int, sink: Sink) -> None:
        self.count = 0
        self._observation = observation
        self._name = name
        self._sink = sink
        self._most = per_minute
        self._left = float(per_minute)
        self._filled = 0

    def add(
        self, line: bytes, number: int, reason: str, detail: str, time: int, window: int, *, record_id: str = ""
    ) -> None:
        """Take one line, the ``number``-th of the source; ``time`` is when it came (epoch microseconds).

        ``record_id`` is the dead letter's, where the number does not name the line over restarts.
        """
        self.count += 1
        sink = self._sink
        sink.count(self._name, f"rejected.{reason}")
        if time > self._filled:
            self._left = min(self._most, self._left + (time - self._filled) * self._most / _MINUTE)
            self._filled = time
        if self._left < 1:
            sink.count(self._name, "unpublished")
            return
        self._left -= 1
        observation = self._observation
        letter = DeadLetter(
            id=record_id or digest(observation.identity, self._name, "rejected", number),
            time=time,
            node=observation.node,
            observation_point=observation.observation_point,
            topic=self._name,
            partition=0,
            offset=number,
            reason=reason,
            stage="capture",
            error=detail,
            value=b64encode(line).decode(),
        )
        sink.put(DEAD, letter.id, letter, window)
