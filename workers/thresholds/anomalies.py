"""Bands for checks: where a meter of an entity is expected, learned one value at a time."""

from __future__ import annotations

import heapq
from typing import Any, Final

import numpy as np
from prometheus_client import Counter

from tapline.checks.runtime import Band
from tapline.policy.model import Method
from workers.thresholds.methods import Learner, Learning, judge, learning_of, weighed
from workers.windows.store import OwnerStore

MOST_ENTITIES: Final = 200_000
"""Most bands that are kept. Beyond, those not learned for long make room; where there are none nothing begins."""

FORGET: Final = 1440
"""A band that was not learned in so many windows may be forgotten."""

_CHUNK: Final = 64
_full = Counter("tapline_worker_bands_refused", "Bands of checks that could not begin: there are too many.")


class Bands:
    """The bands of one stage, kept in its store in pieces of some dozens.

    What :meth:`learn` has changed is written by :meth:`finish`, once a window.
    """

    def __init__(self, store: OwnerStore) -> None:
        self._store = store
        self._rows: dict[str, int] = {}
        self._kept: list[list[Any]] = []
        self._free: list[int] = []
        self._dirty: set[int] = set()
        self._methods: dict[Learner, Learning] = {}
        self._window = 0
        self._loaded = False

    def learn(
        self,
        stream: str,
        entity_key: str,
        metric: str,
        value: float,
        method: Method = "ewma",
        sensitivity: float = 3.0,
        season: int = 0,
        learn_periods: int = 20,
    ) -> Band:
        """Say where a value of an entity was expected, and learn it; ``season`` is in values."""
        self._load()
        learner = Learner(method, sensitivity, season, learn_periods)
        learning = self._methods.get(learner)
        if learning is None:
            learning = self._methods[learner] = learning_of(learner)
        place = "\x00".join((stream, entity_key, metric, *map(str, learner)))
        row = self._rows.get(place, -1)
        if row < 0:
            row = self._begin(place, learning)
        if row < 0:
            _full.inc()
            return Band(lower=value, upper=value, method=method)
        kept = self._kept[row]
        _, _, number, fixed, slots = kept
        state = {name: np.array([known]) for name, known in zip(learning.fixed, fixed, strict=True)}
        turn = int(number) % learning.slots if learning.slots else 0
        remembered = slots if learning.all_slots else slots[turn : turn + 1]
        past = np.array(remembered, dtype=np.float64).reshape((-1, 1) if learning.all_slots else (-1,))
        count, values = np.array([float(number)]), np.array([float(value)])
        judged = judge(learning, state, past, count, values)
        written = learning.learn(state, past, count, weighed(judged, values))
        if written is not None:
            slots[turn] = float(written[0])
        kept[1:4] = [self._window, number + 1, [float(state[name][0]) for name in learning.fixed]]
        self._dirty.add(row // _CHUNK)
        return Band(
            lower=float(judged.lower[0]),
            upper=float(judged.upper[0]),
            left=bool(judged.left[0]),
            learning=bool(judged.learning[0]),
            method=method,
        )

    def finish(self) -> None:
        """The window has ended: keep what was learned in it."""
        if not self._dirty:
            return
        self._window += 1
        for chunk in sorted(self._dirty):
            self._store[str(chunk)] = self._kept[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        self._dirty.clear()
        self._store["window"] = self._window

    def forget(self, stream: str) -> None:
        """Forget what was learned of a stream that has ended."""
        self._load()
        self._drop([row for place, row in self._rows.items() if place.startswith(f"{stream}\x00")])

    def _begin(self, place: str, learning: Learning) -> int:
        if len(self._rows) >= MOST_ENTITIES:
            self._drop([row for row in self._rows.values() if self._kept[row][1] < self._window - FORGET])
        if len(self._rows) >= MOST_ENTITIES:
            return -1
        made = [place, self._window, 0, [0.0] * len(learning.fixed), [0.0] * learning.slots]
        if self._free:
            row = heapq.heappop(self._free)
            self._kept[row] = made
        else:
            row = len(self._kept)
            self._kept.append(made)
        self._rows[place] = row
        return row

    def _drop(self, rows: list[int]) -> None:
        for row in rows:
            del self._rows[self._kept[row][0]]
            self._kept[row] = []
            heapq.heappush(self._free, row)
            self._dirty.add(row // _CHUNK)

    def _load(self) -> None:
        """Take up what was kept; the store has it only when the stage has started."""
        if self._loaded:
            return
        self._loaded = True
        self._window = self._store.get("window", 0)
        for chunk in sorted(int(name) for name in self._store if name != "window"):
            self._kept += self._store[str(chunk)]
        self._rows = {kept[0]: row for row, kept in enumerate(self._kept) if kept}
        self._free = [row for row, kept in enumerate(self._kept) if not kept]
