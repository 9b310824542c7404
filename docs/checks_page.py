"""The reference page of the checks that ship."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from docs.monitor_pages import NOTE
from tapline.checks.alert_types import severity_of
from tapline.checks.base import Check
from tapline.checks.hooks import written
from workers.scripting.attributes import type_of
from workers.scripting.scripts import LoadedScript, load_files, script_paths

CHECKS: Final = Path(__file__).parent.parent / "scripts" / "checks"
_SEVERITIES: Final = ("", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_INTRODUCTION: Final = """\
All of them are in `scripts/checks`: `tapline scripts enable NAME` has the workers run a file's checks. Whether a check
is on, and its parameters, can be set for all hosts or some in the [policy](policy.md). A threshold is crossed by what
is strictly greater (`gt`) or less (`lt`). The severity is that of the score where nothing else is set.

What Tapline has to say of itself needs no check and is always on: records announced and not received
(`conservation`), a node that says nothing (`node-silent`), scripts that are slow, suspended or broken
(`scripts-over-budget`, `script-suspended`, `script-broken`), a policy that cannot be used (`policy-broken`).
"""


def checks_page() -> str:
    """Every check that ships, by file."""
    paths = script_paths([str(CHECKS)])
    scripts = load_files(paths, {}).scripts
    checks = [script for script in scripts if issubclass(script.monitor, Check)]
    lines = [NOTE, "# The checks that ship\n", _INTRODUCTION, f"There are {len(checks)}.\n"]
    for path in paths:
        module = inspect.getdoc(inspect.getmodule(next(each.monitor for each in checks if each.path == path))) or ""
        lines += [f"## {path.stem.replace('_', ' ')}\n", module.splitlines()[0], ""]
        lines += ["| check | finds | sees | on | parameters | score | severity |", "|---|---|---|---|---|---|---|"]
        lines += [_row(each) for each in checks if each.path == path]
        lines.append("")
    return "\n".join(lines)


def _row(script: LoadedScript) -> str:
    check = script.monitor
    assert issubclass(check, Check)
    says = (inspect.getdoc(check) or "").splitlines()[0]
    params = ", ".join(_params(script)) or "-"
    hooks = ", ".join(f"`{hook}`" for hook in written(check))
    kind = type_of(check).__name__.removesuffix("Check").removesuffix("Handler").lower()
    is_on = "yes" if check.default_enabled else "no"
    severity = _SEVERITIES[severity_of(check.score)]
    return f"| `{script.name}` | {says} | {kind}: {hooks} | {is_on} | {params} | {check.score} | {severity} |"


def _params(script: LoadedScript) -> Iterator[str]:
    check = script.monitor
    assert issubclass(check, Check)
    values = msgspec.to_builtins(script.params)
    if values.keys() >= {"operator", "threshold"}:
        compares = any(getattr(check, hook).__name__ == "compare" for hook in written(check))
        operator, threshold = values.pop("operator"), values.pop("threshold")
        if compares:
            yield f"{operator} {threshold:g}"
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        yield f"`{name}` {shown if shown not in ('', None) else '(none)'}"
