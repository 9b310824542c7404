"""Whether a process is alive, in the sense that it makes progress, and whether it is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Component:
    """One part of a process that can stand still, as ``consumer`` or ``publisher``.

    It calls :meth:`progress` whenever it did something or found nothing to do, at least every
    ``stall_seconds``; silence beyond that means it hangs. Safe to call from any thread.
    """

    def __init__(self, name: str, stall_seconds: float, clock: Callable[[], float]) -> None:
        self.name = name
        self.stall_seconds = stall_seconds
        self._clock = clock
        self._last = clock()
        self._ready = False
        self._problem = ""

    def progress(self) -> None:
        """Say that work was done, or that there was none."""
        self._last = self._clock()

    def ready(self, *, is_ready: bool = True) -> None:
        """Say whether the component can take work (connected, state loaded)."""
        self._ready = is_ready
        self.progress()

    def problem(self, text: str) -> None:
        """Say what keeps the component from working; ``""`` when it is over."""
        self._problem = text

    def state(self) -> dict[str, str | float | bool]:
        """What a reader of the health pages sees."""
        silent = self._clock() - self._last
        return {
            "alive": silent <= self.stall_seconds,
            "ready": self._ready and not self._problem,
            "silent_seconds": round(silent, 1),
            "problem": self._problem,
        }


class Health:
    """The components of a process and their verdict."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._components: dict[str, Component] = {}

    def component(self, name: str, *, stall_seconds: float = 60.0) -> Component:
        """Add a component, or return the one of this name."""
        with self._lock:
            if name not in self._components:
                self._components[name] = Component(name, stall_seconds, self._clock)
            return self._components[name]

    def states(self) -> dict[str, dict[str, str | float | bool]]:
        """The state of every component."""
        with self._lock:
            components = list(self._components.values())
        return {component.name: component.state() for component in components}

    def alive(self) -> bool:
        """True unless a component stands still."""
        return all(state["alive"] for state in self.states().values())

    def ready(self) -> bool:
        """True when every component can take work, and there is one."""
        states = self.states()
        return bool(states) and all(state["ready"] for state in states.values())
