"""Numbers as people write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapline.policy.units import duration, moment, quantity


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (5, 5.0),
        ("10 MB", 10e6),
        ("1.5 GiB", 1.5 * 2**30),
        ("100 Mbit/s", 12.5e6),
        ("5 %", 5.0),
        ("1_000", 1000.0),
        ("-2e3", -2000.0),
        (".5", 0.5),
        ("3k", 3000.0),
    ],
)
def test_a_quantity_has_a_unit_of_data_or_none(given_: object, expected: float) -> None:
    assert quantity(given_) == pytest.approx(expected)


@pytest.mark.parametrize("wrong", ["much", "5 apples", "", None, True, [5], "5 5"])
def test_what_is_no_quantity_is_refused_with_what_would_do(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"10 MB|there are kB"):
        quantity(wrong)


@pytest.mark.parametrize(
    ("given_", "seconds"), [(60, 60), ("5 min", 300), ("1h", 3600), ("1 d", 86400), ("0.5 h", 1800), ("90", 90)]
)
def test_a_duration_is_in_whole_seconds(given_: object, seconds: int) -> None:
    assert duration(given_) == seconds


@pytest.mark.parametrize("wrong", ["soon", "5 MB", "0.5 s", True, None, 1.5])
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="length of time"):
        duration(wrong)


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    expected = round(datetime(2026, 12, 31, 18, tzinfo=UTC).timestamp() * 1_000_000)
    assert moment("2026-12-31T18:00:00Z") == moment("2026-12-31 18:00") == moment("2026-12-31T19:00+01:00") == expected
    assert moment(expected) == expected
    with pytest.raises(ValueError, match="is no date"):
        moment("tomorrow")


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
    st.sampled_from(["", " MB", "GiB", " %"]),
)
def test_any_number_that_is_written_is_read(number: float, unit: str) -> None:
    factor = {"": 1.0, " MB": 1e6, "GiB": 2.0**30, " %": 1.0}[unit]
    assert quantity(f"{number!r}{unit}") == pytest.approx(number * factor)


@given(st.text())
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        assert isinstance(quantity(text), float)
    except ValueError as error:
        assert "\n" not in str(error) or "\n" in text  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("given", ["1e999 MB", "-1e999", 10**400])
def test_a_number_that_is_too_large_is_none(given: object) -> None:
    with pytest.raises(ValueError, match="too large"):
        quantity(given)
