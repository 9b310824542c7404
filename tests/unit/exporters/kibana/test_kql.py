"""The reader of Kibana's query language that tests use says what Kibana says, or that it does not know."""

from __future__ import annotations

import pytest

from tests.kibana.kql import fields, query


def test_and_binds_more_than_or_and_not_most() -> None:
    assert query("a: 1 or not b: 2 and c: 3") == {
        "bool": {
            "should": [
                {"match": {"a": "1"}},
                {"bool": {"filter": [{"bool": {"must_not": [{"match": {"b": "2"}}]}}, {"match": {"c": "3"}}]}},
            ],
            "minimum_should_match": 1,
        }
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"match_all": {}}),
        ('a: "b or c"', {"match_phrase": {"a": "b or c"}}),
        (r'a: "say \"x\""', {"match_phrase": {"a": 'say "x"'}}),
        ("a: *", {"exists": {"field": "a"}}),
        ("a: tls_*", {"wildcard": {"a": {"value": "tls_*"}}}),
        ("a >= 400", {"range": {"a": {"gte": "400"}}}),
        ("a < 2", {"range": {"a": {"lt": "2"}}}),
        ("((a: x))", {"match": {"a": "x"}}),
        (
            "a: (x or y)",
            {"bool": {"should": [{"match": {"a": "x"}}, {"match": {"a": "y"}}], "minimum_should_match": 1}},
        ),
        ('a: (not "x")', {"bool": {"must_not": [{"match_phrase": {"a": "x"}}]}}),
    ],
)
def test_a_filter_is_this_query(text: str, expected: dict[str, object]) -> None:
    assert query(text) == expected


@pytest.mark.parametrize("text", ["a", "a:", "a: (x or y", 'a: "x', "a: x b: y", "and a: x", "a: { b: c }", '"a": x'])
def test_what_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"understood|missing|too soon|no field|no value"):
        query(text)


def test_the_fields_of_a_filter() -> None:
    assert fields("a.b: x and (c: * or not d: y*) and e > 1 and f: (g or h)") == {"a.b", "c", "d", "e", "f"}
