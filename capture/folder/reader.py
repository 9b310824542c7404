"""Reads the capture files that appear in a folder, each once."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from capture import metrics
from capture.folder import NAME
from capture.folder.complete import Completion, File
from capture.folder.leaving import Leaving
from capture.folder.memory import Finished, Memory
from capture.folder.settings import FolderSettings
from capture.node import CaptureNode
from capture.packets.files import Progress, check_readable
from capture.publisher import Publisher, PublishError
from capture.source import CutShort, Observation, Source, observe_file
from topics.errors import TaplineError

_WAIT: Final = 1.0
_SHARE: Final = 20
"""Of a processor's time one part of so many at most is spent on looking what is in the folder."""

_CHUNK: Final = 1 << 20
_GONE: Final = "rejected-files.gone"
_log = logging.getLogger("tapline.capture")


class Told(Protocol):
    """Who is told of each file."""

    def progress(self, name: str) -> Progress:
        """What the reader of this file calls with the number of bytes read."""

    def forget(self, name: str) -> None:
        """This file is not read after all."""

    def begin(self, name: str, node: CaptureNode) -> None:
        """This file is read now."""

    def end(self, name: str, node: CaptureNode, problem: str) -> None:
        """This file was read, whole or as far as the ``problem`` says."""


Opened = tuple[Observation, Sequence[Source]]

Opening = Callable[[str, Progress], Sequence[Opened]]
"""Opens the file of a path, as :func:`~capture.open.open_capture` does; what comes after that reads it once more."""


