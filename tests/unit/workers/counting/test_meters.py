"""Every kind of meter: what samples come to, however they are spread over partitions and windows."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.records import MeterKind
from workers.counting.meters import KINDS, growth

SECOND = 1_000_000
SAMPLES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(-(2**70), 2**70)), min_size=1, max_size=20)
PARTS = st.lists(SAMPLES.map(sorted), min_size=1, max_size=6)


def value_of(kind: MeterKind, samples: list[tuple[int, int]]) -> Any:
    found = KINDS[kind]
    (time, first), *others = samples
    return reduce(lambda value, sample: found.add(value, sample[1], sample[0]), others, found.begin(first, time))


@pytest.mark.parametrize("kind", KINDS)
@given(parts=PARTS, draw=st.data())
def test_partitions_merge_to_the_same_in_any_order_and_grouping(
    kind: MeterKind, parts: list[list[tuple[int, int]]], draw: st.DataObject
) -> None:
    merge = KINDS[kind].merge
    values = [value_of(kind, part) for part in parts]
    straight = reduce(merge, values)
    while len(values) > 1:
        one = values.pop(draw.draw(st.integers(0, len(values) - 1)))
        other = values.pop(draw.draw(st.integers(0, len(values) - 1)))
        values.append(merge(one, other))
    assert values[0] == straight


@given(parts=PARTS)
def test_results_are_those_of_a_plain_count(parts: list[list[tuple[int, int]]]) -> None:
    samples = sorted(sample for part in parts for sample in part)
    values = [value for _, value in samples]
    results = {}
    for name, kind in KINDS.items():
        merged = reduce(kind.merge, [value_of(name, part) for part in parts])
        results[name] = kind.finish(merged, None)[0]
    assert results["counter"] == results["running"] == sum(values)
    assert results["rate"] == sum(values) / 60
    assert results["average"] == sum(values) / len(values)
    assert results["maximum"] == max(values)
    assert results["minimum"] == min(values)
    latest = max(time for time, _ in samples)
    assert results["gauge"] in [value for time, value in samples if time == latest]


def test_a_gauge_is_the_latest_also_when_an_older_sample_comes_later() -> None:
    gauge = KINDS["gauge"]
    assert gauge.add(gauge.add(gauge.begin(5, 10), 3, 10), 9, 9) == [10, 3]


@given(windows=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=10))
def test_a_running_meter_goes_on_over_windows(windows: list[int]) -> None:
    kept, results = None, []
    for value in windows:
        result, kept = KINDS["running"].finish(value, kept)
        results.append(result)
    assert results == [sum(windows[: count + 1]) for count in range(len(windows))]


@pytest.mark.parametrize(
    ("before", "after", "wide", "grown"),
    [
        (100, 100, False, 0),
        (100, 250, False, 150),
        (2**32 - 1, 0, False, 1),
        (2**32 - 10, 5, False, 15),
        (2**64 - 10, 5, False, 15),
        (2**64 - 1, 0, True, 1),
        (5000, 70, False, 70),
        (2**32 - 10, 5, True, 5),
        (2**40, 12, False, 12),
        (2**32 - 10, 2**31, False, 2**31),
        (2**32 // 2, 3, False, 3),
        (2**64 - 10, 2**63, True, 2**63),
        (10, -5, False, 0),
    ],
)
def test_a_wrap_and_a_reset_are_told_apart(before: int, after: int, wide: bool, grown: int) -> None:  # noqa: FBT001
    assert growth(before, after, wide=wide) == grown


@pytest.mark.parametrize("bits", [32, 64])
@given(
    start=st.integers(0, 2**64), steps=st.lists(st.integers(0, 2**27), min_size=1, max_size=40), each=st.integers(1, 5)
)
def test_growth_over_wraps_is_exact_in_windows_and_partitions(
    bits: int, start: int, steps: list[int], each: int
) -> None:
    """Readings of a counter of this width, some a window, alternately seen by two partitions."""
    kind = KINDS["delta_rate"]
    start %= 2**bits
    if bits == 64:
        start = max(start, 2**32)
    counter, readings = start, [(0, start)]
    for number, step in enumerate(steps, 1):
        counter += step
        readings.append((number * SECOND, counter % 2**bits))
    kept: Any = None
    grown = 0.0
    for first in range(0, len(readings), each):
        mine = readings[first : first + each]
        parts = [value_of("delta_rate", part) for part in (mine[::2], mine[1::2]) if part]
        before = kept[0] if kept else mine[0][0]
        rate, kept = kind.finish(reduce(kind.merge, parts), kept)
        if rate is not None:
            grown += rate * (kept[0] - before) / SECOND
    assert grown == pytest.approx(counter - start, abs=1e-3)


def test_no_rate_before_there_are_two_readings() -> None:
    kind = KINDS["delta_rate"]
    result, kept = kind.finish(kind.begin(1000, 60 * SECOND), None)
    assert result is None
    result, kept = kind.finish(kind.begin(1600, 120 * SECOND), kept)
    assert result == 10
    result, kept = kind.finish(kind.begin(300, 180 * SECOND), kept)
    assert result == 5, "it began anew: it has grown by what it shows"
    assert kind.finish(kind.begin(900, 180 * SECOND), kept) == (None, kept), "that time has been read already"
    assert kind.finish(kind.begin(900, 300 * SECOND), kept)[0] == 5, "two minutes later"


def test_rising_readings_take_no_room() -> None:
    values = value_of("delta_rate", [(time, time * 7) for time in range(1000)])
    assert values == [0, 0, 999, 6993]
    fallen = value_of("delta_rate", [(0, 5), (1, 9), (2, 2), (3, 4), (4, 8)])
    assert fallen == [0, 5, 1, 9, 2, 2, 4, 8]
    assert sum(growth(one, other, wide=False) for one, other in pairwise(fallen[1::2])) == 4 + 2 + 6
