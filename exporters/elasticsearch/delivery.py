"""Delivering bulks: sending, and sending again, until each document has its outcome."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Event, Lock
from typing import Final

from elasticsearch import Elasticsearch

from exporters.elasticsearch.bulk import (
    MISSING,
    TOO_LARGE,
    Bulk,
    Refused,
    Rejection,
    Unavailable,
    Verdict,
    send,
)
from exporters.elasticsearch.metrics import BULK_BYTES, BULK_SECONDS, RETRIES, count_outcome
from exporters.elasticsearch.pace import Pace
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import setup
from tapline.process.health import Component
from topics.errors import TaplineError

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 10.0
"""Seconds before a request is sent again, at first and at most; each try doubles them."""

MOST_TRIES: Final = 8
"""How often a document that fails with an error of the server (500) is sent before it is rejected."""

_TOO_MUCH: Final = frozenset({"429", "timeout", "es_rejected_execution_exception", "circuit_breaking_exception"})
"""Reasons that say that the server has too much to do, which smaller requests help."""

_log = logging.getLogger(__name__)


class Delivery:
    """Has Elasticsearch take bulks, several at a time: :meth:`deliver` is called from as many threads.

    ``leaving`` ends all waiting. What keeps a bulk from being written is the component's problem meanwhile.
    """

    def __init__(
        self, client: Elasticsearch, settings: ElasticsearchSettings, health: Component, leaving: Event
    ) -> None:
        self.pace = Pace(settings.bulk_bytes)
        self._client = client
        self._settings = settings
        self._health = health
        self._leaving = leaving
        self._lock = Lock()
        self._problems: dict[int, str] = {}

    def deliver(self, bulk: Bulk) -> list[Rejection] | None:
        """Write a bulk's documents; return those refused, or ``None`` when asked to leave before all had an outcome."""
        try:
            return self._deliver(bulk)
        finally:
            self.report(bulk, "")

    def report(self, about: object, problem: str) -> None:
        """Say what keeps ``about`` from being written; ``""`` when it is over."""
        with self._lock:
            self._problems.pop(id(about), None)
            if problem:
                self._problems[id(about)] = problem
            self._health.problem(next(iter(self._problems.values()), ""))

    def _deliver(self, bulk: Bulk) -> list[Rejection] | None:
        parts = deque(self._cut(range(len(bulk)), bulk.size))
        tries, failures, rejections = 0, dict[int, int](), list[Rejection]()
        while parts:
            part = parts.popleft()
            body = bulk.body(part)
            try:
                verdict = self._send(body, part)
            except Refused as refused:
                RETRIES.labels(refused.reason).inc()
                if refused.reason == TOO_LARGE:
                    self.pace.too_large(len(body))
                if len(part) > 1:
                    parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                    continue
                verdict = Verdict([], [], [], [], [(part[0], refused.reason, str(refused))])
            except Unavailable as unavailable:
                RETRIES.labels(unavailable.reason).inc()
                if unavailable.reason in _TOO_MUCH:
                    self.pace.too_much(len(body))
                parts.extendleft(reversed(self._cut(part, len(body))))
                tries += 1
                if self._is_another_node_left(unavailable, tries):
                    continue
                if not self._wait(bulk, tries, f"{unavailable.reason}: {unavailable}"):
                    return None
                continue
            again = self._settle(bulk, verdict, failures, rejections)
            if again:
                if any(reason in _TOO_MUCH for _, reason in verdict.again):
                    self.pace.too_much(len(body))
                parts.append(again)
                tries += 1
                if not self._wait(bulk, tries, "documents were refused for now"):
                    return None
            else:
                tries = 0
                self.report(bulk, "")
        return rejections

    def _cut(self, part: Sequence[int], size: int) -> list[Sequence[int]]:
        """A part of a bulk of so many bytes in pieces, each large enough for a request."""
        pieces = max(1, min(len(part), size // self.pace.size))
        ends = [len(part) * number // pieces for number in range(pieces + 1)]
        return [part[begin:end] for begin, end in pairwise(ends) if begin < end]

    def _send(self, body: bytes, part: Sequence[int]) -> Verdict:
        began = time.monotonic()
        verdict = send(self._client, body, part, compress=self._settings.compress)
        seconds = time.monotonic() - began
        BULK_SECONDS.observe(seconds)
        BULK_BYTES.inc(len(body))
        if not verdict.again:
            self.pace.answered(len(body), seconds)
        return verdict

    def _settle(self, bulk: Bulk, verdict: Verdict, failures: dict[int, int], rejections: list[Rejection]) -> list[int]:
        """Count what became of the documents, add those refused to ``rejections``, and return those to send again."""
        _count(bulk, verdict.written, "written")
        _count(bulk, verdict.duplicate, "duplicate")
        again = []
        for position, reason in verdict.again:
            RETRIES.labels(reason).inc()
            again.append(position)
        if any(reason == MISSING for _, reason in verdict.again):
            with suppress(TaplineError):
                setup(self._client, self._settings)
        for position, reason, detail in verdict.undecided:
            failures[position] = failures.get(position, 0) + 1
            if failures[position] < MOST_TRIES:
                RETRIES.labels(reason).inc()
                again.append(position)
            else:
                verdict.refused.append((position, reason, detail))
        rejections += [
            Rejection(*bulk.origin(position), reason, detail) for position, reason, detail in verdict.refused
        ]
        return sorted(again)

    def _is_another_node_left(self, unavailable: Unavailable, tries: int) -> bool:
        """True while there may be a node that answers: one that does not is passed over for a while."""
        return unavailable.reason == "connection" and tries < len(self._client.transport.node_pool)

    def _wait(self, bulk: Bulk, tries: int, problem: str) -> bool:
        """Wait before the next try; false when asked to leave meanwhile."""
        self.report(bulk, problem)
        _log.warning("waiting to write", extra={"reason": problem, "try": tries})
        # Full jitter over the upper half keeps several bulks and exporters from coming back at once.
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 16))
        return not self._leaving.wait(longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def _count(bulk: Bulk, positions: Sequence[int], outcome: str) -> None:
    for kind, number in bulk.kinds(positions).items():
        count_outcome(kind, outcome, number)
