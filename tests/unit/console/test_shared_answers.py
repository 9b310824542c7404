"""Questions that many ask at once, and answers that are shown while they are asked anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.data.shared_answers import FRESH_SECONDS, KEPT_SECONDS, REST, SharedAnswers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Iterator[SharedAnswers]:
    made = SharedAnswers(10, clock)
    yield made
    made.close()


def taking(clock: Clock, seconds: float, answer: object) -> Callable[[], object]:
    """A question that takes so long."""

    def ask() -> object:
        clock.now += seconds
        return answer

    return ask


def never() -> object:
    raise AssertionError("nobody is to ask this")


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "it never came"


def test_many_who_ask_at_once_are_answered_by_one_question(answers: SharedAnswers) -> None:
    asked, all_wait = [], threading.Event()

    def ask() -> int:
        asked.append(1)
        assert all_wait.wait(30)
        return 42

    with ThreadPoolExecutor(20) as viewers:
        found = [viewers.submit(answers.of, "who", ask) for _ in range(20)]
        all_wait.set()
        assert [each.result(30) for each in found] == [42] * 20
    assert len(asked) == 1


def test_what_is_answered_soon_is_asked_again_when_it_is_old(clock: Clock, answers: SharedAnswers) -> None:
    assert answers.of("who", lambda: 0) == 0
    clock.now = FRESH_SECONDS - 0.1
    assert answers.of("who", never) == 0
    assert answers.of("what", lambda: 1) == 1
    clock.now = FRESH_SECONDS
    assert answers.of("who", lambda: 2) == 2


def test_what_takes_long_is_shown_as_it_was_while_it_is_asked_anew(clock: Clock, answers: SharedAnswers) -> None:
    assert answers.of("who", taking(clock, 1.0, "old")) == "old"
    clock.now += REST * 1.0
    may_go, gone = threading.Event(), threading.Event()

    def slow() -> str:
        assert may_go.wait(30)
        gone.set()
        return "new"

    assert answers.of("who", slow) == "old"
    assert answers.of("who", never) == "old"
    may_go.set()
    assert gone.wait(30)
    # The answer itself is taken down an instant after it was found.
    eventually(lambda: answers.of("who", never) == "new")


def test_what_takes_long_is_not_asked_all_the_time(clock: Clock, answers: SharedAnswers) -> None:
    assert answers.of("who", taking(clock, 2.0, "old")) == "old"
    clock.now += REST * 2.0 - 2.1
    assert answers.of("who", never) == "old"


def test_nobody_is_shown_what_is_older_than_a_window(clock: Clock, answers: SharedAnswers) -> None:
    assert answers.of("who", taking(clock, 1.0, "old")) == "old"
    clock.now = KEPT_SECONDS
    assert answers.of("who", lambda: "new") == "new"


def test_where_asking_anew_fails_the_next_who_asks_is_told(clock: Clock, answers: SharedAnswers) -> None:
    assert answers.of("who", taking(clock, 1.0, "old")) == "old"
    clock.now += REST * 1.0

    def fail() -> object:
        raise ValueError("away")

    def is_told() -> bool:
        try:
            answers.of("who", fail)
        except ValueError:
            return True
        return False

    eventually(is_told)


def test_a_failure_is_told_and_asked_again(answers: SharedAnswers) -> None:
    def fail() -> int:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        answers.of("who", fail)
    assert answers.of("who", lambda: 1) == 1


def test_no_more_than_so_many_are_kept(clock: Clock) -> None:
    answers, asked = SharedAnswers(2, clock), []
    for question in ("a", "b", "c", "c", "a"):
        answers.of(question, lambda question=question: asked.append(question))
    answers.close()
    assert asked == ["a", "b", "c", "a"]
