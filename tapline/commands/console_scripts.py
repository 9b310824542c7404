"""Scripts and rules as the console has them: it may not know the workers' code, so this does for it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from console.data.workshop import FoundScript, Place
from tapline.checks.base import Check
from tapline.commands import script_files
from tapline.groups import CounterGroup
from tapline.packets import check_filters
from tapline.policy.model import Policy, Rule
from tapline.script import Script
from topics.errors import TaplineError
from topics.records import Alert, Metric
from workers.scripting.approval import EVERYTHING, Approval, signature_path
from workers.scripting.attributes import type_of
from workers.scripting.budget import Budget
from workers.scripting.check import texts_of, unknown_groups
from workers.scripting.helpers import Helpers
from workers.scripting.scripts import (
    LoadedScript,
    NoScript,
    ScriptFile,
    load_file,
    load_files,
    script_paths,
    script_set,
    unusable,
)
from workers.settings import WorkersSettings
from workers.thresholds.wording import asked_of

_Sights = tuple[tuple[str, int, int], ...]
_PATIENCE_SECONDS: Final = 10.0
_ASIDE: Final = "_[!_]*.py"


class _Known(Struct, frozen=True):
    """What was found at the last look."""

    sights: _Sights
    scripts: list[FoundScript]
    enabled: list[ScriptFile]
    others: list[ScriptFile]


class ScriptWorkshop:
    """The scripts of the workers' folders and those that ship; files are run anew when some of them has changed."""

    def __init__(self, settings: WorkersSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def scripts(self) -> Sequence[FoundScript]:
        """Every script: those that the workers run, those set aside, those that ship."""
        return self._look().scripts

    def checks(self) -> Mapping[str, type[Check]]:
        """The checks that the workers run, by name."""
        return {name: monitor for name, monitor in self.monitors().items() if issubclass(monitor, Check)}

    def monitors(self) -> Mapping[str, type[Script]]:
        """The scripts and checks that the workers run, by name."""
        return {script.name: script.monitor for file in self._look().enabled for script in file.scripts}

    def enable(self, switch: str) -> str:
        """Have the workers run a file, as ``tapline scripts enable``."""
        found = self._file(switch)
        place = script_files.enable_again(switch, self._folders())
        if place is None:
            path = Path(found.file)
            check_filters(load_files([path], self._settings.params))
            place = script_files.enable(path, self._folders()[0])
        return f"enabled {place}"

    def disable(self, switch: str) -> str:
        """Have the workers no longer run a file, as ``tapline scripts disable``."""
        self._file(switch)
        place, aside = script_files.disable(switch, self._folders())
        return f"disabled {place}" + (f", kept as {aside}" if aside else "")

    def groups(self) -> Mapping[str, Sequence[str]]:
        """The counter groups there are, by name, with the names of their meters."""
        directory = script_set(self._look().enabled).groups.counters
        found = {}
        for name in directory.names():
            group = directory.find(name)
            found[name] = [meter.name for meter in group.meters] if isinstance(group, CounterGroup) else []
        return found

    def group(self, name: str) -> str:
        """The own name of a counter group that goes by several."""
        return script_set(self._look().enabled).groups.counters.canonical(name)

    def asks(self, rule: Rule) -> str:
        """What a rule asks, in words."""
        return asked_of(rule)

    def rehearse(self, policy: Policy, windows: Iterable[tuple[str, int, Sequence[Metric]]]) -> Iterator[Alert]:
        """The events that the rules of a policy would have made of these windows: stream, start and counters."""
        from workers.thresholds.rehearsal import PastWindow, rehearse

        scripts = script_set(self._look().enabled)
        return rehearse(policy, scripts, self._settings, (PastWindow(*each) for each in windows))

    def _file(self, switch: str) -> FoundScript:
        """A file that was found: nothing else is switched, whatever somebody may write."""
        found = next((script for script in self._look().scripts if script.switch == switch), None)
        if found is None:
            raise TaplineError(f"there is no script file {switch}: see `tapline scripts list --shipped`")
        return found

    def _folders(self) -> list[Path]:
        folders = [Path(folder) for folder in self._settings.scripts]
        if not folders:
            raise TaplineError("workers.scripts names no folder: set it, for instance to [scripts/enabled]")
        return folders

    def _look(self) -> _Known:
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise TaplineError("the files of scripts are still being read: does one of them not come to its end?")
        try:
            paths = self._paths()
            watched = [*(path for path, _ in paths), *self._approving()]
            sights = tuple(sorted((str(path), *_sight(path)) for path in watched))
            if self._known is None or self._known.sights != sights:
                if self._known is not None:
                    for file in (*self._known.enabled, *self._known.others):
                        file.forget()
                self._known = self._read(sights, paths)
            return self._known
        finally:
            self._lock.release()

    def _paths(self) -> list[tuple[Path, Place]]:
        """The files there are; one that ships and is enabled is there once."""
        enabled = script_paths(self._settings.scripts)
        there = {path.resolve() for path in enabled}
        aside = [path for folder in self._settings.scripts for path in sorted(Path(folder).glob(_ASIDE))]
        shipped = [path for path in script_paths(map(str, script_files.shipped())) if path.resolve() not in there]
        return [
            *((path, "enabled") for path in enabled),
            *((path, "aside") for path in aside),
            *((path, "shipped") for path in shipped),
        ]

    def _approving(self) -> list[Path]:
        """The files that say which others may be run."""
        listed = self._settings.approved_scripts
        named = (listed, signature_path(listed), self._settings.approval_key) if listed else ()
        return [Path(name) for name in named if name]

    def _read(self, sights: _Sights, paths: Iterable[tuple[Path, Place]]) -> _Known:
        budget = Budget(self._settings)
        approval = Approval.of(self._settings)
        scripts: list[FoundScript] = []
        enabled: list[ScriptFile] = []
        others: list[ScriptFile] = []
        for path, place in paths:
            switch = path.stem.removeprefix("_") if place == "aside" else path.stem
            try:
                # What ships came with the program.
                allowed = EVERYTHING if place == "shipped" else approval
                file = load_file(path, self._settings.params, budget, Helpers(path, allowed), allowed)
                if place == "enabled" and (problem := unusable(file, enabled)):
                    raise TaplineError(problem)  # noqa: TRY301 - shown like any other
            except NoScript:
                continue
            except TaplineError as error:
                scripts.append(FoundScript(name=switch, file=str(path), switch=switch, place=place, broken=str(error)))
                continue
            (enabled if place == "enabled" else others).append(file)
            scripts += [_found(script, switch, place) for script in file.scripts]
        _add_unknown_groups(scripts, enabled)
        return _Known(sights, scripts, enabled, others)


def _found(script: LoadedScript, switch: str, place: Place) -> FoundScript:
    monitor = script.monitor
    return FoundScript(
        name=script.name,
        file=str(script.path),
        switch=switch,
        place=place,
        monitor=type_of(monitor).__name__,
        purpose=inspect.getdoc(monitor) or "",
        params=msgspec.to_builtins(script.params),
        monitor_class=monitor,
    )


def _add_unknown_groups(found: Iterable[FoundScript], files: Sequence[ScriptFile]) -> None:
    groups = script_set(files).groups
    texts = set().union(*(texts_of(file.content) for file in files))
    for file in files:
        for problem in unknown_groups(file, groups, texts):
            for script in found:
                if script.file == str(file.path) and problem.message.startswith(f"{script.name} "):
                    script.problems.append(f"line {problem.line}: {problem.message}")


def _sight(path: Path) -> tuple[int, int]:
    """What tells one state of a file from another without reading it."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
