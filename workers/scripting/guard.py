"""Watching over scripts: a hook that takes too long or too much is ended, and only it.

An interval timer of the operating system (SIGALRM) ticks in the main thread while hooks run. The
handler looks which call is under way, and when that is the same one for too long it raises
:class:`Overrun` right there. A timer, because a thread would need the interpreter lock, which a
runaway regular expression does not give up; in the main thread, because the handler then sees where
the interpreter stands and raises only when that is inside the script. docs/explanation/script-runtime.md
tells the whole.
"""

from __future__ import annotations

import atexit
import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, Protocol, cast

import topics
from tapline.process.signals import Interrupted
from workers.scripting.budget import Budget
from workers.scripting.memory import ProcessMemory
from workers.scripting.standing import Tally

TICK: Final = 0.25
"""Seconds between two looks at what is running."""

_IDLE_TICKS: Final = 8
_ROOT: Final = str(Path(topics.__file__).parents[1])
_PROTECTED: Final = (
    *(f"{_ROOT}/{part}/" for part in ("topics", "workers", "tapline/process")),
    f"{_ROOT}/tapline/script.py",
    f"{_ROOT}/tapline/groups.py",
    logging.__file__,
)
"""Code that scripts call and that must not be left half way, since others rely on what it keeps."""

_log = logging.getLogger(__name__)

Hook = Callable[..., Any]
Failed = Callable[[str, BaseException, Any], None]
"""Told of a hook that raised: its name, what it raised, and what it was called with."""


class Overrun(BaseException):
    """Raised inside a hook that has used too much; the text says of what, and what to do.

    No :class:`Exception`, so that a script's own ``except Exception`` does not swallow it.
    """


class Instance(Protocol):
    """What the guard knows of a script's instance."""

    suspended: bool
    failures: int


class Clock(Protocol):
    """Event time, as scripts see it."""

    now: int


class Call:
    """A hook that is being called, with one argument or with many one after the other."""

    __slots__ = ("began", "budget", "iterator", "load", "tally")

    def __init__(self, tally: Tally, budget: Budget, *, load: bool = False) -> None:
        self.tally = tally
        self.budget = budget
        self.load = load
        self.iterator: Any = None
        self.began = 0.0

    def number(self) -> int:
        """Tells one call from the next."""
        return self.tally.calls if self.iterator is None else int(-self.iterator.__length_hint__())

    @property
    def limit(self) -> float:
        """Seconds one call may take."""
        settings = self.budget.settings
        return settings.load_seconds if self.load else settings.hook_seconds


