"""Finding scripts: Python files with classes of a monitor or check type."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from inspect import isabstract
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from tapline.checks.base import Check
from tapline.checks.hooks import written
from tapline.groups import AnyGroup, Directories
from tapline.monitors import CounterMonitor, FlowTracker, Monitor
from tapline.process.signals import Interrupted, told_apart
from tapline.script import Script
from topics.errors import TaplineError
from topics.partitions import digest
from workers.counting.groups import GROUPS
from workers.counting.interest import CounterInterest
from workers.counting.tracker_settings import tracker_settings
from workers.scripting.approval import EVERYTHING, Approval, NotApproved
from workers.scripting.attributes import misdeclared, name_of, type_of
from workers.scripting.budget import Budget
from workers.scripting.errors import said
from workers.scripting.guard import Overrun, once
from workers.scripting.helpers import Helpers, folder_of, is_helper
from workers.scripting.output import ScriptOutput, limit_log
from workers.scripting.standing import Tally
from workers.settings import WorkersSettings


class NoScript(TaplineError):
    """A file that defines nothing to run."""


class ScriptFate:
    """What becomes of a script in this process: its instances, and why all of them are suspended, if they are."""

    def __init__(self) -> None:
        self.instances: list[Any] = []
        self.suspended = ""


@dataclass(frozen=True)
class LoadedScript:
    """One monitor class of a script file, with the parameters it runs with.

    ``configured`` are those of the configuration where the policy sets others.
    """

    name: str
    path: Path
    monitor: type[Script]
    params: Any
    output: ScriptOutput | None = field(default=None, compare=False, repr=False)
    fate: ScriptFate = field(default_factory=ScriptFate, compare=False, repr=False)
    helpers: Helpers | None = field(default=None, compare=False, repr=False)
    configured: Any = field(default=None, compare=False, repr=False)

    def create(self) -> Script:
        """A new instance, not yet loaded."""
        instance = self.monitor.__new__(self.monitor)
        # A constructor of the script's own is to see the parameters as they are set.
        instance.params = self.params
        instance.folder = folder_of(self.path)
        instance.__init__()  # type: ignore[misc]
        return instance

    def where(self, error: BaseException) -> str:
        """``file:line`` of the innermost place of an error in the script or what it imports from its folder."""
        return where(error, self.path, self.helpers.paths if self.helpers is not None else ())

    def prepare(self, budget: Budget) -> None:
        """Have what the script prints and logs keep to this budget."""
        limit_log(self.name, budget)
        if self.output is not None:
            self.output.budget = budget


@dataclass(frozen=True)
class ScriptSet:
    """The scripts a worker runs and all groups there are: Tapline's and those that scripts define."""

    scripts: tuple[LoadedScript, ...]
    groups: Directories

    def of(self, base: type[Script]) -> list[LoadedScript]:
        """The scripts of one monitor type."""
        return [script for script in self.scripts if issubclass(script.monitor, base)]

    @cached_property
    def interest(self) -> CounterInterest:
        """What the counter scripts ask for."""
        monitors = [script.monitor for script in self.scripts if issubclass(script.monitor, CounterMonitor)]
        return CounterInterest(monitors, self.groups.counters)


@dataclass(frozen=True, eq=False)
class ScriptFile:
    """A script file as it was when it was read: what it defines, and the module that holds it."""

    path: Path
    content: bytes = field(repr=False)
    module: ModuleType
    scripts: tuple[LoadedScript, ...]
    groups: tuple[AnyGroup, ...]
    helpers: Helpers = field(repr=False)

    def forget(self) -> None:
        """Drop the module and those it has imported; what still uses its classes can go on doing so."""
        self.helpers.forget()
        if sys.modules.get(self.module.__name__) is self.module:
            del sys.modules[self.module.__name__]


def script_paths(folders: Iterable[str | Path]) -> list[Path]:
    """The script files of these folders, by name; folders that do not exist hold none."""
    return [path for folder in folders for path in sorted(Path(folder).glob("*.py")) if path.name[0] not in "_."]


