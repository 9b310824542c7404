"""A file that outlives a power cut: it holds what is kept whole, or still what it held before."""

from __future__ import annotations

import os
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Keep this content in place of what was there; makes the folder. :class:`OSError` where that cannot be."""
    written = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
