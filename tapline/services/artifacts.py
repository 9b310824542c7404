"""The files an engine is made of: their checksums, and the folder they make."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path


def assemble(files: Iterable[Path], folder: Path) -> None:
    """Make an engine's folder out of its fetched files: a zip is unpacked, jars are put side by side.

    Files and folders are readable by everyone, whatever the umask.
    """
    folder.mkdir()
    for path in files:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        else:
            shutil.copy(path, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(folder: Path) -> str:
    """One SHA-256 over the names and contents of all files below ``folder``, in hex."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()
