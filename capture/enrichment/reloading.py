"""Files that are read again when they have changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from capture import metrics
from capture.containers.table import ContainerTable
from capture.enrichment.blacklists import Blacklist
from capture.enrichment.geo import GeoFile
from capture.enrichment.knowledge import Knowledge, Networks, open_services, open_vendors
from capture.enrichment.settings import EnrichmentSettings
from topics.errors import TaplineError

if TYPE_CHECKING:
    from capture.containers.watcher import ContainerWatcher

_PATIENCE: Final = 2.0
"""Seconds that are waited for the containers that run already."""

_log = logging.getLogger("tapline.capture")
_Stamp = tuple[int, int, int]


class Enrichment:
    """What is known now.

    Opening it reads all files; :class:`TaplineError` says what is wrong with one. Later, a file that has changed and
    cannot be used leaves what was read before in force, and is told of once. Blacklists, which may be long, are read
    again beside what goes on, and used when they have been read whole. The Docker daemon at ``docker`` is followed as
    long as somebody is between :meth:`begin` and :meth:`end`.
    """

    def __init__(self, settings: EnrichmentSettings, docker: str) -> None:
        self._settings = settings
        self._docker = docker
        self._watcher: ContainerWatcher | None = None
        self._users = 0
        self._networks = Networks(settings)
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._broken = 0
        self._reader: threading.Thread | None = None
        self._reading = False
        self.knowledge = Knowledge(
            self._networks,
            {path: GeoFile(path) for path in settings.geo_files},
            open_vendors(settings.vendors_file),
            open_services(settings.services_file),
            ContainerTable() if settings.containers else None,
            {name: _open_list(path) for name, path in settings.blacklists.items()},
        )
        self._rejected = sum(each.rejected for each in self.knowledge.blacklists.lists.values())
        self._show()

    def begin(self, count: Callable[[str, int], None]) -> None:
        """Somebody enriches flows from now on; ``count`` takes what happens with the daemon, and bad lines of lists."""
        with self._lock:
            self._users += 1
            self._tell_rejected(count)
            containers = self.knowledge.containers
            if self._users == 1 and containers is not None:
                from capture.containers.watcher import ContainerWatcher  # noqa: PLC0415 - only where it is used

                self._watcher = ContainerWatcher(self._docker, containers, count)
                self._watcher.start(_PATIENCE)

    def end(self) -> None:
        """Somebody enriches no more."""
        with self._lock:
            self._users -= 1
            last = not self._users
            reader = self._reader
            if last and self._watcher is not None:
                self._watcher.stop()
                self._watcher = None
        if last and reader is not None:
            reader.join()

    def refresh(self, count: Callable[[str, int], None]) -> None:
        """Read again what has changed. ``count`` takes what happened: files read again, or not, and failed look-ups."""
        with self._lock:
            stamps = self._look()
            changed = {path for path, stamp in stamps.items() if stamp != self._stamps.get(path)}
            broken = self.knowledge.broken()
            if broken > self._broken:
                count("broken-entries", broken - self._broken)
            self._broken = broken
            settings = self._settings
            lists = changed.intersection(settings.blacklists.values())
            if lists and self._reading:
                # They are looked at again when those that are being read have been.
                changed -= lists
                lists = set()
            if not changed:
                return
            self._stamps = {path: stamps[path] if path in changed else self._stamps[path] for path in stamps}
            if lists:
                self._reading = True
                self._reader = threading.Thread(target=self._read_lists, args=(lists, count), name="blacklists")
                self._reader.start()
            if changed == lists:
                return
            before = self.knowledge
            reread = _Reading(changed, count)
            self.knowledge = Knowledge(
                self._networks,
                {path: reread(path, GeoFile, before.geo[path]) for path in settings.geo_files},
                reread(settings.vendors_file, open_vendors, before.vendors),
                reread(settings.services_file, open_services, before.services),
                before.containers,
                before.blacklists.lists,
            )
            self._broken = self.knowledge.broken()
            self._show()

    def _read_lists(self, changed: set[str], count: Callable[[str, int], None]) -> None:
        """Read these blacklists, while others go on with those of before."""
        # Nobody else changes the lists meanwhile.
        reread = _Reading(changed, count)
        lists = {
            name: reread(path, _open_list, self.knowledge.blacklists.lists[name])
            for name, path in self._settings.blacklists.items()
        }
        with self._lock:
            before = self.knowledge
            self._rejected += sum(
                each.rejected for name, each in lists.items() if each is not before.blacklists.lists[name]
            )
            self.knowledge = Knowledge(
                self._networks, before.geo, before.vendors, before.services, before.containers, lists
            )
            self._tell_rejected(count)
            self._show()
            self._reading = False

    def _tell_rejected(self, count: Callable[[str, int], None]) -> None:
        if self._rejected:
            count("list-lines-rejected", self._rejected)
            self._rejected = 0

    def _show(self) -> None:
        """Let Prometheus know how much there is, and of when."""
        knowledge, settings = self.knowledge, self._settings
        sizes = {path: len(knowledge.blacklists.lists[name]) for name, path in settings.blacklists.items()}
        if knowledge.vendors is not None:
            sizes[settings.vendors_file] = len(knowledge.vendors)
        if knowledge.services:
            sizes[settings.services_file] = len(knowledge.services)
        for path, size in sizes.items():
            metrics.ENTRIES.labels(path).set(size)
        for path, stamp in self._stamps.items():
            if stamp is not None:
                metrics.WRITTEN.labels(path).set(stamp[2] / 1e9)

    def _look(self) -> Mapping[str, _Stamp | None]:
        settings = self._settings
        named = (*settings.geo_files, settings.vendors_file, settings.services_file, *settings.blacklists.values())
        return {path: _stamp(path) for path in named if path}


class _Reading:
    """Reads files that have changed, and keeps what there was where one cannot be read."""

    def __init__(self, changed: set[str], count: Callable[[str, int], None]) -> None:
        self._changed = changed
        self._count = count

    def __call__(self, path: str, read: Callable[[str], Any], before: Any) -> Any:
        if path not in self._changed:
            return before
        try:
            found = read(path)
        except TaplineError as error:
            _log.warning("%s; what was read of it before stays in force", error)
            self._count("files-not-read", 1)
            return before
        _log.info("%s has changed and was read again", path)
        self._count("files-read-again", 1)
        return found


def _open_list(path: str) -> Blacklist:
    made = Blacklist(path)
    if made.rejected:
        others = f", as are {made.rejected - 1:,} other lines" if made.rejected > 1 else ""
        _log.warning("%s: left out%s", made.problem, others)
    return made


def _stamp(path: str) -> _Stamp | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
