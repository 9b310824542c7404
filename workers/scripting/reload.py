"""Script folders are watched: a file that changes is loaded again while everything runs.

A file that cannot be used changes nothing: the version loaded before runs on, and what is wrong is logged,
counted, listed and alerted. A version that is no longer approved does not run on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from topics.errors import TaplineError
from topics.partitions import digest
from workers.environment import Environment, Notice
from workers.scripting.approval import Approval, NotApproved
from workers.scripting.budget import Budget
from workers.scripting.check import Problem, problems_of, texts_of, unknown_groups
from workers.scripting.helpers import Helpers, Sight, is_helper, sight_of
from workers.scripting.scripts import NoScript, ScriptFile, ScriptSet, load_file, script_paths, script_set, unusable
from workers.scripting.set_params import go_over
from workers.scripting.standing import STANDING
from workers.settings import WorkersSettings

BROKEN_ALERT = "script-broken"

_log = logging.getLogger(__name__)


class _Sight(NamedTuple):
    """How a script looks, and the files it has imported from its folder."""

    script: Sight
    helpers: dict[Path, Sight | None]


class ScriptFolders:
    """The script files of the configured folders, as they are loaded in this process.

    A change is taken when two looks in a row see it the same, so that a file is not read while it is
    being written, nor given up while an editor replaces it. ``wanted`` tells which files this process looks at, and
    ``problem`` what else makes one unusable, nothing where it is well.
    """

    def __init__(
        self,
        settings: WorkersSettings,
        budget: Budget,
        wanted: Callable[[Path], bool] = lambda _: True,
        problem: Callable[[ScriptFile], str] = lambda _: "",
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._wanted = wanted
        self._problem = problem
        self._approval = Approval.of(settings)
        self._files: dict[Path, ScriptFile] = {}
        self._known: dict[Path, _Sight | None] = {}
        self._last: dict[Path, _Sight] = {}
        self._helpers: dict[Path, Helpers] = {}
        self._gone: list[ScriptFile] = []
        self._unknown_groups: list[Problem] = []
        self.broken: dict[Path, str] = {}
        """Why files cannot be used, as they are now."""

        self.news: list[Notice] = []
        """What is to be told of files found broken since this was last emptied."""

    def load(self) -> ScriptSet:
        """All that can be used of what is there now."""
        self._last = self._sights()
        return self._take(self._last) or script_set(())

    def look(self) -> ScriptSet | None:
        """The scripts, when they have changed."""
        if self._approval.read():
            # A file that is as it was may run now, or may no longer.
            self._known = dict.fromkeys(self._known)
        sights = self._sights()
        before, self._last = self._last, sights
        settled = {path: sight for path, sight in sights.items() if before.get(path) == sight}
        missing = [path for path in self._known if path not in sights and path not in before]
        if not missing and all(self._known.get(path) == sight for path, sight in settled.items()):
            return None
        unsettled = {path: self._known.get(path) for path in self._known if path not in missing}
        return self._take(unsettled | settled)

    def forget_gone(self) -> None:
        """Drop the modules of versions that no longer run."""
        for file in self._gone:
            file.forget()
        self._gone = []

    def _take(self, sights: dict[Path, _Sight] | dict[Path, _Sight | None]) -> ScriptSet | None:
        """Load what differs from what is known; the new set when anything usable does."""
        changed = False
        for path in [path for path in self._known if path not in sights]:
            del self._known[path]
            self._helpers.pop(path, None)
            self.broken.pop(path, None)
            changed = self._drop(path) or changed
        for path, sight in sights.items():
            if self._known.get(path) != sight:
                before = self._helpers.get(path)
                changed = self._load(path) or changed
                helpers = self._helpers[path]
                if sight is None or helpers is before:
                    self._known[path] = sight
                else:
                    self._known[path] = _Sight(sight.script, helpers.loaded_sights())
        STANDING.broken({str(path): why for path, why in self.broken.items()})
        if not changed:
            return None
        found = [self._files[path] for path in self._paths() if path in self._files]
        scripts = script_set(found)
        self._tell_unknown_groups(found, scripts)
        return scripts

    def _tell_unknown_groups(self, files: list[ScriptFile], scripts: ScriptSet) -> None:
        """Warn of groups nobody has, each time one is met that was not before: a script may still come that has it."""
        texts = set().union(*(texts_of(file.content) for file in files))
        problems = [problem for file in files for problem in unknown_groups(file, scripts.groups, texts)]
        for problem in problems:
            if problem not in self._unknown_groups:
                _log.warning("%s:%d: %s", problem.file, problem.line, problem.message)
        self._unknown_groups = problems

    def _paths(self) -> list[Path]:
        return [path for path in script_paths(self._settings.scripts) if self._wanted(path)]

    def _sights(self) -> dict[Path, _Sight]:
        found = {}
        for path in self._paths():
            sight = sight_of(path)
            if sight is not None:
                helpers = self._helpers.get(path)
                found[path] = _Sight(sight, helpers.sights() if helpers is not None else {})
        return found

    def _load(self, path: Path) -> bool:
        old = self._files.get(path)
        try:
            if (
                old is not None
                and self._is_approved(old)
                and path.read_bytes() == old.content
                and old.helpers.unchanged()
            ):
                self._helpers[path] = old.helpers
                self.broken.pop(path, None)
                return False
            helpers = self._helpers[path] = Helpers(path, self._approval)
            file = load_file(path, self._settings.params, self._budget, helpers, self._approval)
            others = [other for other in self._files.values() if other.path != path]
            problem = unusable(file, others) or self._problem(file)
            if problem:
                file.forget()
                raise TaplineError(problem)  # noqa: TRY301 - told like any other
        except (TaplineError, OSError) as error:
            if isinstance(error, NotApproved):
                self._broke(path, error, runs_on=old is not None and self._is_approved(old))
                return old is not None and not self._is_approved(old) and self._drop(path)
            if (old is None or isinstance(error, NoScript)) and is_helper(path):
                # Whoever imports it is told.
                self.broken.pop(path, None)
                self._helpers.setdefault(path, Helpers(path))
                return self._drop(path)
            self._helpers.setdefault(path, Helpers(path))
            self._broke(path, error, runs_on=old is not None)
            return False
        self.broken.pop(path, None)
        if old is not None:
            self._gone.append(old)
        self._files[path] = file
        STANDING.reloaded("loaded")
        for found in problems_of(file):
            _log.warning("%s:%d: %s", found.file, found.line, found.message)
        _log.info("loaded %s: %s", path, ", ".join(script.name for script in file.scripts) or "groups only")
        return True

    def _is_approved(self, file: ScriptFile) -> bool:
        """True when a file as it was loaded, with all that it has imported, may run."""
        return self._approval.allows(file.path, file.content) and file.helpers.approved()

    def _drop(self, path: Path) -> bool:
        file = self._files.pop(path, None)
        if file is None:
            return False
        self._gone.append(file)
        STANDING.reloaded("unloaded")
        _log.info("unloaded %s", path)
        return True

    def _broke(self, path: Path, error: Exception, *, runs_on: bool) -> None:
        why = self.broken[path] = str(error)
        STANDING.reloaded("refused" if isinstance(error, NotApproved) else "broken")
        runs = "the version loaded before runs on" if runs_on else "it does not run"
        message = f"script file {path.name} cannot be used, {runs}: {why}; mend it, it is loaded when it changes"
        _log.error("%s", message)
        self.news.append(Notice(BROKEN_ALERT, message, path.name, path.stem, digest("broken", path.name, why)))


class ScriptReloader:
    """Keeps the scripts of a process as its folders say."""

    def __init__(self, environment: Environment, folders: ScriptFolders) -> None:
        self._environment = environment
        self._folders = folders

    def check(self) -> bool:
        """Look at the folders and go over to what is there; true when anything has changed.

        To be called between messages: every script sees each record once, in one version.
        """
        found = self._folders.look()
        self._environment.common_notices.extend(self._folders.news)
        self._folders.news.clear()
        if found is None:
            return False
        # What of the policy is no good for them is told by who keeps the policy, which looks at it anew.
        go_over(self._environment, found)
        self._folders.forget_gone()
        return True
