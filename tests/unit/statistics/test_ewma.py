"""The moving mean against its definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapline.statistics import Ewma

SECOND = 1_000_000
VALUES = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 3600 * SECOND)), min_size=1, max_size=50)


@settings(deadline=None)
@given(VALUES)
def test_it_is_the_mean_and_deviation_of_values_weighted_by_age_in_any_order(values: list[tuple[float, int]]) -> None:
    ewma = Ewma(600)
    for value, time in values:
        ewma.add(value, time)
    latest = max(time for _, time in values)
    weights = [0.5 ** ((latest - time) / SECOND / 600) for _, time in values]
    mean = math.fsum(weight * value for weight, (value, _) in zip(weights, values, strict=True)) / math.fsum(weights)
    squares = math.fsum(weight * (value - mean) ** 2 for weight, (value, _) in zip(weights, values, strict=True))
    assert ewma.mean == pytest.approx(mean, rel=1e-6, abs=1e-3)
    assert ewma.deviation == pytest.approx(math.sqrt(squares / math.fsum(weights)), rel=1e-6, abs=1e-2)
    assert ewma.weight == pytest.approx(math.fsum(weights))


def test_half_the_weight_is_gone_after_the_half_life() -> None:
    ewma = Ewma(60)
    ewma.add(0, 0)
    assert ewma.add(30, 60 * SECOND) == pytest.approx(20)
    assert ewma.distance(20) == 0
    assert ewma.distance(20 + ewma.deviation) == pytest.approx(1)


def test_a_step_is_far_away_from_a_constant() -> None:
    ewma = Ewma(60)
    assert ewma.distance(5) == 0, "nothing is known yet"
    ewma.add(5, 0)
    ewma.add(5, SECOND)
    assert ewma.distance(5) == 0
    assert ewma.distance(4) == -math.inf


@settings(deadline=None)
@given(VALUES)
def test_what_is_kept_as_text_goes_on_as_if_nothing_had_been(values: list[tuple[float, int]]) -> None:
    one, other = Ewma(60), Ewma(60)
    for value, time in values:
        one.add(value, time)
        other.add(value, time)
        other = Ewma.from_text(other.to_text())
    assert one.to_text() == other.to_text()


@pytest.mark.parametrize("text", ["", "[]", '["a", 1, 2, 3, 4]', "[0, 1, 2, 3, 4]", "7"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this text is no moving mean"):
        Ewma.from_text(text)


def test_a_half_life_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="half_life is 0"):
        Ewma(0)
