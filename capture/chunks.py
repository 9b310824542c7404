"""What a file, a FIFO or standard input holds, piece by piece."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Final

from capture.packets.files import STANDARD_INPUT, Progress
from topics.errors import TaplineError

_WAIT: Final = 0.2
_SIZE: Final = 1 << 18


class Chunks:
    """Reads one input, until its end or :meth:`stop`; to be iterated over once.

    Of a stream (``is_file`` is false) an empty chunk comes now and then, when nothing else does. ``progress`` is called
    with the bytes read so far. :class:`TaplineError` when it cannot be read.
    """

    def __init__(self, path: str, *, is_file: bool, progress: Progress | None = None) -> None:
        self.stopping = False
        self._path = path
        self._is_file = is_file
        self._progress = progress

    def stop(self) -> None:
        """Have the iteration end soon, from any thread."""
        self.stopping = True

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        try:
            descriptor = os.dup(0) if self._path == STANDARD_INPUT else os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                while not self.stopping:
                    if not self._is_file and not select.select([descriptor], [], [], _WAIT)[0]:
                        yield b""
                        continue
                    chunk = os.read(descriptor, _SIZE)
                    if not chunk:
                        return
                    yield chunk
                    read += len(chunk)
                    if self._progress is not None:
                        self._progress(read)
            finally:
                os.close(descriptor)
        except OSError as problem:
            raise TaplineError(f"cannot read {self._path}: {problem.strerror}") from problem
