"""A folder outside the project for an engine that may not run as the superuser and cannot get into the project.

It lies in a folder in which only the superuser can make anything, and belongs to whom the engine runs as. In
its usual place there is a link to it, so that it is found, and forgotten, with the project's data.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from tapline.services.account import closed_folder
from tapline.services.cache import exclusive
from tapline.services.preflight import nearest_existing
from tapline.services.processes import Account, DetachedProcess
from topics.errors import TaplineError
from topics.partitions import digest

STATE: Final = Path("/var/lib/tapline")
"""The folder of all such folders."""

_STOP_SECONDS: Final = 30.0


def elsewhere(link: Path) -> Path:
    """The folder for the engine whose usual place is ``link``."""
    return STATE / digest(str(link.parent.resolve() / link.name))[:16]


def is_elsewhere(link: Path) -> bool:
    """True when the files of the engine whose usual place is ``link`` are there."""
    return link.is_symlink() and link.readlink().parent == STATE


def check_elsewhere(link: Path, account: Account) -> None:
    """Raise ``TaplineError`` if :func:`make_elsewhere` could not do its work."""
    if is_elsewhere(link) and link.readlink() != elsewhere(link):
        raise TaplineError(
            f"{link} leads to {link.readlink()}, which is for the folder that this one was copied or moved from: "
            "remove that link to begin afresh"
        )
    if link.exists() and not link.is_symlink() and any(link.iterdir()):
        raise TaplineError(f"{link} has files already, in a folder that user {account.uid} cannot enter")
    existing = nearest_existing(STATE)
    if closed_folder(existing, account) or not os.access(existing, os.W_OK | os.X_OK):
        raise TaplineError(f"nor can its files be kept in {STATE}")


def make_elsewhere(link: Path, account: Account) -> Path:
    """Make the folder that ``link`` stands for, unless it is there, and the link; only ``account`` may enter it.

    What is there without a link is of a project folder that has been removed since: it is forgotten.
    """
    place = elsewhere(link)
    STATE.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o755)
    with exclusive(STATE / "lock"):
        if is_elsewhere(link) and place.is_dir():
            return place
        forget_elsewhere(place, link.name)
        place.mkdir(mode=0o700)
        os.chown(place, account.uid, account.gid)
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            link.rmdir()
        link.symlink_to(place)
    return place


def forget_elsewhere(place: Path, engine: str) -> None:
    """Remove such a folder, after what runs in it has been stopped."""
    if place.is_dir() and not place.is_symlink():
        DetachedProcess(place / f"{engine}.process.json").stop(_STOP_SECONDS)
        shutil.rmtree(place)
