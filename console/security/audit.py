"""The audit trail: who did what in the console, one JSON object a line."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from topics.errors import TaplineError

FILE_NAME: Final = "audit.jsonl"
MOST_BYTES: Final = 16 * 1024 * 1024
"""How long the file grows before it becomes ``audit.1.jsonl``, in place of the one that was that before."""

_SHOWN: Final = 1000
_MOST_TEXT: Final = 2000


class Deed(Struct, frozen=True, kw_only=True):
    """Something that was done, or tried: ``time`` in microseconds since the epoch, ``what`` a short word for it."""

    time: int
    who: str
    what: str
    about: str = ""
    detail: str = ""
    address: str = ""

    @property
    def moment(self) -> datetime:
        """When it was done."""
        return datetime.fromtimestamp(self.time / 1_000_000, UTC)


class Audit:
    """The trail in a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._newest: deque[Deed] = deque(maxlen=_SHOWN)

    def load(self) -> None:
        """Read the newest deeds; a line that was cut off by a power failure is passed over."""
        for path in (self._older(), self._path):
            try:
                with path.open("rb") as file:
                    for line in file:
                        try:
                            self._newest.append(msgspec.json.decode(line, type=Deed))
                        except msgspec.DecodeError:
                            continue
            except FileNotFoundError:
                continue
            except OSError as error:
                raise TaplineError(f"cannot read {path}: {error.strerror}") from error

    def write(self, who: str, what: str, about: str = "", detail: str = "", address: str = "") -> None:
        """Add a deed; :class:`TaplineError` where it cannot be written, and then it must not be done."""
        deed = Deed(
            time=time.time_ns() // 1000,
            who=who[:_MOST_TEXT],
            what=what,
            about=about[:_MOST_TEXT],
            detail=detail[:_MOST_TEXT],
            address=address,
        )
        with self._lock:
            try:
                if self._path.exists() and self._path.stat().st_size >= MOST_BYTES:
                    self._path.replace(self._older())
                with self._path.open("ab") as file:
                    self._path.chmod(0o600)
                    file.write(msgspec.json.encode(deed) + b"\n")
            except OSError as error:
                raise TaplineError(
                    f"cannot write the audit trail {self._path}: {error.strerror}: nothing was changed"
                ) from error
            self._newest.append(deed)

    def newest(self) -> list[Deed]:
        """The newest deeds, the last one first."""
        with self._lock:
            return list(reversed(self._newest))

    def _older(self) -> Path:
        return self._path.with_suffix(".1.jsonl")
