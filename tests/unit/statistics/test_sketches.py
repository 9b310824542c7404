"""Sketches against exact answers, within the bounds they state."""

from __future__ import annotations

import json
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapline.statistics import DistinctCount, Quantiles, TopK

KEYS = st.lists(st.tuples(st.text(max_size=6), st.integers(0, 1000)), max_size=200)


def weights(seed: int, keys: int = 20_000, values: int = 60_000) -> list[tuple[str, int]]:
    """Keys of which a few have most."""
    drawn = random.Random(seed)
    return [(f"k{int(drawn.paretovariate(0.7)) % keys}", drawn.randrange(1, 100)) for _ in range(values)]


@given(KEYS)
@settings(deadline=None)
def test_few_keys_are_counted_exactly(added: list[tuple[str, int]]) -> None:
    top, exact = TopK(), Counter[str]()
    for key, weight in added:
        top.add(key, weight)
        exact[key] += weight
    found = top.top(len(exact))
    assert {heavy.key: heavy.estimate for heavy in found} == {key: sum_ for key, sum_ in exact.items() if sum_}
    assert all(heavy.least == heavy.estimate == heavy.most for heavy in found)
    assert [heavy.estimate for heavy in found] == sorted((heavy.estimate for heavy in found), reverse=True)
    assert top.total == exact.total()


@pytest.mark.parametrize("seed", range(3))
def test_large_keys_are_found_among_many_within_the_bound(seed: int) -> None:
    size = 256
    top, exact = TopK(size), Counter[str]()
    for key, weight in weights(seed):
        top.add(key, weight)
        exact[key] += weight
    assert len(exact) > size
    assert top.error <= 3.5 / size * top.total
    found = {heavy.key: heavy for heavy in top.top(size)}
    assert {key for key, sum_ in exact.items() if sum_ > top.error} <= found.keys()
    for key, heavy in found.items():
        assert heavy.least <= exact[key] <= heavy.most
        assert abs(top.estimate(key) - exact[key]) <= top.error


@pytest.mark.parametrize(("seed", "number"), [(1, 10), (2, 1000), (3, 50_000)])
def test_different_values_are_counted_within_three_deviations(seed: int, number: int) -> None:
    drawn = random.Random(seed)
    values = [drawn.getrandbits(64) for _ in range(number)]
    count = DistinctCount()
    for value in [*values, *values]:
        count.add(f"{value:x}")
    low, high = count.bounds(3)
    assert low <= number <= high
    assert abs(count.count - number) <= 3 * 0.83 / 64 * number + 1


def test_counts_of_two_instances_make_one() -> None:
    one, other = DistinctCount(), DistinctCount()
    for number in range(6000):
        (one if number % 3 else other).add(number)
        if number % 5 == 0:
            one.add(number)
            other.add(number)
    one.merge(other)
    assert abs(one.count - 6000) <= 3 * 1.04 / 64 * 6000


def drawn_values(count: int) -> list[float]:
    drawn = random.Random(4)
    return [drawn.lognormvariate(0, 3) for _ in range(count)]


ORDERS: dict[str, Callable[[int], Sequence[float]]] = {
    "random": drawn_values,
    "equal": lambda count: [0.1] * count,
    "rising": lambda count: list(range(count)),
    "falling": lambda count: list(range(count, 0, -1)),
    "to and fro": lambda count: [each if each % 2 else count - each for each in range(count)],
    "few": lambda count: [random.Random(each).choice((1, 2, 50)) for each in range(count)],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [7, 1000, 30_000])
def test_quantiles_of_values_in_any_order_are_within_the_bound(order: str, count: int) -> None:
    values = [float(value) for value in ORDERS[order](count)]
    quantiles = Quantiles(200)
    for value in values:
        quantiles.add(value)
    values.sort()
    for rank in (0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0):
        value = quantiles.quantile(rank)
        below, up_to = bisect_left(values, value) / count, bisect_right(values, value) / count
        assert below - quantiles.error(rank) <= rank <= up_to + quantiles.error(rank)
    assert (quantiles.least, quantiles.most, quantiles.count) == (values[0], values[-1], count)
    assert abs(quantiles.rank(values[count // 2]) - 0.5) <= quantiles.error(0.5) + 1 / count or order in {
        "few",
        "equal",
    }


@pytest.mark.parametrize("kind", [TopK, DistinctCount, Quantiles])
def test_what_is_kept_as_text_goes_on_as_if_nothing_had_been(kind: type[TopK | DistinctCount | Quantiles]) -> None:
    def results(*, interrupted: bool) -> str:
        sketch = kind()
        for number, (key, weight) in enumerate(weights(7, values=4000)):
            if number % 1000 == 999:
                text = sketch.to_text()
                assert json.loads(json.dumps(text)) == text
                if interrupted:
                    sketch = kind.from_text(text)
            if isinstance(sketch, Quantiles):
                sketch.add(float(weight))
            else:
                sketch.add(key)
        return sketch.to_text()

    assert results(interrupted=True) == results(interrupted=True)
    one, other = kind.from_text(results(interrupted=True)), kind.from_text(results(interrupted=False))
    if isinstance(one, TopK) and isinstance(other, TopK):
        assert one.top(5) == other.top(5)
    elif isinstance(one, DistinctCount) and isinstance(other, DistinctCount):
        assert abs(one.count - other.count) <= 0.05 * one.count
    elif isinstance(one, Quantiles) and isinstance(other, Quantiles):
        assert one.quantile(0.5) == pytest.approx(other.quantile(0.5), abs=3)


@pytest.mark.parametrize("kind", [TopK, DistinctCount, Quantiles])
@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "e30="])
def test_any_other_text_is_refused(kind: type[TopK | DistinctCount | Quantiles], text: str) -> None:
    with pytest.raises(ValueError, match="this text is no"):
        kind.from_text(text)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        TopK(1000)
    with pytest.raises(ValueError, match="precision is 30"):
        DistinctCount(30)
    with pytest.raises(ValueError, match="size is 1;"):
        Quantiles(1)
    quantiles = Quantiles()
    with pytest.raises(ValueError, match="no number yet"):
        quantiles.quantile(0.5)
    with pytest.raises(ValueError, match="nan"):
        quantiles.add(float("nan"))
    with pytest.raises(ValueError, match="rank is 99"):
        quantiles.quantile(99)
