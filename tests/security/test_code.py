"""What bandit finds in the code: nothing that is not explained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

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
    command = [sys.executable, "-m", "bandit", "-q", "-r", *PACKAGES, "-s", ",".join(SKIPPED), "-f", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    told = json.loads(done.stdout)
    assert told["errors"] == []
    assert len(told["metrics"]) > 500, "it looked at every file"
    found: dict[tuple[str, str], list[str]] = {}
    for issue in told["results"]:
        place = f"{issue['filename']}:{issue['line_number']}"
        found.setdefault((issue["test_id"], issue["filename"]), []).append(
            f"{place}: {issue['test_id']} {issue['issue_text']}"
        )
    explained = {(each["test"], each["file"]): each["why"] for each in yaml.safe_load(EXCEPTIONS.read_text("utf-8"))}
    assert all(explained.values())
    assert [line for place, lines in found.items() if place not in explained for line in lines] == []
    assert explained.keys() - found.keys() == set(), "these exceptions are not needed"
