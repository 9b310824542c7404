"""The scripts of one monitor type on one partition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tapline.groups import Directories
from tapline.script import Script
from workers.counting.interest import writes
from workers.environment import Environment
from workers.scripting.flushing import FlushPlan, Select, Voter
from workers.scripting.guard import WATCH, Hook
from workers.scripting.hosted import HostedScript
from workers.scripting.jobs import Job, jobs_done
from workers.scripting.runtime import WindowRuntime
from workers.scripting.scripts import LoadedScript


class ScriptHost:
    """The scripts of one monitor type on one partition.

    With ``hooks`` only those that write one of these. They can change while it runs (:meth:`swap`): each
    change makes a new ``generation`` of them and calls what is in ``changed``, for those who remember
    anything of the scripts.
    """

    def __init__(
        self, environment: Environment, base: type[Script], instance: str, hooks: tuple[str, ...] = ()
    ) -> None:
        self._base = base
        self._only = hooks
        self._environment = environment
        self.generation = 0
        self.scripts = [HostedScript(script, environment) for script in self._wanted_scripts()]
        self.runtime = WindowRuntime(environment, instance)
        self.changed: list[Callable[[], None]] = []
        self.companions: list[ScriptHost] = []
        """Hosts of other types on the same partition; they start and stop with this one."""

        self._attached: dict[str, list[HostedScript]] = {}
        self._wanted: dict[str, bool] = {}
        self._calls: dict[str, list[Hook]] = {}

    @property
    def groups(self) -> Directories:
        """All groups there are."""
        return self._environment.scripts.groups

    def start(self) -> None:
        """Make the instances and let them load; one that declines or fails stays out of service."""
        for companion in self.companions:
            companion.start()
        for hosted in self.scripts:
            hosted.load(self.runtime)
        self._environment.hosts.append(self)
        self._forget()

    def stop(self) -> None:
        """Let the instances unload."""
        for companion in self.companions:
            companion.stop()
        if self in self._environment.hosts:
            self._environment.hosts.remove(self)
        for hosted in self.scripts:
            hosted.unload()
        self._forget()
        WATCH.disarm()

    def swap(self) -> None:
        """Go over to the scripts now in force: those that are gone unload, new ones load, the others go on."""
        wanted = self._wanted_scripts()
        before = {id(hosted.script): hosted for hosted in self.scripts}
        staying = {id(script) for script in wanted}
        if len(wanted) == len(before) and staying == before.keys():
            self.runtime.know(self.groups)
            self._forget()
            return
        for identity, hosted in before.items():
            if identity not in staying:
                hosted.unload()
        self.generation += 1
        self.runtime.know(self.groups)
        scripts = []
        for script in wanted:
            hosted = before.get(id(script)) or HostedScript(script, self._environment, self.generation)
            if id(script) not in before:
                hosted.load(self.runtime)
            scripts.append(hosted)
        self.scripts = scripts
        self._forget()

    def attached(self, hook: str) -> list[HostedScript]:
        """The scripts at work that have written this hook."""
        found = self._attached.get(hook)
        if found is None:
            found = self._attached[hook] = [
                hosted for hosted in self.scripts if hosted.monitor is not None and hosted.overrides(hook, self._base)
            ]
        return found

    def hooks(self, name: str, select: Select | None = None) -> list[Hook]:
        """The hooks of this name that scripts have written, guarded; ``select`` picks among the scripts."""
        return [hosted.hook(name) for hosted in self.attached(name) if select is None or select(hosted.script.monitor)]

    def wants(self, hook: str) -> bool:
        """True when some script has written this hook."""
        found = self._wanted.get(hook)
        if found is None:
            found = self._wanted[hook] = any(hosted.overrides(hook, self._base) for hosted in self.scripts)
        return found

    def call(self, hook: str, argument: Any) -> None:
        """Call this hook of every script that has written it."""
        calls = self._calls.get(hook)
        if calls is None:
            calls = self._calls[hook] = self.hooks(hook)
        for call in calls:
            call(argument)

    def flush_plan(self, select: Select | None = None, generation: int | None = None) -> FlushPlan:
        """What happens to one item when its window is flushed: the filters' vote, then ``on_flush``.

        ``generation`` leaves out the scripts that have come since.
        """
        flushing = [
            hosted.hook("on_flush")
            for hosted in self._working(select, generation)
            if hosted.overrides("on_flush", self._base)
        ]
        return FlushPlan(self.voters("flush_filter", select, generation), tuple(flushing))

    def voters(self, name: str, select: Select | None = None, generation: int | None = None) -> tuple[Voter, ...]:
        """The scripts at work, with their filter of this name where they have one; nobody where none has."""
        found = [
            Voter(hosted, hosted.hook(name) if hosted.overrides(name, self._base) else None)
            for hosted in self._working(select, generation)
        ]
        return tuple(found) if any(voter.wanted is not None for voter in found) else ()

    def _working(self, select: Select | None, generation: int | None) -> list[HostedScript]:
        return [
            hosted
            for hosted in self.scripts
            if hosted.monitor is not None
            and (select is None or select(hosted.script.monitor))
            and (generation is None or hosted.born <= generation)
        ]

    def finish(self, job: Job) -> None:
        """Give a script of this host what its job returned; that it raised or is not done is the script's error."""
        hosts = (self, *self.companions)
        owner = next((hosted for host in hosts for hosted in host.scripts if hosted.monitor is job.script), None)
        if owner is None:
            job.future.cancel()
            jobs_done.labels(job.script.script_name, "unloaded").inc()
        else:
            self._finish(owner, job)

    def _finish(self, hosted: HostedScript, job: Job) -> None:
        outcomes = jobs_done.labels
        script = hosted.script.name
        if not job.future.done():
            job.future.cancel()
            outcomes(script, "late").inc()
            late = TimeoutError("the window does not wait longer for a job (workers.async_seconds)")
            hosted.failed("run_async", late, None)
            return
        error = job.future.exception()
        if error is not None:
            outcomes(script, "failed").inc()
            hosted.failed("run_async", error, None)
            return
        outcomes(script, "done").inc()
        then, result = job.then, job.future.result()
        if then is not None and not hosted.suspended:
            hosted.run("run_async", partial(then, result))

    def _wanted_scripts(self) -> list[LoadedScript]:
        found = self._environment.scripts.of(self._base)
        return [s for s in found if writes(s.monitor, self._base, *self._only)] if self._only else found

    def _forget(self) -> None:
        """Look at the scripts anew."""
        self._attached.clear()
        self._wanted.clear()
        self._calls.clear()
        for changed in self.changed:
            changed()
