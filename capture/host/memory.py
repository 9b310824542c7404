"""The counters as they were last read, kept over restarts of the node."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from capture.host.reading import HostCounters

_log = logging.getLogger("tapline.capture")


class CounterMemory:
    """The file that keeps them, or none where ``path`` is empty.

    A file that cannot be read or written is told of once: what passed while the node was not running is then not
    known, and nothing else is wrong.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._told = False

    def load(self) -> HostCounters | None:
        """What was kept, ``None`` where nothing was."""
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=HostCounters)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            self._tell("read", error)
            return None

    def keep(self, counters: HostCounters) -> None:
        """Keep them in place of those before."""
        if self._path is None:
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(counters))
            fresh.replace(self._path)
        except OSError as error:
            self._tell("write", error)

    def _tell(self, what: str, error: Exception) -> None:
        if not self._told:
            self._told = True
            why = getattr(error, "strerror", None) or str(error)
            _log.warning(
                "cannot %s %s: %s: what passes while the node is not running is missing", what, self._path, why
            )
