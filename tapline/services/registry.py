"""Fetching engine files from the public artifact registry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from jgo.maven import MavenContext, PythonResolver

_TIMEOUT_SECONDS: Final = 60


def maven(repository: Path, on_bytes: Callable[[int], None] = lambda _: None) -> MavenContext:
    """Access to the public artifact registry, with what is fetched kept in ``repository``.

    ``on_bytes`` is told how many bytes have come since it was last told.
    """

    def one_file(_name: str, _size: int) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(on_bytes)

    return MavenContext(PythonResolver(progress_callback=one_file), repo_cache=repository, timeout=_TIMEOUT_SECONDS)


def fetch(coordinate: str, repository: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Path:
    """Fetch ``group:name:version:packaging`` into ``repository``; the path of the file.

    Raises ``OSError`` (of which the failures of HTTP are a kind) or ``RuntimeError``, and then leaves
    no part of the file behind.
    """
    group, name, version, packaging = coordinate.split(":")
    artifact = maven(repository, on_bytes).project(group, name).at_version(version).artifact(packaging=packaging)
    try:
        return artifact.resolve()
    except BaseException:
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        raise
