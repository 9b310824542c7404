"""The policy in a process: read from files, changed by entries, put in force between two messages."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import Counter, Gauge

from tapline.policy.effective import PolicyView, with_policy_of_scripts
from tapline.policy.entries import laid_over, value_of
from tapline.policy.model import Policy
from tapline.policy.reading import BadEntry, problems, read_files
from tapline.script import Script
from topics.errors import TaplineError
from topics.partitions import digest
from topics.records import PolicyEntry
from workers.environment import Environment, Notice
from workers.scripting.scripts import ScriptSet
from workers.scripting.set_params import go_over
from workers.settings import WorkersSettings

BROKEN_ALERT: Final = "policy-broken"

_log = logging.getLogger(__name__)
_changes = Counter(
    "tapline_policy_changes", "Changes of the policy that were taken, or refused.", ["source", "outcome"]
)
_version = Gauge("tapline_policy_version", "How many policies have been in force in this process.")


def monitors_of(scripts: ScriptSet) -> dict[str, type[Script]]:
    """What settings can be of in a set of scripts: their classes, by name."""
    return {script.name: script.monitor for script in scripts.scripts}


class PolicyKeeper:
    """Keeps the policy of a process as its files and the entries say.

    A file that has changed is read again when two looks in a row see it the same. What cannot be used
    changes nothing: the policy before stays in force, and what is wrong is logged, counted and alerted.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._paths = [Path(path) for path in environment.settings.policy]
        self._files = Policy()
        self._seen: tuple[object, ...] = ()
        self._taken: tuple[object, ...] = ()
        self._entries: dict[str, Struct] = {}
        self._waiting: deque[tuple[PolicyEntry, int]] = deque()
        self._told: set[str] = set()
        self._unusable: dict[str, tuple[PolicyEntry, str]] = {}
        self._unfit: dict[str, str] = {}
        self._scripts = environment.scripts
        self.offset = -1
        """The offset in the policy topic of the newest entry that was looked at, -1 before the first."""

    def load(self) -> None:
        """Read the files; :class:`TaplineError` with file and line where they cannot be used."""
        self._seen = self._taken = _sights(self._paths)
        self._files = read_files(self._paths, monitors_of(self._environment.scripts)).policy
        self._put_in_force()

    @property
    def refused(self) -> dict[str, str]:
        """The entries that cannot be used, by path, each with what is wrong."""
        return self._unfit | {key: why for key, (_, why) in self._unusable.items()}

    def add(self, entries: Iterable[PolicyEntry], offset: int = -1) -> None:
        """Take note of entries, from any thread; :meth:`check` puts them in force.

        ``offset`` is where in the topic they stand, -1 where that is not known.
        """
        self._waiting.extend((entry, offset) for entry in entries)

    def check(self) -> bool:
        """Look at the files and at what was noted, and go over to that; true when anything has changed.

        To be called between messages.
        """
        changed = self._look()
        while self._waiting:
            record, offset = self._waiting.popleft()
            changed = self._take(record) or changed
            self.offset = max(self.offset, offset)
        if changed or self._scripts is not self._environment.scripts:
            # What an entry is about, a check or a pool, may be there by now.
            for record, _ in list(self._unusable.values()):
                changed = self._take(record) or changed
            if not changed:
                self._set_params()
        if changed:
            self._put_in_force()
        self._scripts = self._environment.scripts
        return changed

    def _look(self) -> bool:
        sights = _sights(self._paths)
        settled, self._seen = sights == self._seen, sights
        if not settled or sights == self._taken:
            return False
        self._taken = sights
        try:
            self._files = read_files(self._paths, monitors_of(self._environment.scripts)).policy
        except TaplineError as error:
            self._refuse("file", str(error))
            return False
        _changes.labels("file", "taken").inc()
        return True

    def _take(self, record: PolicyEntry) -> bool:
        try:
            value = value_of(record)
            if value is None:
                changed = self._entries.pop(record.key, None) is not None
            else:
                self._see_that_it_fits(record.key, value)
                changed = self._entries.get(record.key) != value
                self._entries[record.key] = value
        except BadEntry as error:
            before = self._unusable.get(record.key)
            self._unusable[record.key] = (record, str(error))
            if before != self._unusable[record.key]:
                self._refuse("entry", f"policy entry {record.key}: {error}")
            return False
        self._unusable.pop(record.key, None)
        if changed:
            _changes.labels("entry", "taken").inc()
            _log.info("policy entry %s is %s", record.key, "taken back" if value is None else "set")
        return changed

    def _see_that_it_fits(self, key: str, value: Struct) -> None:
        """:class:`BadEntry` when an entry cannot be meant beside the others."""
        policy = laid_over(self._files, {**self._entries, key: value})
        for place, problem in problems(policy, monitors_of(self._environment.scripts)):
            if place == key:
                raise problem

    def _refuse(self, source: str, why: str) -> None:
        _changes.labels(source, "refused").inc()
        message = f"the policy cannot be used as it is now, the one before stays in force: {why}"
        _log.error("%s", message)
        if why not in self._told:
            self._told.add(why)
            notice = Notice(BROKEN_ALERT, message, "policy", "", digest(BROKEN_ALERT, why))
            self._environment.common_notices.append(notice)

    def _put_in_force(self) -> None:
        environment = self._environment
        environment.policy = PolicyView(laid_over(self._files, self._entries), environment.policy.version + 1)
        _version.inc()
        self._set_params()
        for changed in environment.policy_changed:
            changed()

    def _set_params(self) -> None:
        before, self._unfit = self._unfit, go_over(self._environment, self._environment.scripts)
        for key, why in self._unfit.items():
            if before.get(key) != why:
                self._refuse("entry", f"policy entry {key}: {why}")


def _sights(paths: Iterable[Path]) -> tuple[object, ...]:
    """What tells one state of these files from another without reading them."""
    found: list[object] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def params_of_files(settings: WorkersSettings) -> dict[str, dict[str, Any]]:
    """The parameters of scripts by name, as the configuration has them and above it the files of the policy."""
    return with_policy_of_scripts(settings.params, read_files(settings.policy).policy)


def effective_files(paths: Iterable[str | Path], monitors: Mapping[str, type[Script]]) -> PolicyView:
    """The view of what these files say, for a run without Kafka; what they set of scripts that do not run is no matter.

    :class:`TaplineError` with file and line where they cannot be used.
    """
    read = read_files(paths)
    checks = {name: settings for name, settings in read.policy.checks.items() if name in monitors}
    scripts = {name: settings for name, settings in read.policy.scripts.items() if name in monitors}
    for key, problem in problems(replace(read.policy, checks=checks, scripts=scripts), monitors):
        raise TaplineError(f"{read.places[key]}: {key.replace('/', '.', 1)}: {problem}")
    return PolicyView(read.policy)
