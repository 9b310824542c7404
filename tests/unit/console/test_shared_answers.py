"""Questions that many ask at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.data.shared_answers import SharedAnswers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_many_who_ask_at_once_are_answered_by_one_question() -> None:
    answers, asked, all_wait = SharedAnswers(5.0, 10), [], threading.Event()

    def ask() -> int:
        asked.append(1)
        assert all_wait.wait(30)
        return 42

    with ThreadPoolExecutor(20) as viewers:
        found = [viewers.submit(answers.of, b"who", ask) for _ in range(20)]
        all_wait.set()
        assert [each.result(30) for each in found] == [42] * 20
    assert len(asked) == 1


def test_an_answer_is_asked_for_again_when_it_is_old() -> None:
    clock = Clock()
    answers, replies = SharedAnswers(5.0, 10, clock), iter(range(10))
    assert answers.of(b"who", lambda: next(replies)) == 0
    clock.now = 4.9
    assert answers.of(b"who", lambda: next(replies)) == 0
    assert answers.of(b"what", lambda: next(replies)) == 1
    clock.now = 5.0
    assert answers.of(b"who", lambda: next(replies)) == 2


def test_a_failure_is_told_and_asked_again() -> None:
    answers = SharedAnswers(5.0, 10)

    def fail() -> int:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        answers.of(b"who", fail)
    assert answers.of(b"who", lambda: 1) == 1


def test_no_more_than_so_many_are_kept() -> None:
    answers, asked = SharedAnswers(5.0, 2), []
    for question in (b"a", b"b", b"c", b"c", b"a"):
        answers.of(question, lambda question=question: asked.append(question))
    assert asked == [b"a", b"b", b"c", b"a"]
