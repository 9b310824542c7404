"""Script files: new ones from skeletons, those that ship, and which of them the workers run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import tapline
from tapline.packets import filter_problems
from topics.errors import TaplineError
from workers.kafka.faust_agents import load_agents
from workers.scripting import check
from workers.scripting.check import Problem

SHIPPED: Final = Path(tapline.__file__).parents[1] / "scripts"
SKELETONS: Final = SHIPPED / "skeletons"
_FOLDERS: Final = ("samples", "library", "checks")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def kinds() -> list[str]:
    """What there is a skeleton for."""
    return sorted(path.stem for path in SKELETONS.glob("*.py"))


def create(kind: str, name: str) -> Path:
    """Write a new script from a skeleton and return its path; ``name`` may begin with a folder.

    :class:`TaplineError` when there is such a file already.
    """
    path = Path(name if name.endswith(".py") else f"{name}.py")
    if not _NAME.fullmatch(path.stem):
        raise TaplineError(f"{path.stem!r} is no name for a script: use small letters, digits and _, as short_ssh")
    text = (SKELETONS / f"{kind}.py").read_text(encoding="utf-8")
    monitor = "".join(word.capitalize() for word in path.stem.split("_"))
    text = re.sub(r"\bskeleton\b", path.stem, re.sub(r"\bSkeleton\b", monitor, text))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TaplineError(f"{path} is there already: choose another name, or remove it first") from error
    except OSError as error:
        raise TaplineError(f"cannot write {path}: {error.strerror}") from error
    return path


def find(name: str) -> Path:
    """The script of this name: a file, or the name of a script that ships."""
    path = Path(name if name.endswith(".py") else f"{name}.py")
    if path.is_file():
        return path
    if path.name == str(path):
        for folder in _FOLDERS:
            shipped = SHIPPED / folder / path.name
            if shipped.is_file():
                return shipped
    raise TaplineError(f"there is no {path}, and no script of that name ships: see `tapline scripts list --shipped`")


def problems(path: Path) -> list[Problem]:
    """What is wrong with a script file, or with one of plain Faust agents.

    :class:`TaplineError` when there is no such file.
    """
    if not path.is_file():
        raise TaplineError(f"{path} is no file: check the path")
    if not _has_agents(path):
        return check.problems(path, filter_problems)
    try:
        load_agents([path])
    except TaplineError as error:
        found = re.match(rf"{re.escape(str(path))}:(?:(\d+):)? *(.*)", str(error), re.DOTALL)
        return [Problem(path, int(found[1] or 1), found[2])] if found else [Problem(path, 1, str(error))]
    return []


def _has_agents(path: Path) -> bool:
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "attach" for node in body)


def shipped() -> list[Path]:
    """The folders of the scripts that ship."""
    return [SHIPPED / folder for folder in _FOLDERS if (SHIPPED / folder).is_dir()]


def checks() -> list[str]:
    """The names of the files of checks that ship."""
    return [path.stem for path in sorted((SHIPPED / "checks").glob("[!_]*.py"))]


def enable(path: Path, folder: Path) -> Path:
    """Have the workers run a script: link to it from this folder; returns the link.

    A file of the folder itself that was disabled gets its name back. A link, so that there is one file
    to change.
    """
    place = folder / path.name
    if place.exists() and place.samefile(path):
        return place
    if place.is_symlink() or place.exists():
        raise TaplineError(f"{place} is another script of that name: disable it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.resolve())
    except OSError as error:
        raise TaplineError(f"cannot write {place}: {error.strerror}") from error
    return place


def enable_again(name: str, folders: Iterable[Path]) -> Path | None:
    """Give a script that :func:`disable` has set aside its name back; ``None`` when there is none."""
    for folder in folders:
        aside = folder / f"_{Path(name).stem}.py"
        if aside.is_file() and not (place := aside.with_name(aside.name[1:])).exists():
            aside.rename(place)
            return place
    return None


def disable(name: str, folders: Sequence[Path]) -> tuple[Path, Path | None]:
    """Have the workers no longer run a script: which file that was, and where it is now if it was set aside.

    A link is removed. A file that stands in the folder itself may be the only one there is: it is
    renamed so that it begins with ``_``, which the workers leave alone.
    """
    for folder in folders:
        place = folder / f"{Path(name).stem}.py"
        if place.is_symlink():
            place.unlink()
            return place, None
        if place.is_file():
            aside = place.with_name(f"_{place.name}")
            if aside.exists():
                raise TaplineError(f"{aside} is in the way: move it, then try again")
            return place, place.rename(aside)
    looked = ", ".join(map(str, folders)) or "no folder"
    raise TaplineError(f"no script {Path(name).stem} is enabled (looked in {looked}): see `tapline scripts list`")
