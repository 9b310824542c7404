"""A small file that only its owner may read, and that outlives a power cut."""

from __future__ import annotations

import os
from pathlib import Path

from topics.errors import TaplineError


def make_folder(folder: Path) -> None:
    """Make the console's folder, for its owner alone; :class:`TaplineError` where that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TaplineError(
            f"cannot make console.folder {folder}: {error.strerror}: name one that can be written"
        ) from error


def keep(path: Path, content: bytes) -> None:
    """Keep this in place of what was there; :class:`TaplineError` where that cannot be."""
    written = path.with_suffix(".new")
    try:
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        raise TaplineError(f"cannot write {path}: {error.strerror}: see that console.folder can be written") from error
