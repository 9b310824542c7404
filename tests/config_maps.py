"""A folder that changes as the folder of a mounted ConfigMap does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path


class MountedConfigMap:
    """What the kubelet does: the files are links into ``..data``, which is itself a link to the folder that holds them.

    A change is a new folder and one renaming of the link; the old folder is removed. So all files change at once,
    those that are the same as before have another inode, and nothing that was resolved to the old folder stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, files: Mapping[str, str]) -> None:
        """Let these be the files."""
        data = self.folder / "..data"
        before = data.resolve() if data.is_symlink() else None
        self._version += 1
        version = self.folder / f"..2026_11_29_02_30_00.{self._version}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text, encoding="utf-8")
        next_data = self.folder / "..data_tmp"
        next_data.symlink_to(version.name)
        next_data.rename(data)
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in files:
                link.unlink()
        if before is not None:
            shutil.rmtree(before)
