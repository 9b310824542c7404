"""The tshark program on this machine: where it is, which version, which fields it knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

from msgspec import Struct

_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)?)")
_FIELD = re.compile(r"^F\t[^\t]*\t([^\t]*)", re.MULTILINE)
_LUA = re.compile(r"\bwith Lua\b")


class Program(Struct, frozen=True):
    """A tshark that can be run.

    ``lua`` tells whether it was built with Lua, which exact HTTP heads and file contents need.
    """

    path: str
    version: str
    lua: bool


def tshark_available() -> str | None:
    """The version of the tshark on this machine, or None where there is none that runs."""
    program = find_tshark()
    return program.version if program else None


def find_tshark() -> Program | None:
    """The tshark on the search path, asked once for what it is."""
    path = shutil.which("tshark")
    return _ask(path) if path else None


@cache
def _ask(path: str) -> Program | None:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(answer)
    return Program(path, version.group(1), bool(_LUA.search(answer))) if version else None


@cache
def known_fields(path: str) -> frozenset[str]:
    """The names of all fields this tshark has (it knows some 240,000, so this is asked once)."""
    try:
        answer = subprocess.run([path, "-G", "fields"], capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(_FIELD.findall(answer.decode("utf-8", "replace")))
