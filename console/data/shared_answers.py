"""What was asked a moment ago, so that many who look at one page cost Elasticsearch what one of them costs."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple


class _Asked(NamedTuple):
    at: float
    answer: Future[Any]


class SharedAnswers:
    """Answers by question for some ``seconds``, the newest ``most`` of them; safe to use from many threads.

    Who asks what somebody else is asking waits for that answer. Failures are told to those who wait, and not kept.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: OrderedDict[bytes, _Asked] = OrderedDict()

    def of(self, question: bytes, ask: Callable[[], Any]) -> Any:
        """The answer to a question, by ``ask`` where it is not known; nobody may change it."""
        with self._lock:
            known = self._asked.get(question)
            if known is not None and self._clock() - known.at < self._seconds:
                answer = known.answer
            else:
                answer, known = Future(), None
                self._asked[question] = _Asked(self._clock(), answer)
                self._asked.move_to_end(question)
                while len(self._asked) > self._most:
                    self._asked.popitem(last=False)
        if known is None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - whoever waits must not wait for ever
                self._forget(question, answer)
                answer.set_exception(error)
        return answer.result()

    def _forget(self, question: bytes, answer: Future[Any]) -> None:
        with self._lock:
            known = self._asked.get(question)
            if known is not None and known.answer is answer:
                del self._asked[question]
