"""One instance of a script: loaded, called safely, failing, suspended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from tapline.checks.base import Check
from tapline.process.signals import Interrupted
from tapline.script import Script
from topics.partitions import digest
from workers.counting.interest import writes
from workers.environment import Environment, Notice, ScriptError
from workers.scripting import guard
from workers.scripting.errors import said
from workers.scripting.guard import Hook, Overrun
from workers.scripting.runtime import WindowRuntime
from workers.scripting.scripts import LoadedScript
from workers.scripting.standing import STANDING, InstanceState, State

FAILURES_IN_A_ROW: Final = 10
"""After so many errors one after the other a script is taken out of service."""

SUSPENDED_ALERT: Final = "script-suspended"
_AGAIN: Final = "it is loaded again when its file changes"

_log = logging.getLogger(__name__)


class HostedScript:
    """A script's instance on one partition and how it fares.

    ``born`` is the generation of its host's scripts with which it came: it sees what has come since.
    """

    def __init__(self, script: LoadedScript, environment: Environment, born: int = 0) -> None:
        self.script = script
        self.born = born
        self.monitor: Script | None = None
        self.failures = 0
        self.suspended = False
        self._environment = environment
        self._budget = environment.budget
        self._hooks: dict[str, Hook] = {}

    def overrides(self, hook: str, base: type[Script]) -> bool:
        """True when the script writes this hook itself."""
        return writes(self.script.monitor, base, hook)

    def load(self, runtime: WindowRuntime) -> None:
        """Make the instance and let it load; one that declines or fails stays out of service."""
        script = self.script
        self._runtime = runtime
        script.fate.instances.append(self)
        if script.fate.suspended:
            self._stop_calling("suspended", script.fate.suspended)
            return
        try:
            monitor = self._once("__init__", script.create)
            monitor.runtime = runtime
            script.prepare(self._budget)
            declined = self._declined(monitor)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - a script may raise anything; the others go on
            place = self._told("on_load", error, None)
            self._suspend(f"it could not be loaded, at {place}: {_text(error)}", whole=isinstance(error, Overrun))
            return
        if declined:
            self._stop_calling("declined", declined)
            return
        self.monitor = monitor
        self._stand("running", "")

    def _declined(self, monitor: Script) -> str:
        """Let an instance begin; why it does not want to, empty when it does."""
        if isinstance(monitor, Check) and monitor.nedge_only:
            return "it is for devices that forward traffic (nedge_only), and this is none"
        if self.overrides("on_load", Script) and self._once("on_load", monitor.on_load) is False:
            return "on_load returned False"
        if isinstance(monitor, Check) and self.overrides("setup", Check):
            return "setup returned False" if self._once("setup", monitor.setup) is False else ""
        return ""

    def unload(self) -> None:
        """Let the instance unload."""
        if isinstance(self.monitor, Check) and self.overrides("teardown", Check):
            self.run("teardown", self.monitor.teardown)
        if self.monitor is not None and self.overrides("on_unload", Script):
            self.run("on_unload", self.monitor.on_unload)
        self.monitor = None
        self._hooks = {}
        if self in self.script.fate.instances:
            self.script.fate.instances.remove(self)
        STANDING.instance(id(self), None)

    def hook(self, name: str) -> Hook:
        """The hook of this name, safe to call: it never raises, is counted, timed and watched."""
        found = self._hooks.get(name)
        if found is None:
            found = self._hooks[name] = self.guarded(name, getattr(self.monitor, name))
        return found

    def guarded(self, name: str, function: Hook) -> Hook:
        """A function of the script's, safe to call as its hook of this name."""
        return guard.hook(function, self, STANDING.tally(self.script.name, name), self._budget, self.failed)

    def each(self, name: str, items: list[Any], runtime: WindowRuntime | None = None) -> None:
        """Call a hook with one item after the other; ``runtime`` is then at each item's time."""
        tally = STANDING.tally(self.script.name, name)
        guard.each(getattr(self.monitor, name), items, self, tally, self._budget, self.failed, runtime)

    def looked_at(self, name: str, items: int) -> None:
        """Count calls that were not needed, since it was clear what they would have come to."""
        STANDING.tally(self.script.name, name).calls += items

    def chosen(self, name: str, items: list[Any]) -> list[Any]:
        """What a method of the script makes of a list of items; nothing where it raised or is suspended.

        That it did not raise says nothing of the hooks: those have to fare well themselves.
        """
        failures = self.failures
        found = self.hook(name)(items)
        if found is None:
            return []
        self.failures = failures
        return list(found)

    def answers(self, name: str, items: list[Any]) -> list[tuple[Any, Any]]:
        """Call a hook with one item after the other; the items it has an answer for that is true, with that."""
        found: list[tuple[Any, Any]] = []
        function = getattr(self.monitor, name)

        def keep(item: Any) -> None:
            answer = function(item)
            if answer:
                found.append((item, answer))

        guard.pass_through(keep)
        guard.each(keep, items, self, STANDING.tally(self.script.name, name), self._budget, self.failed)
        return found

    def run(self, name: str, function: Callable[[], Any]) -> Any:
        """Call a function of the script that is no hook of its records; ``None`` where it raised."""
        try:
            return self._once(name, function)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self.failed(name, error, None)
            return None

    def failed(self, hook: str, error: BaseException, argument: Any) -> None:
        """Take note of a hook that raised: told, counted, and suspended where it is too much."""
        place = self._told(hook, error, argument)
        self.failures += 1
        if self.suspended:
            return
        called = "" if argument is None else f"; it was called with {_shown(argument)}"
        if isinstance(error, Overrun):
            self._suspend(f"{hook} at {place} {error}{called}", whole=True)
        elif isinstance(error, MemoryError):
            self._suspend(f"{hook} at {place} {guard.too_large(self._budget)}{called}", whole=True)
        elif self.failures >= FAILURES_IN_A_ROW:
            text = f"{hook} raised {FAILURES_IN_A_ROW} times in a row, last at {place}: {_text(error)}{called}"
            self._suspend(text, whole=False)

    def _once(self, name: str, function: Callable[[], Any]) -> Any:
        return guard.once(function, STANDING.tally(self.script.name, name), self._budget)

    def _told(self, hook: str, error: BaseException, argument: Any) -> str:
        script = self.script
        place = script.where(error)
        tally = STANDING.tally(script.name, hook)
        tally.errors += 1
        tally.last_error = f"{place}: {_text(error)}"
        self._environment.failed(ScriptError(script.name, hook, place, error, argument))
        _log.error("script %s failed in %s at %s: %s", script.name, hook, place, _text(error))
        return place

    def _suspend(self, why: str, *, whole: bool) -> None:
        """Take the script out of service, as a ``whole`` in all its instances of this process, and say so."""
        name = self.script.name
        if whole:
            self.script.fate.suspended = why
        for instance in list(self.script.fate.instances) if whole else [self]:
            instance._stop_calling("suspended", why)  # noqa: SLF001 - of the same class
        message = f"script {name} is suspended: {why}; {_AGAIN}"
        _log.error("%s", message)
        identity = digest("suspended", self._runtime.instance, name, why)
        self._environment.notices.append(Notice(SUSPENDED_ALERT, message, name, name, identity))

    def _stop_calling(self, state: State, why: str) -> None:
        self.suspended = True
        self._stand(state, why)

    def _stand(self, state: State, why: str) -> None:
        STANDING.instance(id(self), InstanceState(self.script.name, str(self.script.path), state, why))


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, Overrun) else said(error)


def _shown(argument: Any) -> str:
    try:
        return f"{argument!r:.500}"
    except Exception as error:  # noqa: BLE001 - a script may have put anything into its record
        return f"a {type(argument).__name__} that cannot be shown ({error!r:.100})"
