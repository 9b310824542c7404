"""How far captures have come: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tapline.commands.output import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from capture.node import CaptureNode

_EVERY_SECONDS: Final = 0.25


class _Told:
    """What is known of one capture: the bytes read of it, of how many, and its node."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0
        self.node: CaptureNode | None = None
        self.task: TaskID | None = None


class CaptureProgress:
    """Shows the progress of captures while they run; a context manager."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._bars: Bars | None = None
        self._lines = Progress()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def reader(self, name: str) -> Callable[[int], None]:
        """What the reader of this capture calls with the number of bytes read so far."""
        path = Path(name)
        told = self._told[name] = _Told(path.stat().st_size if path.is_file() else 0)

        def take(read: int) -> None:
            told.read = read

        return take

    def begin(self, name: str, node: CaptureNode) -> None:
        """Show this capture from now on."""
        self._told[name].node = node

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
        for name, told in self._told.items():
            if told.node is None:
                continue
            state = f"{sum(told.node.records.copy().values()):,} records"
            if self._bars is None:
                share = f"{100 * told.read // told.size} % read, " if told.size else ""
                self._lines(f"{name}: {share}{state}")
            else:
                if told.task is None:
                    told.task = self._bars.add_task(name, total=told.size or None, state="")
                self._bars.update(told.task, completed=told.read, state=state)
