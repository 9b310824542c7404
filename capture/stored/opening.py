"""From what a user names to an observation and its source."""

from __future__ import annotations

import shutil
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from capture.packets.files import Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_file
from capture.stored import ARGUS
from capture.stored.argus import ArgusFiles
from capture.stored.format import Format
from capture.stored.nfdump import NfdumpFiles
from capture.stored.source import StoredFile, StoredFlows
from topics.errors import TaplineError

_DAY: Final = 24 * 60 * 60 * 1_000_000
_HEAD: Final = 4096
_CURRENT: Final = ".current"
"""Part of the name of the file that nfcapd writes to."""


def open_stored(
    source: str, settings: CaptureSettings, progress: Progress | None = None
) -> tuple[Observation, list[Source]]:
    """What ``nfdump:FILE``, ``nfdump:FOLDER``, ``argus:FILE`` or ``argus:FOLDER`` stands for.

    The stream is named by the content: of a folder by that of its files, whatever they are called.
    :class:`TaplineError` when there is no such file, or the program that reads it is not installed.
    """
    name, _, rest = source.partition(":")
    kind: Format = ArgusFiles() if name == ARGUS else NfdumpFiles()
    usage = f"write {name}:FILE or {name}:FOLDER"
    if not rest:
        raise TaplineError(f"{source} names nothing to read: {usage}")
    if shutil.which(kind.program) is None:
        raise TaplineError(f"{kind.program} is not installed: {source} needs it (apt install {kind.package})")
    path = Path(rest)
    ignored: list[tuple[str, str]] = []
    try:
        files = _files(path.resolve(), kind, ignored)
    except OSError as error:
        raise TaplineError(f"cannot read {error.filename or path}: {error.strerror}: {usage}") from error
    if not files:
        raise TaplineError(f"{path} holds no file of {name}: {usage}")
    content = next(iter(files)) if path.is_file() else sha256("".join(sorted(files)).encode()).hexdigest()
    observation = observe_file(settings.node_name, f"{name}:{path.resolve().name}", content)
    return observation, [StoredFlows(observation, kind, list(files.values()), ignored, progress)]


def _files(path: Path, kind: Format, ignored: list[tuple[str, str]]) -> dict[str, StoredFile]:
    """The files there are by the SHA-256 of their content, in the order of their names, which are times."""
    if not path.is_dir():
        if not _is_one(path, kind):
            raise TaplineError(f"{path} is no file of {kind.name}")
        described = _described(path)
        return {described.sha256: described}
    found: dict[str, StoredFile] = {}
    for each in sorted(path.rglob("*")):
        if not each.is_file():
            continue
        if _CURRENT in each.name:
            ignored.append((each.name, "current"))
        elif not _is_one(each, kind):
            ignored.append((each.name, f"no-{kind.name}"))
        elif (described := _described(each)).sha256 in found:
            ignored.append((each.name, "twice"))
        else:
            found[described.sha256] = described
    return found


def _is_one(path: Path, kind: Format) -> bool:
    with path.open("rb") as file:
        return kind.is_one(file.read(_HEAD))


def _described(path: Path) -> StoredFile:
    with path.open("rb") as file:
        content = file_digest(file, "sha256").hexdigest()
    status = path.stat()
    return StoredFile(path, content, status.st_size, status.st_mtime_ns // 1000 + _DAY)
