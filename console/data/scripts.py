"""Scripts: what there is, whether it runs, and how it fares in the workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from pydantic import Field

from console.data.model import Answer
from console.data.workshop import FoundScript
from console.errors import Missing
from tapline.checks.base import Check
from topics.worker_reports import InstanceReport, WorkerReport

STATES: Final = {
    "broken": "its file cannot be used",
    "suspended": "taken out of service, since it failed or was too slow",
    "declined": "it did not want to begin",
    "running": "it runs",
    "not loaded": "its file is enabled, and no worker runs it",
    "set aside": "it was disabled, and its file is kept",
    "off": "it ships, and is not enabled",
}
"""How a script can stand, the worst first."""

_OF_PLACE: Final = {"enabled": "not loaded", "aside": "set aside", "shipped": "off"}


class HookUse(Answer):
    """A hook's calls in all workers together."""

    hook: str
    calls: int
    seconds: float
    errors: int
    last_error: str = Field(description="`file:line: what` of the one that raised last; empty without any.")


class ScriptRow(Answer):
    """A script, and how it fares: of several instances the worst counts, and ``why`` is its reason."""

    name: str
    monitor: str
    file: str
    switch: str = Field(description="The name by which its file is enabled and disabled.")
    enabled: bool
    purpose: str
    state: str
    why: str
    is_check: bool = Field(description="Its parameters are set by the policy.")
    instances: dict[str, int] = Field(description="How many instances stand how.")
    calls: int
    seconds: float
    errors: int
    hooks: list[HookUse]
    problems: list[str]
    params: dict[str, Any] = Field(description="What it runs with, before the policy.")


class ScriptList(Answer):
    """Scripts, and how many worker processes tell of them."""

    workers: int
    total: int
    scripts: list[ScriptRow]


def script_list(
    found: Sequence[FoundScript], reports: Sequence[WorkerReport], search: str = "", state: str = ""
) -> ScriptList:
    """The scripts whose name, file, type or purpose has a text in it, of a state where one is named."""
    rows = _rows(found, reports)
    word = search.casefold()
    fitting = [
        row
        for row in rows
        if (not state or row.state == state)
        and any(word in text.casefold() for text in (row.name, row.file, row.monitor, row.purpose))
    ]
    order = list(STATES)
    fitting.sort(key=lambda row: (order.index(row.state), row.name))
    return ScriptList(workers=len(reports), total=len(rows), scripts=fitting)


def script_row(found: Sequence[FoundScript], reports: Sequence[WorkerReport], name: str) -> ScriptRow:
    """One script; :class:`Missing` when there is none of this name."""
    for row in _rows(found, reports):
        if row.name == name:
            return row
    raise Missing(f"there is no script {name}: it may have been disabled or renamed")


def _rows(found: Sequence[FoundScript], reports: Sequence[WorkerReport]) -> list[ScriptRow]:
    uses = _uses(reports)
    instances: dict[str, list[InstanceReport]] = {}
    broken: dict[str, str] = {}
    for report in reports:
        for each in report.instances:
            if each.script:
                instances.setdefault(each.script, []).append(each)
            else:
                broken[PurePath(each.file).stem] = each.why
    rows = [_row(each, uses.get(each.name, {}), instances.get(each.name, []), broken, reports) for each in found]
    known = {each.name for each in found if each.place == "enabled"} | {each.switch for each in found}
    for name, there in instances.items():
        if not any(row.name == name for row in rows):
            elsewhere = FoundScript(name=name, file=there[0].file, switch="", place="enabled")
            rows.append(_row(elsewhere, uses.get(name, {}), there, broken, reports))
    rows += [
        _row(FoundScript(name=stem, file=f"{stem}.py", switch="", place="enabled", broken=why), {}, [], {}, reports)
        for stem, why in broken.items()
        if stem not in known
    ]
    return rows


def _row(
    found: FoundScript,
    uses: Mapping[str, HookUse],
    instances: Iterable[InstanceReport],
    broken: Mapping[str, str],
    reports: Sequence[WorkerReport],
) -> ScriptRow:
    counts: dict[str, int] = {}
    whys: dict[str, str] = {}
    for each in instances:
        counts[each.state] = counts.get(each.state, 0) + each.count
        whys.setdefault(each.state, each.why)
    state = next((state for state in STATES if state in counts), "")
    why = whys.get(state, "")
    if found.broken and found.place == "enabled":
        state, why = "broken", found.broken
    elif found.place == "enabled" and found.switch in broken:
        state, why = "broken", broken[found.switch]
    elif not state:
        state, why = _OF_PLACE[found.place], found.broken
        if state == "not loaded" and not reports:
            why = "no worker has reported lately"
    hooks = [uses[hook] for hook in sorted(uses)]
    return ScriptRow(
        name=found.name,
        monitor=found.monitor,
        file=found.file,
        switch=found.switch,
        enabled=found.place == "enabled",
        purpose=found.purpose,
        state=state,
        why=why,
        is_check=found.monitor_class is not None and issubclass(found.monitor_class, Check),
        instances=counts,
        calls=sum(use.calls for use in hooks),
        seconds=round(sum(use.seconds for use in hooks), 3),
        errors=sum(use.errors for use in hooks),
        hooks=hooks,
        problems=found.problems,
        params=found.params,
    )


def _uses(reports: Iterable[WorkerReport]) -> dict[str, dict[str, HookUse]]:
    """What the hooks of each script came to in all workers."""
    found: dict[str, dict[str, HookUse]] = {}
    for report in reports:
        for each in report.hooks:
            hooks = found.setdefault(each.script, {})
            before = hooks.get(each.hook)
            hooks[each.hook] = HookUse(
                hook=each.hook,
                calls=each.calls + (before.calls if before else 0),
                seconds=round(each.seconds + (before.seconds if before else 0), 3),
                errors=each.errors + (before.errors if before else 0),
                last_error=each.last_error or (before.last_error if before else ""),
            )
    return found
