"""What is committed beside how far a topic was read."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.collectors.intake import MADE
from capture.collectors.progress import pack, unpack
from capture.eve.messages import MADE as MADE_OF_EVENTS
from topics.errors import TaplineError

OFFSETS = st.lists(st.integers(0, (1 << 63) - 1), max_size=50)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(dict.fromkeys(MADE, OFFSETS)) | st.fixed_dictionaries(dict.fromkeys(MADE_OF_EVENTS, OFFSETS))
)
def test_places_come_back(places):
    text = pack(places | {"counter": [1, 2]}, list(places))
    assert text.isascii()
    assert len(text) <= 4096
    assert unpack(text) == places


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.none() | st.text())
def test_what_somebody_else_has_committed_says_nothing(text):
    assert unpack(text) == {}


def test_more_partitions_than_fit_are_told():
    with pytest.raises(TaplineError, match="too many partitions"):
        pack({"flow": [number * 7_919_000_001 for number in range(2000)], "dead": [0]}, MADE)


@pytest.mark.parametrize(("kinds", "partitions"), [(MADE, 500), (MADE_OF_EVENTS, 150)])
def test_so_many_partitions_fit(kinds, partitions):
    places = {kind: [10**9 + number * 7_919 for number in range(partitions)] for kind in kinds}
    assert unpack(pack(places, kinds)) == places
