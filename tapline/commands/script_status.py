"""How scripts fare: what their files say, and what the workers that run tell of them on their metrics pages."""

from __future__ import annotations

import inspect
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from prometheus_client.parser import text_string_to_metric_families

from topics.errors import TaplineError
from workers.scripting.approval import Approval
from workers.scripting.attributes import type_of
from workers.scripting.budget import Budget
from workers.scripting.check import texts_of, unknown_groups
from workers.scripting.helpers import Helpers, is_helper
from workers.scripting.scripts import NoScript, ScriptFile, load_file, script_paths, script_set, unusable
from workers.settings import WorkersSettings

ANSWER_SECONDS: Final = 2.0
MOST_WORKERS: Final = 64

_WORST_FIRST: Final = ("broken", "suspended", "declined", "running")


class HookUse(Struct, kw_only=True):
    """A hook's calls in all workers together: how many, how long they took, how many raised."""

    hook: str
    calls: int = 0
    seconds: float = 0.0
    errors: int = 0


class ScriptStatus(Struct, kw_only=True):
    """A script: its file, and how it fares in the workers.

    ``state`` is ``broken`` (the file cannot be used), ``suspended``, ``declined`` (its ``on_load`` returned
    false), ``running``, ``not loaded`` (workers run, but not it), or empty where no worker answers; of several
    instances the worst counts, and ``why`` is its reason. ``instances`` counts them by state. ``problems`` are
    groups that it attaches to and nobody has.
    """

    name: str
    monitor: str = ""
    file: str = ""
    purpose: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    why: str = ""
    instances: dict[str, int] = field(default_factory=dict)
    hooks: list[HookUse] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class WorkerTold:
    """What the workers' metrics pages say of scripts, added up."""

    def __init__(self) -> None:
        self.workers = 0
        self.hooks: dict[str, dict[str, HookUse]] = {}
        self.instances: dict[str, dict[tuple[str, str], int]] = {}
        self.broken: dict[str, str] = {}

    def add(self, page: str) -> None:
        """Take one worker's page."""
        self.workers += 1
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                self._sample(sample.name, sample.labels, sample.value)

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        if name == "tapline_script_instances":
            if labels["script"]:
                counts = self.instances.setdefault(labels["script"], {})
                place = (labels["state"], labels["why"])
                counts[place] = counts.get(place, 0) + int(value)
            else:
                self.broken[labels["file"]] = labels["why"]
        elif name in ("tapline_script_calls_total", "tapline_script_seconds_total", "tapline_script_errors_total"):
            hooks = self.hooks.setdefault(labels["script"], {})
            use = hooks.setdefault(labels["hook"], HookUse(hook=labels["hook"]))
            if name == "tapline_script_seconds_total":
                use.seconds += value
            elif name == "tapline_script_calls_total":
                use.calls += int(value)
            else:
                use.errors += int(value)


def ask_workers(host: str, port: int, processes: int) -> WorkerTold:
    """Ask the worker processes of the supervisor whose metrics port this is; those that do not answer are left out."""
    told = WorkerTold()
    if port <= 0:
        return told
    for number in range(MOST_WORKERS):
        page = _page(host, port + 1 + number)
        if page is not None:
            told.add(page)
        elif number >= processes:
            break
    return told


def statuses(folders: Sequence[str | Path], settings: WorkersSettings, told: WorkerTold) -> list[ScriptStatus]:
    """Every script of these folders, by file, with what the workers tell of it; the files are run to find out."""
    budget = Budget(settings)
    approval = Approval.of(settings)
    found: list[ScriptStatus] = []
    files: list[ScriptFile] = []
    for path in script_paths(folders):
        try:
            file = load_file(path, settings.params, budget, Helpers(path, approval), approval)
            problem = unusable(file, files)
            if problem:
                raise TaplineError(problem)  # noqa: TRY301 - shown like any other
        except TaplineError as error:
            if isinstance(error, NoScript) and is_helper(path):
                continue
            found.append(ScriptStatus(name=path.stem, file=str(path), state="broken", why=str(error)))
            continue
        files.append(file)
        for script in file.scripts:
            status = ScriptStatus(
                name=script.name,
                monitor=type_of(script.monitor).__name__,
                file=str(path),
                purpose=(inspect.getdoc(script.monitor) or "").partition("\n")[0],
                params=msgspec.to_builtins(script.params),
            )
            _add_told(status, told)
            found.append(status)
    _add_unknown_groups(found, files)
    return found


def _add_unknown_groups(found: Iterable[ScriptStatus], files: Sequence[ScriptFile]) -> None:
    groups = script_set(files).groups
    texts = set().union(*(texts_of(file.content) for file in files))
    for file in files:
        for problem in unknown_groups(file, groups, texts):
            for status in found:
                if status.file == str(file.path) and problem.message.startswith(f"{status.name} "):
                    status.problems.append(f"line {problem.line}: {problem.message}")


def _add_told(status: ScriptStatus, told: WorkerTold) -> None:
    status.hooks = [told.hooks[status.name][hook] for hook in sorted(told.hooks.get(status.name, ()))]
    counts = told.instances.get(status.name, {})
    for (state, _), count in counts.items():
        status.instances[state] = status.instances.get(state, 0) + count
    if counts:
        status.state, status.why = min(counts, key=lambda place: _WORST_FIRST.index(place[0]))
    elif told.workers:
        status.state = "not loaded"
    if status.file in told.broken:
        status.state, status.why = "broken", told.broken[status.file]


def _page(host: str, port: int) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=ANSWER_SECONDS) as answer:
            page: str = answer.read().decode()
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return page if "tapline_script_files" in page else None


def hook_rows(found: Iterable[ScriptStatus]) -> list[tuple[str, str, int, str, int]]:
    """A row for each hook that has been called: script, hook, calls, seconds, errors."""
    return [(it.name, use.hook, use.calls, f"{use.seconds:.3f}", use.errors) for it in found for use in it.hooks]
