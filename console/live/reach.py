"""Which worker processes there are, and how far a change of the policy has reached them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import Field

from console.data.model import Answer
from topics.records import PolicyEntry
from topics.worker_reports import GONE_SECONDS, WorkerReport


class Refusal(Answer):
    """An entry of the policy that workers cannot use."""

    path: str
    why: str
    workers: int = Field(description="How many of them.")


class Reached(Answer):
    """The newest change of the policy, and which workers go by it."""

    path: str = Field(description="The entry that was changed last; empty where nothing was ever set.")
    author: str
    time: datetime | None
    workers: int = Field(description="The worker processes heard of lately.")
    reached: int = Field(description="Of them, those that go by the newest change.")
    seconds: float | None = Field(description="How long it took to reach all of them, where that was seen.")
    missing: list[str] = Field(description="Where those run that do not go by it yet.")
    refused: list[Refusal]


class Reach:
    """Follows what workers report; may be asked from any thread. Time is that of ``clock``, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._workers: dict[str, tuple[float, WorkerReport]] = {}
        self._newest: PolicyEntry | None = None
        self._offset = -1
        self._changed_at: float | None = None
        self._seconds: float | None = None

    def forget(self) -> None:
        """Begin anew: Kafka is read from the beginning."""
        with self._lock:
            self._newest, self._offset = None, -1
            self._changed_at = self._seconds = None

    def change(self, entry: PolicyEntry, offset: int, *, live: bool) -> None:
        """Take note of an entry; ``live`` says that it was written just now."""
        with self._lock:
            if offset > self._offset:
                self._newest, self._offset = entry, offset
                self._changed_at = self._clock() if live else None
                self._seconds = None

    def heard(self, report: WorkerReport) -> bool:
        """Take a report; true when it says something else of the policy than the one before."""
        now = self._clock()
        with self._lock:
            before = self._workers.get(report.worker)
            self._workers[report.worker] = (now, report)
            if self._seconds is None and self._changed_at is not None:
                there = self._there(now)
                if all(each.policy >= self._offset for each in there):
                    self._seconds = now - self._changed_at
        return before is None or (before[1].policy, before[1].refused) != (report.policy, report.refused)

    def reports(self) -> list[WorkerReport]:
        """What the workers that are there have reported last."""
        with self._lock:
            return self._there(self._clock())

    def now(self) -> Reached:
        """How far the newest change has reached."""
        with self._lock:
            there = self._there(self._clock())
            late = [each for each in there if each.policy < self._offset]
            entry = self._newest
            refused: dict[tuple[str, str], int] = {}
            for each in there:
                for place in each.refused.items():
                    refused[place] = refused.get(place, 0) + 1
            return Reached(
                path=entry.key if entry is not None else "",
                author=entry.author if entry is not None else "",
                time=datetime.fromtimestamp(entry.time / 1_000_000, UTC) if entry is not None else None,
                workers=len(there),
                reached=len(there) - len(late),
                seconds=None if late or self._seconds is None else round(self._seconds, 1),
                missing=sorted(each.worker.rpartition("/")[0] for each in late),
                refused=[Refusal(path=path, why=why, workers=count) for (path, why), count in sorted(refused.items())],
            )

    def _there(self, now: float) -> list[WorkerReport]:
        for worker in [worker for worker, (at, _) in self._workers.items() if now - at > GONE_SECONDS]:
            del self._workers[worker]
        return [report for _, report in self._workers.values()]
