"""The page that maps ntopng's names to ours names what there is, and all that the document of its scripts names."""

import re
from typing import Any

import pytest

import tapline
from tapline.checks import Check, alert_types
from tapline.checks.hooks import HOOKS, hooks_of
from tests.docs.pages import ROOT
from topics import records

PAGE = ROOT / "docs" / "reference" / "from-ntopng.md"
SEED = ROOT.parent / "shared" / "seeds" / "002_1f4c9efb50a82547.txt"
ROWS = [
    row.strip("| ").split(" | ")
    for row in re.findall(r"^\| .* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    if not row.startswith("| ntopng")
]
OURS = sorted({name for row in ROWS for name in re.findall(r"`((?!False)[A-Z]\w+(?:\.\w+)?)`", row[1])})
THEIRS = " ".join(row[0] for row in ROWS)

NO_NAMES = {"false", "flow_status_type", "lua", "suricata"}
"""What the document sets as code and is no name of ours to map: arguments, modules, examples."""


def owner(name: str) -> Any:
    return Check if name == "Check" else getattr(tapline, name, None) or getattr(records, name, None)


@pytest.mark.parametrize("name", OURS)
def test_a_name_of_ours_exists(name: str) -> None:
    kind, _, member = name.partition(".")
    assert owner(kind) is not None, f"there is no {kind}"
    known = {*dir(owner(kind)), *getattr(owner(kind), "__annotations__", {})}
    assert not member or member in known, f"{kind} has no {member}"


def test_builders_that_it_names_exist() -> None:
    assert callable(alert_types.threshold_cross)


def test_every_hook_of_every_type_is_on_the_page() -> None:
    named = {name.partition(".")[2] for name in OURS}
    for base in HOOKS:
        if base.__name__ != "ResourceCheck":  # ntopng has none
            assert set(hooks_of(base)) <= named, base.__name__


@pytest.mark.skipif(not SEED.is_file(), reason="the document of ntopng's user scripts is not here")
def test_every_name_of_the_document_is_mapped() -> None:
    text = SEED.read_text(encoding="utf-8")
    named = {
        re.split(r"[(.;<]", code)[-1 if "." in code else 0] for code in re.findall(r":code:`([\w.]+)[(\w, )]*`", text)
    }
    missing = {name for name in named - NO_NAMES if name and name not in THEIRS}
    assert not missing
