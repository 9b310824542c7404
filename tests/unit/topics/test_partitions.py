"""Keys go where they always went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from topics.partitions import BESIDE, digest, partition_of, partition_of_pair

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.integers(1, 64))
def test_a_pair_goes_where_its_parts_joined_go(group: str, key: str, partitions: int) -> None:
    beside = BESIDE.get(group, group)
    assert partition_of_pair(group, key, partitions) == partition_of(f"{beside}\x00{key}", partitions)


@given(TEXT, st.integers(1, 64))
def test_a_partition_is_one_of_those_there_are(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


def test_known_values_do_not_change() -> None:
    assert partition_of("1:LQU9qZlK+B5F3KDmev6m5PMibrg=", 4) == 3
    assert digest("counter", "live", 60) == "0185a6c2d70376035010d4c945a591f5"