def load_folders(folders: Iterable[str | Path], params: Mapping[str, Mapping[str, Any]]) -> ScriptSet:
    """Every script of these folders, by file name; folders that do not exist hold none."""
    return load_files(script_paths(folders), params)


def load_files(
    paths: Iterable[Path], params: Mapping[str, Mapping[str, Any]], approval: Approval = EVERYTHING
) -> ScriptSet:
    """The monitors and groups of these files; :class:`TaplineError` with file and line when one cannot be used.

    Those that define nothing to run, and are there for others to import, are left out.
    """
    budget = Budget(WorkersSettings())
    files: list[ScriptFile] = []
    nothing: NoScript | None = None
    for path in paths:
        try:
            file = load_file(path, params, budget, Helpers(path, approval), approval)
        except NoScript as error:
            if not is_helper(path):
                raise
            nothing = error
            continue
        problem = unusable(file, files)
        if problem:
            raise TaplineError(problem)
        files.append(file)
    if nothing is not None and not files:
        raise nothing
    return script_set(files)


def script_set(files: Iterable[ScriptFile]) -> ScriptSet:
    """All that these files define."""
    found: list[LoadedScript] = []
    groups = Directories(GROUPS)
    for file in files:
        found += file.scripts
        for group in file.groups:
            groups.add(group)
    return ScriptSet(tuple(found), groups)


def unusable(file: ScriptFile, others: Iterable[ScriptFile]) -> str:
    """Why a file cannot run beside these others, though it could be read; empty when it can.

    That is a name that another script goes by, or something declared that no worker can use.
    """
    taken = {script.name: other.path for other in others for script in other.scripts}
    own: dict[str, str] = {}
    for script in file.scripts:
        for problem in misdeclared(script.monitor):
            return f"{file.path}: {script.monitor.__name__}: {problem}"
        if script.name in taken:
            return f"{file.path}: {taken[script.name]} has a script {script.name} too: give one another `name`"
        if script.name in own:
            both = f"{own[script.name]} and {script.monitor.__name__}"
            return f"{file.path}: {both} are both named {script.name}: give one another `name`"
        own[script.name] = script.monitor.__name__
    return ""


