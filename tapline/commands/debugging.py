"""`breakpoint()` in a script that is tried."""

from __future__ import annotations

import bdb
import os
import pdb  # noqa: T100 - this is what it is for
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.environment import ScriptError
from workers.scripting.guard import WATCH


@contextmanager
def breakpoints() -> Iterator[None]:
    """Within the block, a hook that stands in the debugger does not count as one that takes too long."""
    before = sys.breakpointhook

    def stop(*arguments: Any, **options: Any) -> Any:
        WATCH.running = None
        if "PYTHONBREAKPOINT" in os.environ:
            return before(*arguments, **options)
        pdb.Pdb().set_trace(sys._getframe(1))  # noqa: SLF001 - as the standard hook does
        return None

    sys.breakpointhook = stop
    try:
        yield
    finally:
        sys.breakpointhook = before


def quit_asked_for(error: ScriptError) -> bool:
    """True when it was the debugger that was told to quit."""
    return isinstance(error.error, bdb.BdbQuit)
