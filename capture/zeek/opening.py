"""From what a user names to an observation and its source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from capture.packets.files import Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_file, observe_live
from capture.zeek import SCHEME
from capture.zeek.following import followed_logs
from capture.zeek.reading import LogFile, is_log
from capture.zeek.source import ZeekLogs
from topics.errors import TaplineError

_DAY: Final = 24 * 60 * 60 * 1_000_000
_HELP: Final = "name a log of Zeek, or a folder of them"
_FOLLOW: Final = "follow:"


def open_zeek(
    source: str, settings: CaptureSettings, progress: Progress | None = None
) -> tuple[Observation, list[Source]]:
    """What ``zeek:FILE``, ``zeek:FOLDER`` or ``zeek:follow:`` and one of these stands for.

    The stream is named by the content: of a folder by that of its logs, whatever they are called; what is followed is
    live. :class:`TaplineError` when there is no log, or no place where one may come to be.
    """
    named = source.removeprefix(SCHEME)
    if named.startswith(_FOLLOW):
        return _open_followed(source, named.removeprefix(_FOLLOW), settings)
    path = Path(named)
    if not named:
        raise TaplineError(f"{source} names nothing to read: {_HELP}")
    ignored: list[tuple[str, str]] = []
    try:
        found = dict(_logs(path, ignored))
        if not found:
            raise TaplineError(f"{path} holds no log: {_HELP}")
        written = max(log.stat().st_mtime_ns // 1000 for log in found.values())
    except OSError as error:
        raise TaplineError(f"cannot read {error.filename or path}: {error.strerror}: {_HELP}") from error
    logs = [LogFile(log, digest, written + _DAY) for digest, log in found.items()]
    content = next(iter(found)) if path.is_file() else sha256("".join(sorted(found)).encode()).hexdigest()
    observation = observe_file(settings.node_name, path.resolve().name, content)
    timed = [(_first_time(log), log) for log in logs]
    return observation, [ZeekLogs(observation, timed, ignored, written, progress)]


def _open_followed(source: str, named: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    if not named:
        raise TaplineError(f"{source} names nothing to read: {_HELP}")
    path = Path(named).absolute()
    if not path.parent.is_dir():
        raise TaplineError(f"{path.parent} does not exist: make the folder, or check the path")
    node = settings.node_name
    # What is told of a connection before and after a restart is of the same one.
    observation = replace(observe_live(node, str(path), time.time_ns() // 1000), identity=f"{node}/{path}")
    return observation, [followed_logs(observation, path, settings.zeek.positions)]


def _logs(path: Path, ignored: list[tuple[str, str]]) -> Iterator[tuple[str, Path]]:
    """The logs there are by the SHA-256 of their content, in an order that their names have no part in."""
    if path.is_file():
        if not is_log(path):
            raise TaplineError(f"{path} is no log of Zeek: it has neither a header (#fields) nor JSON: {_HELP}")
        yield _digest(path), path
        return
    found: dict[str, Path] = {}
    for each in sorted(path.iterdir()):
        if not each.is_file():
            ignored.append((each.name, "folder" if each.is_dir() else "no-file"))
        elif not is_log(each):
            ignored.append((each.name, "no-log"))
        elif (digest := _digest(each)) in found:
            ignored.append((each.name, "twice"))
        else:
            found[digest] = each
    yield from sorted(found.items())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _first_time(log: LogFile) -> int:
    """The time of the first line that has one, which says when the log is to be opened; 0 where none has."""
    lines = log.lines()
    try:
        return next((read.start for read in lines if read.line is not None), 0)
    finally:
        lines.close()  # type: ignore[attr-defined]
