"""How much memory this process has, and a ceiling on it. Linux only; elsewhere nothing is known and nothing limited."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MEGABYTE: Final = 1 << 20


class ProcessMemory:
    """Reads the size of this process and keeps it from growing too much at once.

    The ceiling is the soft limit RLIMIT_DATA (private writable memory, setrlimit(2)): what would go
    beyond it fails with :class:`MemoryError` where it is asked for, before the memory is used. It holds
    only between :meth:`hold` and :meth:`lift`, since programs that are started inherit it.
    """

    def __init__(self) -> None:
        self._ceiling: tuple[int, int] | None = None
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self._held = False

    def resident_mb(self) -> float:
        """Resident memory in MiB; 0 where it is not known."""
        return self._read(1)

    def begin(self) -> None:
        """Take note of the limit there is, for :meth:`lift`."""
        if not self._held:
            self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def allow(self, megabytes: int) -> None:
        """Put the ceiling so much above the present size; 0 takes it away. A signal handler may call this."""
        data = self._read(5) if megabytes else 0
        limits = [limit for limit in self._before if limit != resource.RLIM_INFINITY]
        ceiling = min([int(data + megabytes) * _MEGABYTE, *limits])
        self._ceiling = (ceiling, self._before[1]) if data else None
        if self._held:
            self.hold()

    def hold(self) -> None:
        """Let the ceiling hold from here on."""
        if self._ceiling is not None:
            self._held = True
            try:
                resource.setrlimit(resource.RLIMIT_DATA, self._ceiling)
            except (OSError, ValueError):
                self._held, self._ceiling = False, None  # not for us to set here

    def lift(self) -> None:
        """Give back the limit there was before."""
        if self._held:
            self._held = False
            resource.setrlimit(resource.RLIMIT_DATA, self._before)

    def _read(self, column: int) -> float:
        try:
            return int(_STATM.read_bytes().split()[column]) * _PAGE / _MEGABYTE
        except (OSError, MemoryError):
            return 0.0
