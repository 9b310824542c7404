"""Which files make up the engines, and their checksums: ``engines.lock``.

The lock is written by ``python -m tapline.services.write_lock``. Everyone else fetches exactly the
files it names and refuses any that differ.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

import msgspec
from msgspec import Struct

LOCK: Final = "engines.lock"
"""The name of the lock file in this package."""


class LockedEngine(Struct, frozen=True, kw_only=True):
    """One engine as locked.

    ``artifacts`` maps ``group:name:version:packaging`` to the SHA-256 of the file; ``tree`` is the
    digest of the folder they are installed as (see ``tree_digest``), ``size`` the bytes of all files.
    """

    version: str
    size: int
    tree: str
    artifacts: dict[str, str]


def locked(name: str) -> LockedEngine:
    """The lock's entry of the engine ``name``."""
    text = resources.files(__package__).joinpath(LOCK).read_bytes()
    return msgspec.toml.decode(text, type=dict[str, LockedEngine])[name]
