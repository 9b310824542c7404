"""Changing the policy: what is in force, what fits, what an import comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tapline.policy.changes import Misfit, as_yaml, changes_of_import, fitting, in_force, together
from tapline.policy.model import Policy, Rule
from tapline.policy.reading import read_files, read_text
from topics.errors import TaplineError
from topics.records import PolicyEntry


def held(**values: str) -> dict[str, PolicyEntry]:
    """Entries that were set: the name of a rule and its JSON text."""
    return {
        f"rules/{name}": PolicyEntry(id=name, time=1, key=f"rules/{name}", value=text, author="somebody")
        for name, text in values.items()
    }


def test_what_was_set_stands_above_the_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("rules:\n  a: {value: 1}\n  b: {value: 2}\n")
    rows = in_force(read_files([file]), held(b='{"name":"b","value":3}'))
    assert [(row.path, row.value["value"], row.source, row.author) for row in rows] == [
        ("rules/a", 1.0, f"{file}:2", ""),
        ("rules/b", 3, "set", "somebody"),
    ]
    again = read_text(as_yaml(rows), "text").policy
    assert again == together(read_files([file]).policy, held(b='{"name":"b","value":3}'))


def test_an_import_changes_what_differs_and_takes_back_with_replace() -> None:
    known = held(a='{"name":"a"}', b='{"name":"b"}')
    policy = Policy(rules={"a": Rule(name="a"), "c": Rule(name="c", value=1.0)})
    set_c = ("rules/c", '{"name":"c","value":1.0}')
    assert changes_of_import(policy, known, replace=False) == [set_c]
    assert changes_of_import(policy, known, replace=True) == [set_c, ("rules/b", "")]


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("rules/r", {"select": {"pool": "none"}}, "there is no pool 'none'"),
        ("rules/r", {"value": "much"}, "'much' is no number"),
        ("rulez/r", {}, "names no entry"),
        ("rules/r", [], "has to be a block"),
    ],
)
def test_what_does_not_fit_says_why(path: str, value: Any, why: str) -> None:
    with pytest.raises(Misfit, match=why) as found:
        fitting(Policy(), {}, {path: value}, None)
    assert found.value.path == path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rules:\n  r:\n    value: much\n", r"text:3: rules\.r: value:"),
        ("rules: [1", "text:1: not YAML"),
        ("rules:\n  r: {until: 2026-99-99}\n", r"text:2: rules\.r"),
        ("[" * 5000, "too deep"),
        ("rules:\n  r: &a {x: *a}\n", r"text:2: rules\.r"),
    ],
)
def test_a_text_that_is_wrong_says_the_line(text: str, why: str) -> None:
    with pytest.raises(TaplineError, match=why):
        read_text(text, "text")
