"""What was asked a moment ago, so that many who look at one page cost Elasticsearch what one of them costs."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

FRESH_SECONDS: Final = 5.0
"""An answer of that age is given without asking again."""

KEPT_SECONDS: Final = 60.0
"""An older answer than this is given to nobody: one window, as what is counted changes once in each."""

SLOW_SECONDS: Final = 0.1
"""What was answered sooner than this is asked anew once it is no longer fresh; whoever asks can wait for it."""

REST: Final = 10
"""A question that took so long is asked anew after so many times that long, so that it never takes all there is."""

_RENEWED_AT_ONCE: Final = 2

T = TypeVar("T")


@dataclass
class _Known:
    at: float
    took: float
    answer: Future[Any]
    renewed: bool = False
    """Somebody is asking anew."""


class SharedAnswers:
    """Answers by question, the newest ``most`` of them; safe to use from many threads.

    Who asks what somebody else is asking waits for that answer. Where the answer took :data:`SLOW_SECONDS` or more
    and is no longer fresh, it is given for the time being, at most :data:`KEPT_SECONDS` old, while it is asked anew:
    what is answered has to say of when it is. Failures are told to those who wait, and not kept; where asking anew
    fails, what was known is forgotten, so that the next who asks is told.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._renewers = ThreadPoolExecutor(_RENEWED_AT_ONCE, "renew")

    def of(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, by ``ask`` where it has to be asked; nobody may change it."""
        with self._lock:
            known = self._known.get(question)
            mine = known is None or (known.answer.done() and not self._is_good(known))
            if known is None or mine:
                known = self._keep(question, _Known(self._clock(), 0.0, Future()))
            elif self._is_due(known):
                known.renewed = True
                self._renewers.submit(self._renew, question, known, ask)
        if mine:
            try:
                found = ask()
            except BaseException as error:  # noqa: BLE001 - whoever waits must not wait for ever
                self._forget(question, known)
                known.answer.set_exception(error)
            else:
                # Before anybody can see that it is there.
                known.took = self._clock() - known.at
                known.answer.set_result(found)
        return cast("T", known.answer.result())

    def close(self) -> None:
        """Wait for what is being asked anew, and ask no more."""
        self._renewers.shutdown(cancel_futures=True)

    def _is_good(self, known: _Known) -> bool:
        age = self._clock() - known.at
        return age < FRESH_SECONDS or (known.took >= SLOW_SECONDS and age < KEPT_SECONDS)

    def _is_due(self, known: _Known) -> bool:
        wait = max(FRESH_SECONDS, REST * known.took)
        return known.answer.done() and not known.renewed and self._clock() - known.at >= wait

    def _renew(self, question: Hashable, before: _Known, ask: Callable[[], Any]) -> None:
        began = self._clock()
        answer: Future[Any] = Future()
        try:
            answer.set_result(ask())
        except Exception:  # noqa: BLE001 - the next who asks is told
            self._forget(question, before)
            return
        with self._lock:
            self._keep(question, _Known(began, self._clock() - began, answer))

    def _keep(self, question: Hashable, known: _Known) -> _Known:
        self._known[question] = known
        self._known.move_to_end(question)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return known

    def _forget(self, question: Hashable, known: _Known) -> None:
        with self._lock:
            if self._known.get(question) is known:
                del self._known[question]
