"""What is probably wrong with a script, found without running its hooks: each with its line and what would be right."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import FunctionType
from typing import Any, Final, NamedTuple, get_type_hints

from msgspec import Struct

from tapline import checks, monitors
from tapline.checks.hooks import HOOKS, written
from tapline.groups import (
    AlertGroup,
    AnyGroup,
    CounterGroup,
    Directories,
    DocumentGroup,
    ResourceGroup,
    SessionGroup,
)
from tapline.script import Script
from topics.errors import TaplineError
from workers.scripting.attributes import DECLARED, hook_problems, hooks_of, packet_problems, type_of, uncalled
from workers.scripting.budget import Budget
from workers.scripting.helpers import folder_of, is_helper
from workers.scripting.scripts import NoScript, ScriptFile, load_file, script_set
from workers.settings import WorkersSettings

_TYPES: Final = (
    *(
        value
        for value in vars(monitors).values()
        if isinstance(value, type) and issubclass(value, Script) and value.__module__ == monitors.__name__
    ),
    *HOOKS,
)
_GROUPS: Final[dict[type[Script], type[AnyGroup]]] = {
    monitors.CounterMonitor: CounterGroup,
    monitors.SessionMonitor: SessionGroup,
    monitors.AlertMonitor: AlertGroup,
    monitors.ResourceMonitor: ResourceGroup,
    monitors.FullTextMonitor: DocumentGroup,
}
_OURS: Final = ("tapline", "builtins", "typing", "abc")


class Problem(NamedTuple):
    """Something that is probably wrong, where it is, and what would be right."""

    file: Path
    line: int
    message: str


def problems(path: Path, more: Callable[[ScriptFile], Iterable[Problem]] = lambda _: ()) -> list[Problem]:
    """What is wrong with a script file, by line; the file is run to see what it defines.

    ``more`` finds what only others can tell.
    """
    try:
        file = load_file(path, {}, Budget(WorkersSettings()))
    except TaplineError as error:
        if isinstance(error, NoScript) and is_helper(path):
            return []
        text = str(error)
        found = re.match(rf"{re.escape(str(path))}:(?:(\d+):)? *(.*)", text, re.DOTALL)
        return [Problem(path, int(found[1] or 1), found[2])] if found else [Problem(path, 1, text)]
    try:
        beside = set().union(*(texts_of(each.read_bytes()) for each in folder_of(path).glob("*.py")))
        groups = script_set([file]).groups
        return sorted({*problems_of(file), *unknown_groups(file, groups, beside), *more(file)}, key=_by_line)
    finally:
        file.forget()


def problems_of(file: ScriptFile) -> list[Problem]:
    """What is wrong with a script file that has been loaded, by line."""
    classes = {node.name: node for node in ast.parse(file.content).body if isinstance(node, ast.ClassDef)}
    found: set[Problem] = set(_defined_twice(file))
    for script in file.scripts:
        if not _does_something(script.monitor) and script.monitor.__name__ in classes:
            line = classes[script.monitor.__name__].lineno
            found.add(Problem(file.path, line, f"{script.monitor.__name__} has no hook and does nothing"))
        for problem in (*uncalled(script.monitor), *packet_problems(script.monitor)):
            line = classes[script.monitor.__name__].lineno if script.monitor.__name__ in classes else 1
            found.add(Problem(file.path, line, f"{script.monitor.__name__}: {problem}"))
        for owner in _own_classes(script.monitor):
            if owner.__name__ in classes:
                checked = _Class(script.monitor, owner, classes)
                found.update(Problem(file.path, line, message) for line, message in checked.problems())
    return sorted(found, key=_by_line)


def _by_line(problem: Problem) -> tuple[int, str]:
    return problem.line, problem.message


def unknown_groups(file: ScriptFile, groups: Directories, texts: AbstractSet[str]) -> list[Problem]:
    """Groups that scripts of a file attach to and nobody has, by line.

    ``texts`` are those in the code of all scripts (:func:`texts_of`): a group need not be defined by whoever puts
    something into it.
    """
    found = []
    classes = {node.name: node for node in ast.parse(file.content).body if isinstance(node, ast.ClassDef)}
    for script in file.scripts:
        monitor = script.monitor
        kind = next((kind for base, kind in _GROUPS.items() if issubclass(monitor, base)), None)
        if kind is None or not DECLARED["group"].accepts(monitor.group):  # type: ignore[attr-defined]
            continue
        directory = groups.of(kind)
        node = classes.get(monitor.__name__)
        line = _lines(node).get("group", node.lineno) if node is not None else 1
        wanted = monitor.group  # type: ignore[attr-defined]
        for name in [wanted] if isinstance(wanted, str | re.Pattern) else wanted:
            if isinstance(name, str) and name and directory.find(name) is None and name.lower() not in texts:
                known = {each.lower(): each for each in directory.names()}
                near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
                what = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).strip()
                message = f"{script.name} attaches to {name!r}, and there is no {what} of that name yet"
                found.append(Problem(file.path, line, message + _meant(known[near[0]] if near else "")))
    return found


def texts_of(content: bytes) -> set[str]:
    """The texts in a script's code, in small letters, but for those that say which group a class attaches to."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return set()
    attached = {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for each in node.body
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if isinstance(target, ast.Name) and target.id == "group"
        for text in ast.walk(each.value)
    }
    return {
        node.value.lower()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in attached
    }