class Watch:
    """Looks at the running call and ends it when it has used too much."""

    def __init__(self) -> None:
        self.running: Call | None = None
        self.armed = False
        self._memory = ProcessMemory()
        self._told: set[str] = set()
        self._previous: Any = signal.SIG_DFL
        self._allowed_mb = 0
        self._idle = 0
        self._seen: Call | None = None
        self._number = 0
        self._ticks = 0
        self._resident = 0.0

    def arm(self, budget: Budget) -> None:
        """Begin to tick, where this can be done; it ends by itself when no hook has run for a while."""
        if threading.current_thread() is not threading.main_thread():
            self._cannot("they do not run in the main thread")
            return
        handler = signal.getsignal(signal.SIGALRM)
        if handler not in (signal.SIG_DFL, signal.SIG_IGN) or signal.getitimer(signal.ITIMER_REAL)[0]:
            self._cannot("something else in this process uses SIGALRM")
            return
        self.armed = True
        self._idle = 0
        self._seen = None
        self._previous = handler
        self._allowed_mb = budget.settings.script_memory_mb
        self._memory.begin()
        self._memory.allow(self._allowed_mb)
        # An interpreter that ends gives up its handlers, and the next tick would kill it.
        atexit.unregister(self.disarm)
        atexit.register(self.disarm)
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)

    def disarm(self) -> None:
        """Stop ticking, from the main thread."""
        if self.armed and threading.current_thread() is threading.main_thread():
            self.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._previous)
            self._memory.allow(0)

    def enter(self, call: Call) -> Call | None:
        """A call begins; returns the one that it interrupts, for :meth:`leave`."""
        if not self.armed:
            self.arm(call.budget)
        outer, self.running = self.running, call
        if outer is None:
            self._memory.hold()
        return outer

    def leave(self, outer: Call | None) -> None:
        """The call is over."""
        self.running = outer
        if outer is None:
            self._memory.lift()

    def _cannot(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            _log.warning("hooks that take too long or too much memory are not ended here: %s", why)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        call = self.running
        if call is None:
            self._seen = None
            self._idle += 1
            if self._idle >= _IDLE_TICKS:
                self.disarm()
            else:
                self._memory.allow(self._allowed_mb)
            return
        self._idle = 0
        number = call.number()
        if call is not self._seen or (number != self._number and call.iterator is None):
            self._resident = self._memory.resident_mb()
            self._allowed_mb = call.budget.settings.script_memory_mb
            self._memory.allow(self._allowed_mb)
        if call is not self._seen or number != self._number:
            self._seen, self._number, self._ticks = call, number, 0
        self._ticks += 1
        call.budget.look()
        too_much = self._too_much(call)
        if too_much and _inside_script(frame):
            raise Overrun(too_much)

    def _too_much(self, call: Call) -> str:
        settings = call.budget.settings
        if self._ticks * TICK > call.limit:
            return too_long(call)
        if settings.script_memory_mb and self._memory.resident_mb() - self._resident > settings.script_memory_mb:
            return too_large(call.budget)
        if call.load:
            return ""
        used = call.budget.used(call.tally.script) + perf_counter() - call.began
        if used > settings.script_window_seconds:
            return (
                f"took more than {settings.script_window_seconds:g} s of one window: make it faster, let filters"
                " keep away what it does not need, or raise workers.script_window_seconds"
            )
        return ""


def too_long(call: Call) -> str:
    """What is said of a call that takes too long."""
    setting = "workers.load_seconds" if call.load else "workers.hook_seconds"
    return f"ran longer than {call.limit:g} s: do slow work with run_async, or raise {setting}"


def too_large(budget: Budget) -> str:
    """What is said of a call that takes too much memory."""
    megabytes = budget.settings.script_memory_mb
    return f"took more than {megabytes} MB of memory at once: keep less, or raise workers.script_memory_mb"


WATCH: Final = Watch()
"""That of this process: there is one main thread."""

_DISPATCH: Final[set[CodeType]] = set()
"""The functions below that call scripts: above their frames is the script, below is Tapline."""


_PASSED: Final[set[CodeType]] = set()
"""Functions of Tapline's through which a script runs more of its own code."""


def pass_through(*functions: Callable[..., Any]) -> None:
    """Let scripts that take too long be ended also in what these functions call; they keep nothing half done."""
    _PASSED.update(cast("FunctionType", function).__code__ for function in functions)


def _inside_script(frame: FrameType | None) -> bool:
    """True when the interpreter stands in a script, or in what it called that may be left half way."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if code in _DISPATCH:
            return frame is not innermost
        if code in _PASSED and frame is not innermost:
            frame = frame.f_back
            continue
        name = code.co_filename
        if name.startswith(_PROTECTED) or (frame is innermost and name.startswith("<frozen importlib")):
            return False
        frame = frame.f_back
    return False


def hook(function: Hook, instance: Instance, tally: Tally, budget: Budget, failed: Failed) -> Hook:
    """A script's function, made safe to call: it never raises, is counted and timed, and watched.

    It returns ``None`` where it raised or its script is suspended.
    """
    watch = WATCH
    call = Call(tally, budget)
    name = tally.hook

    def guarded(argument: Any) -> Any:
        if instance.suspended:
            return None
        tally.calls += 1
        outer = watch.enter(call)
        call.began = began = perf_counter()
        try:
            result = function(argument)
        except Interrupted:
            watch.leave(outer)
            raise
        except BaseException as error:  # noqa: BLE001 - a script may raise anything; the others go on
            watch.leave(outer)
            tally.seconds += perf_counter() - began
            failed(name, error, argument)
            return None
        watch.leave(outer)
        tally.seconds += perf_counter() - began
        instance.failures = 0
        return result

    _DISPATCH.add(guarded.__code__)
    return guarded


def each(
    function: Hook,
    items: list[Any],
    instance: Instance,
    tally: Tally,
    budget: Budget,
    failed: Failed,
    clock: Clock | None = None,
) -> None:
    """Call a script's function with one item after the other, as :func:`hook` would, for a fraction of the cost.

    The iterator knows how far it has come, so nothing has to be noted for each item. ``clock`` is set to the
    time of each.
    """
    if instance.suspended or not items:
        return
    watch = WATCH
    call = Call(tally, budget)
    iterator: Any = iter(items)
    call.iterator = iterator
    failed_at = 0
    call.began = perf_counter()
    outer = watch.enter(call)
    try:
        while iterator.__length_hint__() and not instance.suspended:
            try:
                if clock is None:
                    for item in iterator:
                        function(item)
                else:
                    for item in iterator:
                        clock.now = item.time
                        function(item)
            except Interrupted:
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                watch.leave(outer)
                done = len(items) - iterator.__length_hint__()
                if done > failed_at + 1:
                    instance.failures = 0
                failed_at = done
                failed(tally.hook, error, items[done - 1])
                watch.enter(call)
    finally:
        watch.leave(outer)
        tally.seconds += perf_counter() - call.began
        done = len(items) - iterator.__length_hint__()
        tally.calls += done
        if done > failed_at:
            instance.failures = 0


def once(function: Callable[[], Any], tally: Tally, budget: Budget) -> Any:
    """Call what loads or unloads a script; raises what it raises."""
    watch = WATCH
    call = Call(tally, budget, load=True)
    tally.calls += 1
    call.began = perf_counter()
    outer = watch.enter(call)
    try:
        return function()
    finally:
        watch.leave(outer)
        tally.seconds += perf_counter() - call.began


_DISPATCH.update((each.__code__, once.__code__))
