"""Names of services by port, from a file as ``/etc/services`` (services(5))."""

from __future__ import annotations

import re
from pathlib import Path

from topics.errors import TaplineError

_line = re.compile(r"(\S+)\s+([0-9]{1,5})/(\w+)", re.ASCII).match


def read_services(path: str) -> dict[tuple[str, int], str]:
    """The services of a file by transport and port; :class:`TaplineError` when it cannot be read or names none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise TaplineError(f"cannot read {path}: {error.strerror}: name a file as /etc/services") from error
    found: dict[tuple[str, int], str] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _line(text)
        if match is None:
            raise TaplineError(f"{path}:{number}: no service: write them as `https 443/tcp`")
        found.setdefault((match[3].lower(), int(match[2])), match[1])
    if not found:
        raise TaplineError(f"{path} names no service: name a file as /etc/services")
    return found
