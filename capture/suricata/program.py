"""The Suricata program on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from typing import Final

from msgspec import Struct

from topics.errors import TaplineError

OLDEST: Final = 7
"""The first major version that says all that is asked of it."""

_VERSION = re.compile(r"version (\d+)(\.\S+)?")
_HELP: Final = (
    "install Suricata 7 (Debian 12: apt install -t bookworm-backports suricata), or capture with --engine tshark"
)


class Program(Struct, frozen=True):
    """A Suricata that can be run."""

    path: str
    version: str
    major: int


def find_suricata() -> Program | None:
    """The Suricata on the search path, asked once for what it is; None where there is none that runs."""
    path = shutil.which("suricata") or shutil.which("suricata", path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    return _ask(path) if path else None


def check_suricata() -> Program:
    """The Suricata on the search path; :class:`TaplineError` where there is none, or it is too old."""
    program = find_suricata()
    if program is None:
        raise TaplineError(f"Suricata is not installed: {_HELP}")
    if program.major < OLDEST:
        raise TaplineError(f"{program.path} is version {program.version}, and {OLDEST} is needed: {_HELP}")
    return program


@cache
def _ask(path: str) -> Program | None:
    try:
        answer = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(answer)
    return Program(path, version[1] + (version[2] or ""), int(version[1])) if version else None
