"""The engines' own files, fetched once for a user, checked, and shared by all of the user's projects."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from tapline.services.artifacts import assemble, sha256, tree_digest
from tapline.services.lock import LockedEngine, locked
from topics.errors import TaplineError

Progress = Callable[[str], None]
"""Takes a line that says how far something has come."""

CACHE_VARIABLE: Final = "TAPLINE_CACHE"
"""The environment variable that names another folder for the engines."""

_CONNECTIONS: Final = 4
_METER_STEP: Final = 10 << 20
_PAUSES: Final = (1.0, 2.0, 0.0)
"""Seconds to wait after each failed attempt at a download."""


def cache_folder() -> Path:
    """Where engines are kept: ``TAPLINE_CACHE``, else the user's cache folder.

    The superuser's is ``/var/cache/tapline``, because Elasticsearch has to run as somebody else and
    nobody else may enter the superuser's home.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home, "tapline").absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/tapline")
    return Path.home() / ".cache" / "tapline"


def install(name: str, on_progress: Progress) -> Path:
    """The folder of the engine ``name``, fetched first if need be and checked in any case.

    Raises ``TaplineError`` if it cannot be fetched or if anything in it differs from the lock.
    """
    engine = locked(name)
    cache = cache_folder()
    folder = _folder(name, engine)
    try:
        if not folder.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            with exclusive(cache / "lock"):
                if not folder.is_dir():
                    _download(name, engine, cache / "incoming", folder, on_progress)
        digest = tree_digest(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TaplineError(
            f"cannot keep {name} in {cache} ({reason}): mend that or set {CACHE_VARIABLE} to another folder"
        ) from error
    if digest != engine.tree:
        raise TaplineError(f"files in {folder} were changed or are missing: delete that folder and try again")
    return folder


def installed(name: str) -> bool:
    """Whether the engine ``name`` is in the cache already."""
    return _folder(name, locked(name)).is_dir()


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, waiting for another process that has it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _folder(name: str, engine: LockedEngine) -> Path:
    return cache_folder() / f"{name}-{engine.version}-{engine.tree[:12]}"


def _download(name: str, engine: LockedEngine, scratch: Path, folder: Path, on_progress: Progress) -> None:
    # Loaded here because it takes longer than all else, and is needed once.
    from tapline.services.registry import fetch  # noqa: PLC0415

    # Whoever left this behind was interrupted: the lock is ours now.
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        meter = _Meter(f"downloading {name} {engine.version}", engine.size, on_progress)
        fetch_here = partial(fetch, repository=scratch / "repository", on_bytes=meter.add)
        fetch_one = partial(_fetch_checked, fetch_here)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            files = list(pool.map(fetch_one, engine.artifacts, engine.artifacts.values()))
        assemble(files, scratch / name)
        (scratch / name).rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Meter:
    """Tells now and then how much of a known number of bytes has come; for use by several threads."""

    def __init__(self, what: str, size: int, on_progress: Progress) -> None:
        self._what = what
        self._size = size
        self._on_progress = on_progress
        self._come = 0
        self._told = -1
        self._guard = threading.Lock()

    def add(self, count: int) -> None:
        with self._guard:
            self._come += count
            step = self._come // _METER_STEP
            if step != self._told:
                self._told = step
                self._on_progress(f"{self._what}: {self._come >> 20} of {self._size >> 20} MiB")


def _fetch_checked(fetch: Callable[[str], Path], coordinate: str, expected: str) -> Path:
    for pause in _PAUSES:
        try:
            path = fetch(coordinate)
        except (OSError, RuntimeError) as error:
            # An error with a number is this machine's, as a full disk; those of HTTP have none.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            # The connection's own reason lies two exceptions deep.
            cause = getattr(error.args[0] if error.args else None, "reason", None) or error
            reason = (str(cause) or type(error).__name__).splitlines()[0][:200]
            time.sleep(pause)
        else:
            break
    else:
        raise TaplineError(f"cannot download {coordinate} ({reason}): check the network and try again")
    if sha256(path) != expected:
        raise TaplineError(
            f"{path.name} as downloaded is not the file that was locked (SHA-256 differs): try another network"
        )
    return path
