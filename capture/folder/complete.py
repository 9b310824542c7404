"""Which files of a folder nobody writes to any more."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from capture.folder.settings import FolderSettings

_UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".crdownload")
"""How names end that a file has until it is there whole."""


class File(Struct, frozen=True):
    """A file as it is now: ``modified`` and ``changed`` (its status) are in epoch nanoseconds, ``size`` in bytes."""

    path: Path
    inode: int
    size: int
    modified: int
    changed: int


class Completion:
    """Tells which files of a folder are complete.

    A file that was renamed into the folder, or that its writer has closed, is complete when it has stayed as it is for
    a while. Names that begin with a dot, or end as those of unfinished transfers do, are not looked at, nor are folders
    within the folder. ``clock`` is in seconds and only goes on.
    """

    def __init__(self, folder: Path, settings: FolderSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._since: dict[Path, tuple[File, float]] = {}

    def files(self) -> list[File]:
        """All files there are, those that were written first coming first; :class:`OSError` without a folder."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                    continue
                try:
                    if not entry.is_file():
                        continue
                    status = entry.stat()
                except FileNotFoundError:
                    # It was renamed or removed since.
                    continue
                found.append(
                    File(Path(entry.path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                )
        found.sort(key=lambda file: (file.modified, file.path))
        return found

    def lost(self, files: list[File]) -> list[File]:
        """Those that were not complete when :meth:`complete` was asked last, and of which there is less or nothing now.

        What was renamed is there still.
        """
        sizes = {file.inode: file.size for file in files}
        return [before for before, _ in self._since.values() if sizes.get(before.inode, -1) < before.size]

    def complete(self, unread: list[File], newest: File) -> list[File]:
        """Those of ``unread`` that are complete; ``newest`` is the newest file of the folder."""
        now = self._clock()
        since: dict[Path, tuple[File, float]] = {}
        complete = []
        for file in unread:
            before = self._since.get(file.path)
            seen = before if before is not None and before[0] == file else (file, now)
            if self._is_complete(file, now - seen[1], newest):
                complete.append(file)
            else:
                since[file.path] = seen
        self._since = since
        return complete

    def _is_complete(self, file: File, unchanged: float, newest: File) -> bool:
        if unchanged < self._settings.settled_seconds:
            return False
        written = is_written(file.path)
        return not (written or (written is None and file == newest and unchanged < self._settings.newest_seconds))


def is_written(path: Path) -> bool | None:
    """True where a program has this file open for writing, None where the kernel does not say.

    The kernel grants a lease on a file (fcntl(2), ``F_SETLEASE``) to its owner and to root when nobody writes to it;
    other machines that have it mounted are not among those it knows of.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Whoever opens the file meanwhile has us told by a signal; this one is ignored where nobody asks for it.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False
