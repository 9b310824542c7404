"""How a folder of capture files is watched."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class FolderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``capture.folder:`` block: folders that are watched for capture files.

    A file is read when it has not changed for ``settled_seconds`` and no program of this machine has it open for
    writing. Where the kernel does not say whether one has, the newest file waits for ``newest_seconds``.
    ``finished`` says what becomes of a file that was read: ``keep``, ``delete``, or ``move`` it into
    ``finished_folder``, which has to be on the same file system. ``memory`` is the folder in which it is kept which
    files were read.
    """

    settled_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 5.0
    newest_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 300.0
    finished: Literal["keep", "delete", "move"] = "keep"
    finished_folder: str = ""
    memory: str = ".tapline/folders"
