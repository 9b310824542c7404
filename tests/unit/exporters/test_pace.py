"""The size of bulk requests follows what the server bears."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.elasticsearch.pace import GOOD_SECONDS, LEAST_BYTES, Pace

MOST = 4 * 1024 * 1024

EVENTS = st.tuples(st.sampled_from(["answered", "slow", "too_much", "too_large"]), st.integers(1, 2 * MOST))


def test_full_requests_that_are_answered_soon_let_it_grow_to_the_most() -> None:
    pace = Pace(MOST)
    sizes = []
    for _ in range(20):
        sizes.append(pace.size)
        pace.answered(pace.size, GOOD_SECONDS / 2)
    assert sizes == sorted(sizes)
    assert sizes[0] == MOST // 4
    assert sizes[-1] == MOST


def test_neither_small_requests_nor_slow_answers_let_it_grow() -> None:
    pace = Pace(MOST)
    before = pace.size
    pace.answered(before - 1, 0.001)
    pace.answered(before, GOOD_SECONDS * 2)
    assert pace.size == before


def test_what_is_too_much_is_halved_once_however_many_requests_of_that_size_fail() -> None:
    pace = Pace(MOST)
    refused = pace.size
    for _ in range(4):
        pace.too_much(refused)
    assert pace.size == refused // 2
    while pace.size > LEAST_BYTES:
        pace.too_much(pace.size)
    pace.too_much(pace.size)
    assert pace.size == LEAST_BYTES


def test_what_was_too_large_once_is_not_tried_again() -> None:
    pace = Pace(MOST)
    pace.too_large(100_000)
    for _ in range(50):
        pace.answered(pace.size, 0.001)
    assert pace.size == 50_000
    pace.too_large(50_000)
    assert pace.size == 25_000, "below what busy servers gain from, where it has to be"


def test_a_small_limit_is_kept_from_the_start() -> None:
    assert Pace(1024).size == 1024


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1024, 64 * 1024 * 1024), st.lists(EVENTS))
def test_it_stays_within_its_limits_whatever_happens(most: int, events: list[tuple[str, int]]) -> None:
    pace = Pace(most)
    limit = most
    for event, size in events:
        if event == "too_much":
            pace.too_much(size)
        elif event == "too_large":
            pace.too_large(size)
            limit = max(1, min(limit, size // 2))
        else:
            pace.answered(size, 0.0 if event == "answered" else GOOD_SECONDS * 2)
        assert 1 <= pace.size <= limit
