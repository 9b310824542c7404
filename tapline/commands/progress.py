"""How far captures have come: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from capture.stored import SCHEMES as STORED
from tapline.commands.output import Progress
from tapline.process.readers import positions_of_children

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from capture.node import CaptureNode

_EVERY_SECONDS: Final = 0.25
_MEGABYTE: Final = 1_000_000
_SURE_AFTER: Final = 2.0
"""After how many seconds of reading a rate says something."""


class Reading:
    """How far one capture has been read, in bytes; ``size`` is 0 where that is not known beforehand.

    ``read`` is what the reader in this process has told. Where processes of their own read the file as well, it is the
    slowest that counts. ``clock`` is in seconds and only goes on.
    """

    def __init__(self, size: int, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = size
        self.read = 0
        self.node: CaptureNode | None = None
        self.task: TaskID | None = None
        self._file = file
        self._clock = clock
        self._began = clock()
        self._reached = 0

    def begin(self, node: CaptureNode) -> None:
        """It is read from now on."""
        self.node = node
        self._began = self._clock()

    def complete(self) -> None:
        """It was read to its end."""
        self._reached = self.size
        self._file = None

    def reached(self) -> int:
        """The bytes that every reader has read."""
        told = [self.read] if self.read else []
        others = positions_of_children(self._file) if self._file is not None else []
        now = min((*told, *others), default=0)
        self._reached = max(self._reached, min(now, self.size) if self.size else now)
        return self._reached

    def state(self) -> str:
        """How much was read of how much, how fast, how long it still takes; empty where that is not known."""
        reached = self.reached()
        if not self.size:
            return ""
        share = f"{100 * reached // self.size} % read"
        seconds = self._clock() - self._began
        if not reached or reached >= self.size or seconds < _SURE_AFTER:
            return share
        rate = reached / seconds
        return f"{share}, {rate / _MEGABYTE:,.1f} MB/s, {_time((self.size - reached) / rate)} left"


class CaptureProgress:
    """Shows the progress of captures while they run; a context manager."""

    def __init__(self) -> None:
        self._told: dict[str, Reading] = {}
        self._bars: Bars | None = None
        self._lines = Progress()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def reader(self, name: str) -> Callable[[int], None]:
        """What the reader of this capture calls with the number of bytes read so far."""
        path = _path(name)
        told = Reading(_size(path, deep=name.startswith(STORED)), path if path.is_file() else None)
        with self._lock:
            self._told[name] = told

        def take(read: int) -> None:
            told.read = read

        return take

    def begin(self, name: str, node: CaptureNode) -> None:
        """Show this capture from now on."""
        self._told[name].begin(node)

    def end(self, name: str) -> None:
        """This capture was read to its end."""
        self._told[name].complete()

    def forget(self, name: str) -> None:
        """Show this capture no longer."""
        with self._lock:
            told = self._told.pop(name, None)
            if told is not None and self._bars is not None and told.task is not None:
                self._bars.remove_task(told.task)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._bars.start()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        self._show()
        if self._bars is not None:
            self._bars.stop()
        self._lines.close()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            self._show()

    def _show(self) -> None:
        with self._lock:
            for name, told in self._told.items():
                if told.node is not None:
                    self._show_one(name, told, f"{sum(told.node.records.copy().values()):,} records")

    def _show_one(self, name: str, told: Reading, records: str) -> None:
        state = ", ".join(filter(None, (told.state(), records)))
        if self._bars is None:
            self._lines(f"{name}: {state}")
            return
        if told.task is None:
            told.task = self._bars.add_task(name, total=told.size or None, state="")
        self._bars.update(told.task, completed=told.reached(), state=state)


def _path(name: str) -> Path:
    """The file or folder that a source reads; one that is not there where it reads none."""
    path = Path(name)
    return path if path.exists() else Path(name.partition(":")[2] or name)


def _size(path: Path, *, deep: bool) -> int:
    """The bytes there are to read; of a folder, those of the files in it, ``deep`` also of those in its folders."""
    if path.is_file():
        return path.stat().st_size
    if not path.is_dir():
        return 0
    return sum(each.stat().st_size for each in (path.rglob("*") if deep else path.iterdir()) if each.is_file())


def _time(seconds: float) -> str:
    """A length of time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