def load_file(
    path: Path,
    params: Mapping[str, Mapping[str, Any]],
    budget: Budget,
    helpers: Helpers | None = None,
    approval: Approval = EVERYTHING,
) -> ScriptFile:
    """Run a script file and see what it defines; :class:`TaplineError` with file and line when it cannot be used.

    ``helpers`` come to know what it imports from its folder, also where it cannot be used. What is not approved
    is not run: :class:`NotApproved`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TaplineError(f"{path}: cannot be read: {error.strerror or error}") from error
    approval.require(path, content)
    output = ScriptOutput(path.stem)
    helpers = Helpers(path) if helpers is None else helpers
    module = _run(path, content, output, budget, helpers)
    groups = tuple(_groups_of(module))
    # A class can go by several names in its module; one that is abstract is there for others to derive from.
    monitors = [
        value
        for value in dict.fromkeys(each for each in vars(module).values() if isinstance(each, type))
        if issubclass(value, Script) and value.__module__ == module.__name__ and not isabstract(value)
    ]
    monitors = [monitor for monitor in monitors if not _is_base(monitor, monitors)]
    if not monitors and not groups:
        _drop(module, helpers)
        raise NoScript(f"{path}: defines no monitor or check; subclass one of tapline's, e.g. SessionMonitor")
    try:
        scripts = tuple(_script(path, monitor, params, output, helpers) for monitor in monitors)
    except TaplineError:
        _drop(module, helpers)
        raise
    if scripts:
        output.script = scripts[0].name
    return ScriptFile(path, content, module, scripts, groups, helpers)


def _drop(module: ModuleType, helpers: Helpers) -> None:
    del sys.modules[module.__name__]
    helpers.forget()


def load_classes(
    monitors: Iterable[type[Script]], params: Mapping[str, Mapping[str, Any]], beside: ScriptSet
) -> ScriptSet:
    """These classes after the scripts of another set, with the groups that their modules define."""
    found = list(beside.scripts)
    taken = {script.name: str(script.path) for script in found}
    for monitor in monitors:
        module = sys.modules[monitor.__module__]
        for group in _groups_of(module):
            beside.groups.add(group)
        path = Path(getattr(module, "__file__", None) or monitor.__module__)
        for problem in misdeclared(monitor):
            raise TaplineError(f"{path}: {monitor.__name__}: {problem}")
        script = _script(path, monitor, params)
        if script.name in taken:
            raise TaplineError(f"{path}: {taken[script.name]} has a script {script.name} too: give one another `name`")
        taken[script.name] = str(path)
        found.append(script)
    return ScriptSet(tuple(found), beside.groups)


def _is_base(monitor: type[Script], others: Iterable[type[Script]]) -> bool:
    """True for a class that nothing would call and from which others of its file are derived."""
    called = written(monitor) if issubclass(monitor, Check) else type_of(monitor) not in (Script, Monitor)
    return not called and any(issubclass(other, monitor) for other in others if other is not monitor)


def _groups_of(module: ModuleType) -> Iterator[AnyGroup]:
    """The groups a module defines, by itself or in its classes."""
    for value in vars(module).values():
        if isinstance(value, AnyGroup):
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            yield from (each for each in vars(value).values() if isinstance(each, AnyGroup))


def _script(
    path: Path,
    monitor: type[Script],
    params: Mapping[str, Mapping[str, Any]],
    output: ScriptOutput | None = None,
    helpers: Helpers | None = None,
) -> LoadedScript:
    name = name_of(monitor)
    try:
        defaults = msgspec.structs.asdict(monitor.params) if issubclass(monitor, Check) else {}
        values = msgspec.convert({**defaults, **params.get(name, {})}, monitor.params_type)
    except msgspec.ValidationError as error:
        raise TaplineError(f"workers.params.{name}: {error} (script {path})") from error
    except (NameError, TypeError) as error:
        raise TaplineError(f"{path}: params of {monitor.__name__} cannot be read: {error}") from error
    if issubclass(monitor, FlowTracker):
        tracker_settings(monitor, values)
    return LoadedScript(name, path, monitor, values, output, helpers=helpers)


def _run(path: Path, content: bytes, output: ScriptOutput, budget: Budget, helpers: Helpers) -> ModuleType:
    """The module of a file of this content.

    Its name tells versions apart, and no compiled file is kept: one written within the same second and
    of the same size would be taken for the old one.
    """
    version = digest(content.decode("utf-8", "replace"))[:8]
    module = ModuleType(f"tapline_script_{path.stem}_{digest(str(path.resolve()))[:8]}_{version}")
    module.__file__ = str(path)
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None, origin=str(path))
    helpers.serve(module, {"print": output})
    sys.modules[module.__name__] = module
    try:
        code = compile(content, str(path), "exec", dont_inherit=True)
        with told_apart():
            once(partial(exec, code, module.__dict__), Tally(path.stem, "import"), budget)
    except BaseException as error:
        _drop(module, helpers)
        if isinstance(error, Interrupted):
            raise
        if isinstance(error, NotApproved):
            raise NotApproved(f"{path}: imports what is not to run: {error}") from error
        raise TaplineError(_why_unusable(path, error, helpers.paths)) from error
    return module


def _why_unusable(path: Path, error: BaseException, helpers: Iterable[Path]) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}:{error.lineno or 1}: {error.msg}"
    place = where(error, path, helpers)
    if isinstance(error, Overrun):
        return f"{place}: {error}"
    if isinstance(error, ModuleNotFoundError):
        what_to_do = "install it where the workers run, put its folder on PYTHONPATH, or its file beside the script"
        return f"{place}: {said(error)}: {what_to_do}"
    return f"{place}: {said(error)}"


def where(error: BaseException, path: Path, helpers: Iterable[Path] = ()) -> str:
    """``file:line`` of the innermost frame of an error that lies in this file, or in one it imports."""
    places = {str(path), *map(str, helpers)}
    place = str(path)
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in places:
            place, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    return f"{place}:{line}" if line else place
