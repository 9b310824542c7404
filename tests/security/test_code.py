"""What bandit finds in the code: nothing that is not explained."""

from __future__ import annotations

from pathlib import Path

import yaml
from bandit.core.config import BanditConfig
from bandit.core.manager import BanditManager

ROOT = Path(__file__).parents[2]
PACKAGES = ("topics", "capture", "workers", "exporters", "console", "tapline", "scripts")
EXCEPTIONS = Path(__file__).parent / "bandit_exceptions.yaml"

SKIPPED = {
    "B101": "assertions say what mypy is to know; nothing depends on them",
    "B404": "importing subprocess is no fault; each call is looked at",
    "B603": "calls without a shell, as they are to be",
}
"""Tests of bandit that are not run, and why."""


def test_bandit_finds_nothing_that_is_not_explained() -> None:
    manager = BanditManager(BanditConfig(), "file", profile={"exclude": set(SKIPPED)})
    manager.discover_files([str(ROOT / package) for package in PACKAGES], recursive=True)
    manager.run_tests()
    assert len(manager.files_list) > 500
    assert manager.skipped == []
    found: dict[tuple[str, str], list[str]] = {}
    for issue in manager.get_issue_list():
        file = str(Path(issue.fname).relative_to(ROOT))
        found.setdefault((issue.test_id, file), []).append(f"{file}:{issue.lineno}: {issue.test_id} {issue.text}")
    explained = {(each["test"], each["file"]): each["why"] for each in yaml.safe_load(EXCEPTIONS.read_text("utf-8"))}
    assert all(explained.values())
    assert [line for place, lines in found.items() if place not in explained for line in lines] == []
    assert explained.keys() - found.keys() == set(), "these exceptions are not needed"
