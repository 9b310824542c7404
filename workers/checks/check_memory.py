"""What checks remember of entities from one run to the next: one value for each metric and granularity."""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from prometheus_client import Counter

from tapline.checks.entities import SECONDS, Entity
from workers.windows.store import OwnerStore

MOST_VALUES: Final = 200_000
"""Most values that are kept; the first time of what comes beyond is its first time again."""

_RUNS: Final = 60
"""A value that no run has asked for so often is forgotten."""

_PIECES: Final = 64
_refused = Counter("tapline_worker_check_values_refused", "Values that checks wanted to keep beyond the limit.")


class CheckMemory:
    """The values of one lane's checks, kept in the stage's store in pieces.

    What has changed is written by :meth:`finish`, once a window.
    """

    def __init__(self, store: OwnerStore) -> None:
        self._store = store
        self._values: dict[str, tuple[float, int]] | None = None
        self._dirty: set[int] = set()

    def swap(self, check: str, stream: str, entity: Entity, metric: str, value: float) -> float | None:
        """Keep a value of an entity; the one that was kept before, ``None`` where there was none."""
        values = self._load()
        place = f"{stream}\x00{check}\x00{entity.kind}\x00{entity.name}\x00{entity.granularity}\x00{metric}"
        before = values.get(place)
        if before is None and len(values) >= MOST_VALUES:
            _refused.inc()
            return None
        values[place] = (value, entity.window + _RUNS * SECONDS[entity.granularity])
        self._dirty.add(_piece(place))
        return before[0] if before is not None else None

    def finish(self, stream: str, window: int, *, final: bool) -> None:
        """The window has ended: forget what is old, all of a stream that has ended, and keep what has changed."""
        if self._values is None and not len(self._store):
            return
        values = self._load()
        if final or window % 3600 == 0:
            beginning = f"{stream}\x00"
            for place in [
                p for p, (_, until) in values.items() if p.startswith(beginning) and (final or until < window)
            ]:
                del values[place]
                self._dirty.add(_piece(place))
        if not self._dirty:
            return
        pieces: dict[int, dict[str, Any]] = {piece: {} for piece in sorted(self._dirty)}
        for place, kept in values.items():
            piece = pieces.get(_piece(place))
            if piece is not None:
                piece[place] = kept
        for number, piece in pieces.items():
            if piece:
                self._store[str(number)] = piece
            elif str(number) in self._store:
                del self._store[str(number)]
        self._dirty.clear()

    def _load(self) -> dict[str, tuple[float, int]]:
        if self._values is None:
            self._values = {
                place: (value, until) for piece in self._store.values() for place, (value, until) in piece.items()
            }
        return self._values


def _piece(place: str) -> int:
    return crc32(place.encode("utf-8", "surrogatepass")) % _PIECES
