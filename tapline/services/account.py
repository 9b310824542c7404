"""Whom an engine runs as when the superuser starts it, and what that user can reach."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Final

from tapline.services.preflight import nearest_existing
from tapline.services.processes import Account

_NOBODY: Final = Account(65534, 65534)


def unprivileged_account(project: Path) -> Account | None:
    """The user for a program that refuses to be the superuser; ``None`` if we are not the superuser.

    It is the owner of the folder ``project``, so that who works there under ``sudo`` keeps access, or
    ``nobody`` where the superuser owns it.
    """
    if os.geteuid() != 0:
        return None
    owner = nearest_existing(project).stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY
    return Account(nobody.pw_uid, nobody.pw_gid)


def closed_folder(path: Path, account: Account) -> Path | None:
    """The topmost folder on the way to the existing folder ``path`` that ``account`` may not enter."""
    path = path.resolve()
    for folder in (*reversed(path.parents), path):
        status = folder.stat()
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return folder
    return None


def give(folder: Path, account: Account) -> None:
    """Make ``account`` the owner of ``folder`` and everything in it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
