"""What scripts print and log: as much as they may in a window, and no more."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Final

from tapline.process.printable import printable
from workers.scripting.budget import Budget
from workers.scripting.guard import WATCH

_MAIN: Final = threading.main_thread().ident


class ScriptOutput:
    """Stands in for ``print`` in a script's file.

    What is printed counts for the script whose hook runs, elsewhere (in a thread) for the file's first one.
    """

    def __init__(self, script: str) -> None:
        self.script = script
        self.budget: Budget | None = None

    def __call__(self, *values: Any, sep: str | None = None, end: str | None = None, **options: Any) -> None:
        """Print, as the built-in function does, but for control characters.

        What goes to a file of the script's own is not looked at.
        """
        if options and options.get("file") not in (None, sys.stdout, sys.stderr):
            print(*values, sep=sep, end=end, **options)  # noqa: T201 - this is print
            return
        text = f"{values[0]}\n" if len(values) == 1 and end is None else _joined(values, sep, end)
        if may_print(self.script, len(text), self.budget):
            print(printable(text), end="", **options)  # noqa: T201 - this is print


class LogLimit(logging.Filter):
    """Keeps a script's logger from writing more than a script may print."""

    def __init__(self, script: str) -> None:
        super().__init__()
        self._script = script
        self.budget: Budget | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        return may_print(self._script, len(record.getMessage()), self.budget)


def _joined(values: tuple[Any, ...], sep: str | None, end: str | None) -> str:
    return (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)


def limit_log(script: str, budget: Budget) -> None:
    """Have the logger of this script (:attr:`tapline.script.Script.log`) keep to the budget."""
    logger = logging.getLogger(f"tapline.scripts.{script}")
    limit = next((each for each in logger.filters if isinstance(each, LogLimit)), None)
    if limit is None:
        limit = LogLimit(script)
        logger.addFilter(limit)
    limit.budget = budget


def may_print(script: str, size: int, budget: Budget | None) -> bool:
    """Whether the script that prints now, or else this one, may print so much."""
    call = WATCH.running
    if call is not None and threading.get_ident() == _MAIN:
        return call.budget.may_print(call.tally.script, size)
    return budget is None or budget.may_print(script, size)
