"""The page that maps Trisul's names to ours names only what there is."""

import re
from typing import Any

import pytest

import tapline
from tapline.checks import Check
from tapline.script import Script
from tests.docs.pages import ROOT
from topics import records

PAGE = ROOT / "docs" / "reference" / "from-trisul.md"
NAMES = sorted(
    {
        name
        for row in re.findall(r"^\| .* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        for name in re.findall(r"`((?!False)[A-Z]\w+(?:\.\w+)?)`", row.split(" | ")[1])
    }
)


def owner(name: str) -> Any:
    return Script if name == "Script" else getattr(tapline, name, None) or getattr(records, name, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_ours_exists(name: str) -> None:
    kind, _, member = name.partition(".")
    assert owner(kind) is not None, f"there is no {kind}"
    assert not member or hasattr(owner(kind), member), f"{kind} has no {member}"


def test_every_hook_of_ours_is_on_the_page() -> None:
    hooks = {
        f"{kind.__name__}.{hook}"
        for kind in (getattr(tapline, name) for name in tapline.__all__)
        if isinstance(kind, type) and issubclass(kind, Script) and not issubclass(kind, Check)
        for hook in vars(kind)
        if hook.startswith("on_") or hook.endswith("_filter")
    }
    assert hooks <= set(NAMES)