def _defined_twice(file: ScriptFile) -> Iterator[Problem]:
    """Classes that a later one of the same name replaces."""
    first: dict[str, int] = {}
    for node in ast.parse(file.content).body:
        if isinstance(node, ast.ClassDef):
            if node.name in first:
                message = f"{node.name} takes the place of the class of that name in line {first[node.name]}"
                yield Problem(file.path, node.lineno, f"{message}, which never runs: give one another name")
            first[node.name] = node.lineno


class _Class:
    """The check of one class of a file, as part of ``monitor``, a script."""

    def __init__(self, monitor: type[Script], owner: type[Any], classes: dict[str, ast.ClassDef]) -> None:
        self._monitor = monitor
        self._owner = owner
        self._node = node = classes[owner.__name__]
        self._family = [classes[each.__name__] for each in _own_classes(monitor) if each.__name__ in classes]
        self._base = type_of(monitor)
        self._hooks = hooks_of(self._base)
        self._methods = {
            each.name: each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._lines = _lines(node)

    def problems(self) -> Iterator[tuple[int, str]]:
        """Everything found."""
        for name, value in vars(self._owner).items():
            if not name.startswith("_"):
                line = self._lines.get(name, self._node.lineno)
                yield from ((line, message) for message in self._member(name, value))
        if _is_closed(self._monitor) and not any(_sets_by_name(node) for node in self._family):
            yield from self._unknown_of_self()
        for name, method in self._methods.items():
            if name in self._hooks:
                yield from _unknown_of_records(method, self._hooks[name])

    def _member(self, name: str, value: Any) -> Iterator[str]:
        kind = self._base.__name__
        if not isinstance(value, FunctionType):
            yield from self._attribute(name, value)
        elif name in DECLARED and hasattr(self._base, name):
            yield f"{name} has to be {DECLARED[name].said}"
        elif name in self._hooks:
            yield from hook_problems(value, self._hooks[name], f"{kind}.{name}")
        elif hasattr(self._base, name):
            every = "script" if hasattr(Script, name) else "check"
            yield f"{name} hides what every {every} has by that name: give it another one"
        elif others := [each.__name__ for each in _TYPES if name in hooks_of(each)]:
            yield f"{name} is no hook of {kind} and is never called; it is one of {', '.join(others)}"
        else:
            near = _near(name, self._hooks, 0.6 if name.startswith("on_") else 0.8)
            if near or name.startswith("on_"):
                yield f"{name} is no hook of {kind} and is never called{_meant(near)}"

    def _attribute(self, name: str, value: Any) -> Iterator[str]:
        declared = [each for each in DECLARED if hasattr(self._base, each)]
        if name in self._hooks:
            yield f"{name} has to be a method"
        elif name in declared:
            accepts, said = DECLARED[name]
            if not accepts(value):
                yield f"{name} has to be {said}"
        elif isinstance(value, str | int | tuple | list | re.Pattern):
            near = _near(name, declared)
            if near and near not in vars(self._owner):
                yield f"{name} is nothing that {self._base.__name__} knows{_meant(near)}"
            elif name in DECLARED:
                yield f"{name} selects nothing in a {self._base.__name__}"

    def _unknown_of_self(self) -> Iterator[tuple[int, str]]:
        """``self.x`` that is set nowhere, and ``self.params.x`` that is no parameter."""
        known = set(dir(self._monitor)) | {"runtime"}
        for owner in _own_classes(self._monitor):
            known |= set(getattr(owner, "__annotations__", {}))
        for each in self._family:
            known |= _set_on_self(each)
        parameters = set(self._monitor.params_type.__struct_fields__)
        for node in ast.walk(self._node):
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
                continue
            if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr not in known:
                yield node.lineno, f"self.{node.attr} is set nowhere{_meant(_near(node.attr, known))}"
            elif (
                isinstance(node.value, ast.Attribute)
                and node.value.attr == "params"
                and isinstance(node.value.value, ast.Name)
                and node.value.value.id == "self"
                and node.attr not in parameters
            ):
                there = ", ".join(sorted(parameters)) or "none"
                yield node.lineno, f"there is no parameter {node.attr}; there are: {there}"


def _unknown_of_records(
    method: ast.FunctionDef | ast.AsyncFunctionDef, base: FunctionType
) -> Iterator[tuple[int, str]]:
    """Fields of a hook's records that those do not have, or that are set where they cannot be."""
    hints = get_type_hints(base)
    kinds = [hints.get(name) for name in list(inspect.signature(base).parameters)[1:]]
    names = [argument.arg for argument in method.args.args[1:]]
    changed = {node.id for node in ast.walk(method) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    records = {
        name: kind
        for name, kind in zip(names, kinds, strict=False)
        if isinstance(kind, type) and issubclass(kind, Struct) and name not in changed
    }
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in records:
            kind = records[node.value.id]
            if not isinstance(node.ctx, ast.Load) and kind.__struct_config__.frozen:
                yield node.lineno, f"a {kind.__name__} cannot be changed: all scripts see the same one"
            elif not hasattr(kind, node.attr):
                near = _near(node.attr, (name for name in dir(kind) if name[0] != "_"))
                yield node.lineno, f"a {kind.__name__} has no {node.attr}{_meant(near)}"


def _does_something(monitor: type[Script]) -> bool:
    """True when a script has written some hook, and a tracker its metric."""
    base = type_of(monitor)
    if issubclass(monitor, checks.Check):
        return bool(written(monitor))
    needed = ("metric",) if issubclass(monitor, monitors.FlowTracker) else hooks_of(base)
    return any(getattr(monitor, name) is not getattr(base, name) for name in needed)


def _own_classes(monitor: type[Script]) -> list[type[Any]]:
    """A script's class and those of its file that it derives from."""
    return [owner for owner in monitor.__mro__ if owner.__module__ == monitor.__module__]


def _is_closed(monitor: type[Script]) -> bool:
    """True when all that an instance can have is to be seen: in its file, and in Tapline."""
    foreign = [
        owner
        for owner in monitor.__mro__
        if owner.__module__ != monitor.__module__ and owner.__module__.partition(".")[0] not in _OURS
    ]
    return not foreign and not hasattr(monitor, "__getattr__")


def _set_on_self(node: ast.ClassDef) -> set[str]:
    """The attributes that a class's methods set on ``self``."""
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute)
        and isinstance(each.ctx, ast.Store)
        and isinstance(each.value, ast.Name)
        and each.value.id == "self"
    }


def _sets_by_name(node: ast.ClassDef) -> bool:
    """True when attributes are set in ways that are not to be seen."""
    return any(
        (isinstance(each, ast.Name) and each.id in ("setattr", "vars"))
        or (isinstance(each, ast.Attribute) and each.attr == "__dict__")
        for each in ast.walk(node)
    )


def _lines(node: ast.ClassDef) -> dict[str, int]:
    """Where a class's members are set."""
    found: dict[str, int] = {}
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[each.name] = each.lineno
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            found.update((name.id, each.lineno) for name in targets if isinstance(name, ast.Name))
    return found


def _near(name: str, known: Iterable[str], likeness: float = 0.8) -> str:
    """The known name that this one is probably meant to be; empty when none is near."""
    names = [each for each in known if each[0] != "_"]
    plain = {each.replace("_", ""): each for each in names}
    same = plain.get(name.replace("_", "").lower())
    close = difflib.get_close_matches(name, names, 1, likeness)
    return same or (close[0] if close else "")


def _meant(near: str) -> str:
    return f"; did you mean {near}?" if near else ""
