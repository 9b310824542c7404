"""Fetches the assets of others that the console serves, and checks them against their lock file.

``python -m console.vendoring`` compares; with ``--fetch`` it gets each package anew with ``npm pack``, and writes the
files as the lock has them or not at all. To take a newer version, change the lock's version and run it with
``--update``, which writes the new checksums: look at what has changed before committing it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

FOLDER: Final = Path(__file__).parent / "static" / "vendor"
LOCK: Final = FOLDER / "lock.json"


class Package(Struct, kw_only=True):
    """A package of npm's registry: ``files`` maps where each stands in it to the name it has here.

    ``sha256`` is of each file here.
    """

    name: str
    version: str
    licence: str
    files: dict[str, str]
    sha256: dict[str, str]


def read_lock() -> list[Package]:
    """The packages that are vendored."""
    return msgspec.json.decode(LOCK.read_bytes(), type=list[Package])


def differing(packages: list[Package]) -> list[str]:
    """The files that are not as the lock has them."""
    return [
        name
        for package in packages
        for name in package.files.values()
        if not (FOLDER / name).is_file() or _digest((FOLDER / name).read_bytes()) != package.sha256.get(name)
    ]


def fetch(package: Package) -> dict[str, bytes]:
    """The files of a package by the names they have here, from the registry that npm is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        archive = Path(folder) / done.stdout.split()[-1]
        found = {}
        with tarfile.open(archive) as members:
            for path, name in package.files.items():
                member = members.extractfile(path)
                if member is None:
                    raise ValueError(f"{package.name} {package.version} has no file {path}")
                found[name] = member.read()
        return found


def main() -> int:
    """Compare, fetch or update; the exit code."""
    packages = read_lock()
    updating = "--update" in sys.argv[1:]
    if updating or "--fetch" in sys.argv[1:]:
        for package in packages:
            found = fetch(package)
            digests = {name: _digest(content) for name, content in found.items()}
            if updating:
                package.sha256 = digests
            elif digests != package.sha256:
                sys.stderr.write(f"{package.name} {package.version} is not what the lock says: nothing is written\n")
                return 1
            for name, content in found.items():
                (FOLDER / name).write_bytes(content)
        LOCK.write_bytes(msgspec.json.format(msgspec.json.encode(packages), indent=2) + b"\n")
    wrong = differing(packages)
    for name in wrong:
        sys.stderr.write(f"{name} is not what the lock says: run python -m console.vendoring --fetch\n")
    return 1 if wrong else 0


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
