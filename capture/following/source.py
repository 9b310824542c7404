"""The source of what is written to files that are followed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from capture.following.follower import Follower, Taker, beginning_of
from capture.following.positions import Kept, Position, Positions
from capture.source import Confirming, Observation, Sink, confirming
from capture.unpublished import Unpublished
from topics.errors import TaplineError

_WAIT: Final = 0.1
_KEPT_EVERY: Final = 1.0


class Intake(Protocol):
    """What makes records of the lines of all files that are followed together.

    Records may have to wait for other lines, in the order in which they came: ``received`` is how many have begun to,
    ``released`` how many of those wait no more.
    """

    received: int
    released: int

    def at(self, now: int) -> None:
        """It is now this time (epoch microseconds)."""

    def finish(self) -> None:
        """Put what still waits."""


Opening = Callable[[Sink], tuple[Intake, Sequence[Taker]]]
"""Makes what takes the lines, for each file one."""


class FollowedFiles:
    """The lines of files as they grow, until :meth:`stop`; ``named`` is what the user calls them together.

    How far they were read is kept when the sink confirms that all of it is safe, and reading goes on there. What was
    published of the lines behind it, by a run that was killed, is read again and left out. A sink that cannot confirm
    anything is given all from the files' beginnings, and nothing is kept.
    """

    def __init__(
        self,
        observation: Observation,
        name: str,
        named: Path,
        files: Sequence[Path],
        positions: str,
        opening: Opening,
    ) -> None:
        self._observation = observation
        self._name = name
        self._named = named
        self._files = files
        self._positions = Positions(positions, name, str(named))
        self._opening = opening
        self._stopped = threading.Event()
        self._kept_at = 0.0
        self._kept: list[Position] = []
        self._read: deque[tuple[int, list[Position]]] = deque()

    @property
    def name(self) -> str:
        """The name of what is read, as ``eve``."""
        return self._name

    def run(self, sink: Sink) -> None:
        confirms = confirming(sink)
        unpublished = Unpublished(sink, self._name)
        kept = None if confirms is None else self._load(confirms, unpublished)
        intake, takers = self._opening(unpublished if unpublished.known else sink)
        if confirms is not None and kept is None:
            kept = [beginning_of(path, taker) for path, taker in zip(self._files, takers, strict=True)]
            self._save(confirms, unpublished, kept)
        self._kept = kept or [Position(path=str(path)) for path in self._files]
        followers = [
            Follower(self._name, path, taker, position, self._stopped)
            for path, taker, position in zip(self._files, takers, self._kept, strict=True)
        ]
        try:
            self._follow(followers, intake, sink, confirms, unpublished)
        except OSError as error:
            raise TaplineError(f"cannot read {error.filename or self._named}: {error.strerror}") from error
        intake.finish()
        self._keep(followers, intake, confirms, unpublished)

    def stop(self) -> None:
        self._stopped.set()

    def _follow(
        self,
        followers: Sequence[Follower],
        intake: Intake,
        sink: Sink,
        confirms: Confirming | None,
        unpublished: Unpublished,
    ) -> None:
        all_steps = [follower.steps(sink) for follower in followers]
        caught_up: int | None = None
        try:
            while not self._stopped.is_set():
                any_read = False
                for steps in all_steps:
                    intake.at(_now())
                    any_read |= next(steps, False)
                if unpublished.known:
                    if caught_up is None and all(follower.caught_up for follower in followers):
                        caught_up = intake.received
                    if caught_up is not None and intake.released >= caught_up:
                        # There was no more to read for any run before.
                        unpublished.caught_up()
                if time.monotonic() - self._kept_at >= _KEPT_EVERY:
                    self._keep(followers, intake, confirms, unpublished)
                if not any_read:
                    self._stopped.wait(_WAIT)
        finally:
            for steps in all_steps:
                steps.close()

    def _load(self, sink: Confirming, unpublished: Unpublished) -> list[Position] | None:
        """Where to go on; the records that stand in Kafka of what comes behind it are made known."""
        kept = self._positions.load()
        if kept is None:
            return None
        if kept.places:
            runs = f"{self._observation.producer.rpartition('#')[0]}#"
            unpublished.learn(kept.places, sink.published(kept.places, lambda name: name.startswith(runs)))
        known = {position.path: position for position in kept.files}
        return [known.get(str(path)) or Position(path=str(path)) for path in self._files]

    def _keep(
        self,
        followers: Sequence[Follower],
        intake: Intake,
        confirms: Confirming | None,
        unpublished: Unpublished,
    ) -> None:
        """Keep the latest positions before which nothing waits, once all of that is safe."""
        self._kept_at = time.monotonic()
        if confirms is None:
            return
        self._read.append((intake.received, [follower.position for follower in followers]))
        settled = self._kept
        while self._read and self._read[0][0] <= intake.released:
            settled = self._read.popleft()[1]
        if settled != self._kept:
            self._save(confirms, unpublished, settled)
            self._kept = settled

    def _save(self, sink: Confirming, unpublished: Unpublished, positions: list[Position]) -> None:
        places = sink.confirm()
        if places is None:
            raise TaplineError(f"Kafka did not take all of {self._named}: run this again, it goes on where that was")
        self._positions.save(Kept(path=str(self._named), files=positions, places=unpublished.since(places)))


def _now() -> int:
    return time.time_ns() // 1000
