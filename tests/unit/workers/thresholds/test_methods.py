"""How bands are learned: by hand for a few values, and against plain loops for many."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapline.policy.model import Method
from workers.thresholds.methods import Judged, Learner, judge, learning_of, rsi, weighed


class One:
    """One entity's band."""

    def __init__(self, method: Method, **fields: float) -> None:
        self.learning = learning_of(Learner(method, **fields))  # type: ignore[arg-type]
        self.state = {name: np.zeros(1) for name in self.learning.fixed}
        self.slots = np.zeros((max(self.learning.slots, 1), 1))
        self.number = 0

    def put(self, value: float) -> Judged:
        learning = self.learning
        turn = self.number % max(learning.slots, 1)
        past = self.slots if learning.all_slots else self.slots[turn]
        count, values = np.array([float(self.number)]), np.array([float(value)])
        judged = judge(learning, self.state, past, count, values)
        written = learning.learn(self.state, past, count, weighed(judged, values))
        if written is not None:
            self.slots[turn] = written
        self.number += 1
        return judged

    def known(self, name: str) -> float:
        return float(self.state[name][0])


METHODS: tuple[Method, ...] = ("ewma", "double_exponential", "holt_winters", "rsi", "z_score", "iqr")


def one(method: Method, **fields: float) -> One:
    return One(method, **{"season": 4 if method == "holt_winters" else 0, **fields})


def test_ewma_by_hand() -> None:
    band = One("ewma", learn_periods=3, sensitivity=2)
    for value in (10, 14, 12):
        assert band.put(value).learning
    # Weights 1, 1/2, 1/2: means 10, 12, 12; variances 0, (1/2)(0 + 4 * 2) = 4, (1/2)(4 + 0) = 2.
    assert (band.known("mean"), band.known("variance")) == (12, 2)
    judged = band.put(12)
    far = 2 * math.sqrt(2) * (1 + 3 / 3)
    assert (judged.lower[0], judged.upper[0]) == (pytest.approx(12 - far), pytest.approx(12 + far))
    assert not judged.learning[0]


def test_double_exponential_follows_a_trend() -> None:
    band = One("double_exponential", learn_periods=5)
    for value in range(0, 500, 10):
        assert not band.put(value).left[0]
    assert band.known("level") == pytest.approx(490)
    assert band.known("trend") == pytest.approx(10)


def test_double_exponential_by_hand() -> None:
    band = One("double_exponential", learn_periods=10)
    for value in (10, 20, 40):
        band.put(value)
    # Level 20, trend 10 after two; forecast 30, error 10: level 33, trend 10 + 0.1 * (33 - 20 - 10) = 10.3.
    assert (band.known("level"), band.known("trend")) == (pytest.approx(33), pytest.approx(10.3))
    assert band.known("variance") == pytest.approx(100)


def test_holt_winters_knows_the_season() -> None:
    band = One("holt_winters", season=4, learn_periods=2)
    days = [10, 50, 90, 50]
    for value in days * 6:
        assert not band.put(value).left[0]
    assert band.known("level") == pytest.approx(50)
    # What is usual at one time of the day is not at another.
    assert One.put(band, 90).left[0]
    assert [float(slot[0]) for slot in band.slots][1:] == [pytest.approx(0), pytest.approx(40), pytest.approx(0)]


def test_holt_winters_is_not_believed_before_two_seasons() -> None:
    band = One("holt_winters", season=4, learn_periods=2)
    for value in [10, 50, 90, 50] * 2:
        assert band.put(value).learning[0]
    assert not band.put(10).learning[0]


def test_z_score_by_hand() -> None:
    band = One("z_score", learn_periods=4, sensitivity=1)
    for value in (2, 4, 4, 6):
        band.put(value)
    judged = band.put(4)
    far = statistics.stdev((2, 4, 4, 6)) * 2
    assert judged.upper[0] == pytest.approx(4 + far)
    # The oldest has made room.
    assert band.put(4).upper[0] == pytest.approx(4.5 + statistics.stdev((4, 4, 6, 4)) * (1 + 4 / 5))


def test_iqr_by_hand_and_untouched_by_a_few_odd_values() -> None:
    band = One("iqr", learn_periods=5, sensitivity=1.5)
    for value in (10, 20, 30, 40, 1_000_000):
        band.put(value)
    judged = band.put(30)
    # Quartiles 20 and 40, median 30: 10 + 1.5 * 20 on both sides, twice as wide when it has just been learned.
    assert judged.upper[0] == pytest.approx(30 + 40 * 2)
    assert judged.lower[0] == 0


def test_rsi_is_the_index_without_a_division_by_zero() -> None:
    assert rsi(0, 0) == 50
    assert rsi(5, 0) == 100
    assert rsi(0, 5) == 0
    assert rsi(3, 1) == 75


def test_rsi_by_hand() -> None:
    band = One("rsi", learn_periods=2)
    for value in (10, 14, 12):
        band.put(value)
    # Gain 4 then (0 + 4) / 2, loss 0 then (2 + 0) / 2.
    assert (band.known("gain"), band.known("loss")) == (2, 1)
    judged = band.put(12)
    # old = 1: up to 3 * 1 - 2 = 1 more, down to 3 * 2 - 1 = 5 less; wider by 1 + 2 / 3.
    assert judged.upper[0] == pytest.approx(12 + 1 * (1 + 2 / 3))
    assert judged.lower[0] == pytest.approx(12 - 5 * (1 + 2 / 3))


