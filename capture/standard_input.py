"""Spreading one stream to several engines."""

from __future__ import annotations

import os
import select
import shutil
import tempfile
from pathlib import Path
from typing import Final

from capture.packets.files import STANDARD_INPUT
from capture.source import Sink
from topics.errors import TaplineError

_CHUNK: Final = 1 << 16
_WAIT: Final = 0.2
_FOREVER: Final = 1 << 62


class Spread:
    """Copies standard input, or a FIFO, to one FIFO for each engine.

    It is a source that puts nothing, so that a node runs it beside the engines. ``paths`` are the
    FIFOs, there from :meth:`open` to the end of :meth:`run`. An engine that stops reading is left
    out from then on.
    """

    def __init__(self, path: str, readers: int) -> None:
        self._path = path
        self._readers = readers
        self._folder = ""
        self._stopping = False

    @property
    def name(self) -> str:
        """``spread``."""
        return "spread"

    @property
    def paths(self) -> list[str]:
        """Where the engines read."""
        return [str(Path(self._folder) / str(number)) for number in range(self._readers)]

    def open(self) -> None:
        """Make the FIFOs."""
        self._folder = tempfile.mkdtemp(prefix="tapline-")
        for path in self.paths:
            os.mkfifo(path, 0o600)

    def close(self) -> None:
        """Remove the FIFOs."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, sink: Sink) -> None:
        sink.advance(self.name, _FOREVER)
        outputs: list[int] = []
        source = -1
        try:
            for path in self.paths:
                output = self._open_output(path)
                if output >= 0:
                    outputs.append(output)
            if self._stopping:
                return
            source = self._open_source()
            while outputs and not self._stopping:
                if not select.select([source], [], [], _WAIT)[0]:
                    continue
                chunk = os.read(source, _CHUNK)
                if not chunk:
                    break
                for output in list(outputs):
                    if not self._write(output, chunk):
                        outputs.remove(output)
                        os.close(output)
        except OSError as problem:
            raise TaplineError(f"cannot read {self._path}: {problem.strerror}") from problem
        finally:
            # An engine may be waiting for us to open its FIFO; it is let go while the FIFO still has a name.
            outputs += [os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC) for path in self.paths[len(outputs) :]]
            self.close()
            for descriptor in [*outputs, source]:
                if descriptor >= 0:
                    os.close(descriptor)

    def stop(self) -> None:
        self._stopping = True

    def _open_source(self) -> int:
        """What is spread; opening a FIFO does not wait for its writer, reading does."""
        if self._path == STANDARD_INPUT:
            return os.dup(0)
        source = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(source, True)
        return source

    def _open_output(self, path: str) -> int:
        """The writing end of a FIFO, once its engine has opened the other."""
        while not self._stopping:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                select.select([], [], [], 0.02)
        return -1

    def _write(self, output: int, chunk: bytes) -> bool:
        view = memoryview(chunk)
        while view and not self._stopping:
            if not select.select([], [output], [], _WAIT)[1]:
                continue
            try:
                view = view[os.write(output, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False
        return True