class FolderReader:
    """Reads the capture files of a folder, one after the other, until :meth:`stop`.

    A file is remembered as read when Kafka has all of it; one in whose middle the process was killed is read again,
    which comes to the same records in the same places. Files that cannot be read are counted in ``counts``, told of
    once, and looked at again when they change or the process starts again.

    The folder is polled: a notification of the kernel says nothing of what other machines write to a shared folder, and
    nothing happens when a file has been left alone for some seconds.
    """

    def __init__(
        self, folder: Path, settings: FolderSettings, opening: Opening, publisher: Publisher, told: Told
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._settings = settings
        self._opening = opening
        self._publisher = publisher
        self._told = told
        self._stopped = threading.Event()
        self._node: CaptureNode | None = None
        self._leaving = Leaving(folder, settings)
        self._passed_over: dict[Path, File] = {}

    def run(self) -> None:
        """Read what there is and what comes; :class:`TaplineError` when the folder or Kafka fails."""
        self._leaving.check()
        with Memory(self._settings.memory, self._folder) as memory:
            completion = Completion(self._folder, self._settings)
            least = min(_WAIT, self._settings.settled_seconds)
            while not self._stopped.is_set():
                began = time.thread_time()
                ready = self._ready(completion, memory)
                looked = time.thread_time() - began
                for file in ready:
                    self._take(file, memory)
                    if self._stopped.is_set():
                        return
                self._stopped.wait(max(least, _SHARE * looked))

    def stop(self) -> None:
        """Have :meth:`run` return soon, from any thread; a file that is not read whole is read again next time."""
        self._stopped.set()
        node = self._node
        if node is not None:
            node.stop()

    def _ready(self, completion: Completion, memory: Memory) -> list[File]:
        """The files that are to be read now, in order."""
        try:
            files = completion.files()
        except OSError as error:
            raise TaplineError(f"cannot look into {self._folder}: {error.strerror}") from error
        for gone in completion.lost(files):
            self._count(_GONE)
            _log.warning("%s", _gone(gone))
        present = {file.path.name for file in files}
        unread = []
        for file in files:
            before = memory.of(file.path.name)
            if before is not None and (before.size, before.modified) == (file.size, file.modified):
                self._leave(file)
            elif self._passed_over.get(file.path) != file:
                unread.append(file)
        ready = completion.complete(unread, files[-1]) if files else []
        # Only now: what was renamed is known by what it was called before.
        memory.prune(present)
        self._passed_over = {path: file for path, file in self._passed_over.items() if path.name in present}
        return ready

    def _take(self, file: File, memory: Memory) -> None:
        """Read a file, unless it cannot be read or holds what was read before."""
        name = str(file.path)
        problem = _unreadable(file)
        if problem is not None:
            self._pass_over(file, *problem)
            return
        try:
            before = memory.of(file.path.name)
            if before is not None and before.size < file.size and _begins_with(file.path, before):
                why = f"{name} has grown since it was read, its rest is not: raise capture.folder.settled_seconds"
                self._pass_over(file, "rejected-files.grown", why)
                return
            opened = self._opening(name, self._told.progress(name))
        except OSError as error:
            self._told.forget(name)
            self._pass_over(file, "rejected-files.unreadable", f"cannot read {name}: {error.strerror}")
            return
        except TaplineError as error:
            self._told.forget(name)
            self._pass_over(file, "rejected-files.failed", str(error))
            return
        stream = opened[0][0].stream
        if memory.has(stream):
            self._told.forget(name)
            self._count("twice")
            _log.info("%s holds what was read before", name)
        elif not self._read(file, opened):
            return
        memory.add(file.path.name, Finished(file.size, file.modified, stream))
        self._leave(file)

    def _read(self, file: File, opened: Sequence[Opened]) -> bool:
        """True when Kafka has all that can be read of a file."""
        name = str(file.path)
        cut_short = False
        for number, (observation, sources) in enumerate(opened):
            node = self._node = CaptureNode(observation, sources, self._publisher)
            if self._stopped.is_set():
                return False
            if number:
                self._told.progress(name)
            self._told.begin(name, node)
            problem = ""
            try:
                node.run()
            except PublishError:
                raise
            except CutShort as error:
                cut_short = True
                problem = str(error)
            except TaplineError as error:
                if not self._stopped.is_set():
                    self._passed_over[file.path] = file
                    self._count("rejected-files.failed")
                    self._told.end(name, node, str(error))
                return False
            if number == len(opened) - 1:
                self._count("files")
                if cut_short:
                    self._count("cut-short")
            self._told.end(name, node, problem)
        return True

    def _leave(self, file: File) -> None:
        """Do with a file that was read what is to be done with such."""
        if self._leaving.keeps or self._passed_over.get(file.path) == file:
            return
        try:
            now = file.path.stat()
            if (now.st_size, now.st_mtime_ns) != (file.size, file.modified):
                # Somebody writes to it again: it is read again when it is complete.
                return
            self._leaving.leave(file.path)
        except OSError as error:
            why = f"cannot {self._settings.finished} {file.path}, which was read: {error.strerror}"
            self._pass_over(file, "not-left", why)
        else:
            self._count(self._leaving.counted)

    def _pass_over(self, file: File, counter: str, why: str) -> None:
        self._passed_over[file.path] = file
        self._count(counter)
        _log.warning("%s", why)

    def _count(self, counter: str) -> None:
        self.counts[counter] += 1
        metrics.count(NAME, counter, 1)


def _gone(file: File) -> str:
    return f"{file.path} was removed or overwritten before it was read: keep more files"


def _unreadable(file: File) -> tuple[str, str] | None:
    """Why a file cannot be read as a capture: how it is counted, and what is said of it."""
    path = file.path
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "ignored-files.name", f"the name {str(path)!r} is not UTF-8: rename it"
    try:
        check_readable(str(path))
    except TaplineError as error:
        if not path.exists():
            return _GONE, _gone(file)
        if not os.access(path, os.R_OK):
            return "rejected-files.unreadable", str(error)
        return f"ignored-files.{'no-capture' if file.size else 'empty'}", str(error)
    return None


def _begins_with(path: Path, before: Finished) -> bool:
    """True when a file begins with all of what was read under its name."""
    digest, left = hashlib.sha256(), before.size
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return not left and observe_file("", "", digest.hexdigest()).stream == before.stream