@settings(max_examples=200)
@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(-1e9, 1e9), st.integers(2, 30))
def test_the_bounds_of_rsi_are_where_its_index_leaves_25_to_75(
    gain: float, loss: float, change: float, periods: int
) -> None:
    learning = learning_of(Learner("rsi", learn_periods=periods))
    state = {"before": np.zeros(1), "gain": np.array([gain]), "loss": np.array([loss])}
    _, below, above = learning.expect(state, np.zeros(0), np.array([100.0]))
    after = {name: value.copy() for name, value in state.items()}
    learning.learn(after, np.zeros(0), np.array([100.0]), np.array([change]))
    index = rsi(float(after["gain"][0]), float(after["loss"][0]))
    margin = 1e-6 * (gain + loss + abs(change) + 1)
    if above[0] > 0 and change >= 0:
        assert not (change > above[0] + margin and index < 75 - 1e-6)
        assert not (change < above[0] - margin and index > 75 + 1e-6)
    if below[0] > 0 and change <= 0:
        assert not (-change > below[0] + margin and index > 25 + 1e-6)
        assert not (-change < below[0] - margin and index < 25 - 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_jump_is_seen_and_what_is_usual_is_not(method: Method) -> None:
    dice = random.Random(7)
    band = one(method, learn_periods=20)
    usual = [dice.gauss(1000, 20) for _ in range(200)]
    assert sum(bool(band.put(value).left[0]) for value in usual) <= 2
    assert band.put(1_000_000).left[0]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_told_while_it_is_learned(method: Method) -> None:
    band = one(method, learn_periods=10)
    dice = random.Random(3)
    for _ in range(band.learning.needed):
        judged = band.put(dice.choice((0, 5, 1e9)))
        assert judged.learning[0]
        assert not judged.left[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_band_is_wide_when_it_has_just_been_learned_and_narrows(method: Method) -> None:
    if method == "rsi":
        pytest.skip("what it expects goes with the last value")
    band = one(method, learn_periods=10)
    widths = []
    for number in range(400):
        judged = band.put(1000 + (number * 7 % 5) * 10)
        widths.append(float(judged.upper[0] - judged.lower[0]))
    assert widths[band.learning.needed] > 1.5 * widths[-1]


@pytest.mark.parametrize("method", METHODS)
def test_one_value_outside_does_not_make_the_next_one_usual(method: Method) -> None:
    band = one(method, learn_periods=10)
    dice = random.Random(5)
    for _ in range(100):
        band.put(dice.gauss(1000, 20))
    assert band.put(100_000).left[0]
    assert band.put(100_000).left[0]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "rsi"])
def test_a_new_level_becomes_usual_in_time(method: Method) -> None:
    band = one(method, learn_periods=10)
    dice = random.Random(5)
    for _ in range(100):
        band.put(dice.gauss(1000, 20))
    left = [bool(band.put(dice.gauss(5000, 20)).left[0]) for _ in range(200)]
    assert left[0]
    assert not any(left[-50:])


@pytest.mark.parametrize("method", METHODS)
def test_a_value_that_never_varied_may_vary_a_little(method: Method) -> None:
    band = one(method, learn_periods=10)
    for _ in range(50):
        band.put(1000)
    assert not band.put(1020).left[0]
    assert band.put(2000).left[0]


@pytest.mark.parametrize("method", METHODS)
def test_no_less_than_nothing_is_expected_of_what_is_never_less(method: Method) -> None:
    band = one(method, learn_periods=5)
    for value in (0, 100, 0, 100, 0) * 10:
        judged = band.put(value)
    assert judged.lower[0] >= 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e12), min_size=12, max_size=60), st.integers(2, 12))
def test_z_score_and_iqr_agree_with_the_standard_library(values: list[float], periods: int) -> None:
    spread, fences = One("z_score", learn_periods=periods), One("iqr", learn_periods=periods)
    for number, value in enumerate(values):
        if number >= periods:
            level, far, _ = spread.learning.expect(spread.state, spread.slots, np.array([float(number)]))
            last = [float(each[0]) for each in spread.slots]
            assert level[0] == pytest.approx(statistics.fmean(last), rel=1e-9, abs=1e-9)
            assert far[0] == pytest.approx(3 * statistics.stdev(last), rel=1e-6, abs=1e-3)
            median, _, above = fences.learning.expect(fences.state, fences.slots, np.array([float(number)]))
            last = [float(each[0]) for each in fences.slots]
            first, middle, third = statistics.quantiles(last, n=4, method="inclusive")
            assert median[0] == pytest.approx(middle, rel=1e-9, abs=1e-9)
            assert above[0] == pytest.approx(third - middle + 3 * (third - first), rel=1e-9, abs=1e-3)
        spread.put(value)
        fences.put(value)


@pytest.mark.parametrize("method", METHODS)
def test_many_entities_are_learned_as_each_by_itself(method: Method) -> None:
    dice = np.random.default_rng(1)
    values = dice.lognormal(5, 1, (60, 7))
    alone = [one(method, learn_periods=6) for _ in range(7)]
    learning = one(method, learn_periods=6).learning
    state = {name: np.zeros(7) for name in learning.fixed}
    slots = np.zeros((max(learning.slots, 1), 7))
    for number, row in enumerate(values):
        turn = number % max(learning.slots, 1)
        past, count = slots if learning.all_slots else slots[turn], np.full(7, float(number))
        judged = judge(learning, state, past, count, row)
        written = learning.learn(state, past, count, weighed(judged, row))
        if written is not None:
            slots[turn] = written
        each = [band.put(value) for band, value in zip(alone, row, strict=True)]
        assert judged.lower.tolist() == [float(other.lower[0]) for other in each]
        assert judged.upper.tolist() == [float(other.upper[0]) for other in each]
        assert judged.left.tolist() == [bool(other.left[0]) for other in each]
