"""What is committed beside how far a topic was read."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.collectors.progress import MADE, pack, unpack
from topics.errors import TaplineError

OFFSETS = st.lists(st.integers(0, (1 << 63) - 1), max_size=50)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(MADE, OFFSETS)))
def test_places_come_back(places):
    text = pack(places | {"metric": [1, 2]})
    assert text.isascii()
    assert len(text) <= 4096
    assert unpack(text) == places


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.none() | st.text())
def test_what_somebody_else_has_committed_says_nothing(text):
    assert unpack(text) == {}


def test_more_partitions_than_fit_are_told():
    with pytest.raises(TaplineError, match="too many partitions"):
        pack({"flow": [number * 7_919_000_001 for number in range(2000)], "dead": [0]})


def test_five_hundred_partitions_fit():
    assert (
        unpack(pack({"flow": [10**9 + number * 7_919 for number in range(500)], "dead": [0]}))["flow"][1]
        == 10**9 + 7_919
    )
