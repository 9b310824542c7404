"""Files beside a script that it imports: each script has its own copy, and they are watched with it."""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from workers.scripting.approval import EVERYTHING, Approval
from workers.scripting.guard import pass_through

_NEVER_BESIDE: Final = sys.stdlib_module_names | {"tapline", "topics", "capture", "workers", "exporters", "scripts"}
"""What is imported by these names is what everybody knows by them, whatever files there are."""

_MOST_LINKS: Final = 40
"""How many links in a row the kernel follows, see path_resolution(7)."""


class Sight(NamedTuple):
    """What tells one state of a file from another without reading it."""

    modified: int
    size: int
    inode: int


def sight_of(path: Path) -> Sight | None:
    """A file as it looks now; ``None`` where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Sight(status.st_mtime_ns, status.st_size, status.st_ino)


def folder_of(script: Path) -> Path:
    """The folder of a script: where a link leads to it, that of the script itself.

    Links of folders stay as they are: a ConfigMap that is mounted is a folder of links into one that is a link itself,
    which leads elsewhere when the ConfigMap changes, and what it led to before is removed.
    """
    path = script.absolute()
    for _ in range(_MOST_LINKS):
        try:
            path = path.parent / path.readlink()
        except OSError:
            break
    return path.parent.resolve() if ".." in path.parts else path.parent


class Helpers:
    """The files that one script has imported from its folder, or would if they were there.

    ``import helpers`` means the file beside the script (where a link leads to it, beside the script itself)
    before any package of that name, but not before the standard library or Tapline. Scripts share nothing: each
    imports a copy of its own, under a name of its own, so that neither versions nor folders get mixed up. What is
    imported has to be approved as the script has.
    """

    def __init__(self, script: Path, approval: Approval = EVERYTHING) -> None:
        self._approval = approval
        self._folder = folder_of(script)
        self._seen: dict[Path, tuple[Sight | None, bytes]] = {}
        self._modules: dict[str, ModuleType] = {}
        self._prefix = ""
        self._names: dict[str, Any] = {}

    def serve(self, module: ModuleType, names: Mapping[str, Any]) -> None:
        """Let this module, and what it imports, import the files beside it; all of them begin with these names."""
        self._prefix = module.__name__
        self._names = {**names, "__builtins__": {**vars(builtins), "__import__": self._import}}
        module.__dict__.update(self._names)

    @property
    def paths(self) -> list[Path]:
        """The files that have been imported."""
        return [path for path, (sight, _) in self._seen.items() if sight is not None]

    def loaded_sights(self) -> dict[Path, Sight | None]:
        """How the files looked when they were imported."""
        return {path: sight for path, (sight, _) in self._seen.items()}

    def sights(self) -> dict[Path, Sight | None]:
        """How they look now."""
        return {path: sight_of(path) for path in list(self._seen)}

    def unchanged(self) -> bool:
        """True when they hold what was imported."""
        return all(_content(path) == content for path, (_, content) in list(self._seen.items()))

    def approved(self) -> bool:
        """True when all that has been imported may still run."""
        return all(sight is None or self._approval.allows(path, held) for path, (sight, held) in self._seen.items())

    def forget(self) -> None:
        """Drop the modules."""
        for module in self._modules.values():
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - named as in Python's own
        locals: Mapping[str, Any] | None = None,  # noqa: A002 - the same
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0:
            top, _, rest = name.partition(".")
            module = self._beside(top)
            if module is not None:
                if rest:
                    raise ModuleNotFoundError(f"No module named {name!r}: {module.__file__} is no package", name=name)
                return module
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _beside(self, name: str) -> ModuleType | None:
        """The module of a file beside the script; ``None`` where there is none."""
        module = self._modules.get(name)
        if module is not None or name in _NEVER_BESIDE:
            return module
        path = self._folder / f"{name}.py"
        sight = sight_of(path)
        content = _content(path)
        self._seen[path] = (sight, content)
        if sight is None:
            return None
        self._approval.require(path, content)
        module = ModuleType(f"{self._prefix}.{name}")
        module.__file__ = str(path)
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None, origin=str(path))
        module.__dict__.update(self._names)
        self._modules[name] = sys.modules[module.__name__] = module
        try:
            exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - an import
        except BaseException:
            del self._modules[name], sys.modules[module.__name__]
            raise
        return module


pass_through(Helpers._import, Helpers._beside)  # noqa: SLF001 - a script that imports without end is in these


def is_helper(path: Path) -> bool:
    """True for a file that another one beside it imports."""
    return any(path.stem in _imported(other) for other in folder_of(path).glob("*.py") if other.name != path.name)


def imported_beside(path: Path) -> list[Path]:
    """The files beside a script that it imports as it is written, and those that these import; nothing is run."""
    folder, found, waiting = folder_of(path), list[Path](), [path]
    while waiting:
        beside = [folder / f"{name.partition('.')[0]}.py" for name in sorted(_imported(waiting.pop()) - _NEVER_BESIDE)]
        new = [each for each in beside if each.is_file() and each not in found]
        found += new
        waiting += new
    return found


def _imported(path: Path) -> set[str]:
    """The names of the modules that a file imports anywhere."""
    try:
        tree = ast.parse(_content(path))
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
