"""Script files that the workers run, or no longer."""

from __future__ import annotations

from collections.abc import Callable

from console.data.setting import Done
from console.errors import Missing, Mistake
from console.parts import Console
from topics.errors import TaplineError


def enable(console: Console, switch: str, author: str) -> Done:
    """Have the workers run a file, as ``tapline scripts enable``."""
    return _switch(console, switch, author, "enabled", console.workshop.enable)


def disable(console: Console, switch: str, author: str) -> Done:
    """Have the workers no longer run a file, as ``tapline scripts disable``."""
    return _switch(console, switch, author, "disabled", console.workshop.disable)


def _switch(console: Console, switch: str, author: str, what: str, act: Callable[[str], str]) -> Done:
    if not switch or all(script.switch != switch for script in console.workshop.scripts()):
        raise Missing(f"there is no script file {switch}")
    console.audit.write(author, what, f"script {switch}")
    try:
        said = act(switch)
    except TaplineError as error:
        raise Mistake(str(error)) from error
    except OSError as error:
        raise Mistake(f"{error.filename or switch} cannot be changed from here: {error.strerror}") from error
    console.hub.tell("workers")
    return Done(said=said, in_force=False)
