"""How far the child processes of this one have come in a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")


def positions_of_children(path: Path, parent: int | None = None) -> list[int]:
    """Where in this file each child process that has it open reads it, in bytes, children of children among them.

    ``parent`` is the process whose children they are, else this one. proc_pid_fdinfo(5): it is where the file's offset
    is, so what a child has read ahead counts as read.
    """
    found = []
    try:
        wanted = path.resolve(strict=True)
        children = list(_children(str(parent) if parent is not None else "self"))
    except OSError:
        return []
    for child in children:
        folder = _PROCESSES / child
        # A process that ends meanwhile reads nothing any more.
        with contextlib.suppress(OSError):
            for descriptor in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if descriptor.readlink() == wanted:
                        found.append(_offset((folder / "fdinfo" / descriptor.name).read_text(encoding="ascii")))
    return found


def _children(process: str) -> Iterator[str]:
    for thread in (_PROCESSES / process / "task").iterdir():
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield child
                yield from _children(child)


def _offset(information: str) -> int:
    for line in information.splitlines():
        name, _, value = line.partition(":")
        if name == "pos":
            return int(value)
    return 0
