"""What becomes of files that were read."""

from __future__ import annotations

from pathlib import Path

from capture.folder.settings import FolderSettings
from topics.errors import TaplineError


class Leaving:
    """Keeps the files of a folder that were read, removes them, or moves them to where they do not stand in the way."""

    def __init__(self, folder: Path, settings: FolderSettings) -> None:
        self.keeps = settings.finished == "keep"
        self._folder = folder
        self._to = Path(settings.finished_folder) if settings.finished == "move" else None
        self._named = bool(settings.finished_folder)

    @property
    def counted(self) -> str:
        """What a file counts as that was not kept."""
        return "moved" if self._to is not None else "deleted"

    def check(self) -> None:
        """:class:`TaplineError` when files cannot be moved as the settings say."""
        if self._to is None:
            return
        if not self._named:
            raise TaplineError("capture.folder.finished_folder is not set: name the folder to move files to")
        try:
            here, there = self._folder.stat(), self._to.stat()
        except OSError as error:
            raise TaplineError(f"capture.folder.finished_folder: {error.filename}: {error.strerror}") from error
        if not self._to.is_dir() or (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            raise TaplineError(f"capture.folder.finished_folder: {self._to} is no folder other than the one watched")
        if here.st_dev != there.st_dev:
            raise TaplineError(
                f"capture.folder.finished_folder: {self._to} is on another file system than {self._folder}: "
                "name one on the same, so that files are moved whole"
            )

    def leave(self, path: Path) -> None:
        """Remove or move a file; :class:`OSError` when that cannot be. Nothing that is there already is overwritten."""
        if self._to is None:
            path.unlink(missing_ok=True)
            return
        target, number = self._to / path.name, 0
        while target.exists():
            number += 1
            target = self._to / f"{path.name}.{number}"
        path.rename(target)
