"""How far exporters had come, kept over restarts, so that what they sent in between shows as missing."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from capture.source import Settling, Sink

_WAIT: Final = 0.05
_PATIENCE: Final = 10.0
_log = logging.getLogger("tapline.capture")


class _Kept(Struct):
    expected: dict[str, Annotated[int, Meta(ge=0, lt=1 << 32)]]


_decoder = msgspec.json.Decoder(_Kept)


class KeptSequences:
    """One file in a folder for what listens at one address: the sequence number that comes next of each exporter.

    A number is kept once the sink has what came before it. So what a run that is killed had not handed over is missing
    for the next one; and so is what it handed over in its last half second. Processes that share the address
    share the file; ``most`` is how many exporters there may be.
    """

    def __init__(self, folder: str, observation_point: str, sink: Sink, most: int) -> None:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", observation_point).strip("-")
        self._path = Path(folder) / f"{name}.sequences"
        self._settling = sink if isinstance(sink, Settling) else None
        self._most = most
        self._failed = False
        self._written: dict[str, int] = {}
        self._waiting: tuple[int, dict[str, int]] | None = None
        self._seen = 0
        self._known: dict[str, int] = {}

    def expected(self, exporter: str) -> int:
        """The number that comes next of an exporter that was not heard of here before; -1 where it is not known."""
        try:
            modified = self._path.stat().st_mtime_ns
        except OSError:
            return -1
        if modified != self._seen:
            self._seen = modified
            self._known = self._read()
        return self._known.get(exporter, -1)

    def keep(self, reached: dict[str, int]) -> None:
        """Keep how far exporters have come now, when that is safe; called some times a second."""
        if self._waiting is not None:
            number, numbers = self._waiting
            if self._settling is not None and not self._settling.is_safe(number):
                return
            self._write(numbers)
            self._waiting = None
        news = {exporter: number for exporter, number in reached.items() if number != self._written.get(exporter, -1)}
        if news:
            self._waiting = (self._settling.send_all() if self._settling is not None else 0), news

    def finish(self, reached: dict[str, int]) -> None:
        """Keep how far exporters have come in the end, where that is safe within some seconds."""
        deadline = time.monotonic() + _PATIENCE
        self.keep(reached)
        while self._waiting is not None and time.monotonic() < deadline:
            time.sleep(_WAIT)
            self.keep(reached)

    def _write(self, numbers: dict[str, int]) -> None:
        """Put these into the file, beside those of the exporters that others hear."""
        self._written |= numbers
        if len(self._written) > self._most:
            self._written = dict(numbers)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".sequences-lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                others = {exporter: number for exporter, number in self._read().items() if exporter not in numbers}
                merged = {exporter: number for exporter, number in numbers.items() if number >= 0} | others
                written = self._path.with_suffix(f".sequences-{os.getpid()}")
                written.write_bytes(msgspec.json.encode(_Kept(dict(list(merged.items())[: self._most]))))
                written.replace(self._path)
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning("cannot keep in %s how far exporters have come: %s", self._path, error.strerror)
            self._failed = True

    def _read(self) -> dict[str, int]:
        try:
            return _decoder.decode(self._path.read_bytes()).expected
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("cannot use %s, what came while nobody listened is not counted: %s", self._path, error)
            return {}
