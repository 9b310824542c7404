"""From ``folder:PATH`` to the reader of that folder."""

from __future__ import annotations

from pathlib import Path

from capture.folder import SCHEME
from capture.folder.reader import FolderReader, Opening, Told
from capture.folder.settings import FolderSettings
from capture.publisher import Publisher
from topics.errors import TaplineError


def open_folder(
    source: str, settings: FolderSettings, opening: Opening, publisher: Publisher, told: Told
) -> FolderReader:
    """The reader of what ``folder:PATH`` names; :class:`TaplineError` when that is no folder."""
    path = Path(source.removeprefix(SCHEME))
    if not source.removeprefix(SCHEME) or not path.is_dir():
        raise TaplineError(f"{source} names no folder to watch: write {SCHEME}PATH")
    return FolderReader(path.resolve(), settings, opening, publisher, told)
