"""Roots of Debian, made by debootstrap: kept beside the engines, so that each is made once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tapline.services.cache import cache_folder, exclusive
from topics.partitions import digest

ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""What a command in such a root knows of its surroundings."""

AUTHORITIES: Final = Path("/usr/local/share/ca-certificates")

_RELEASE: Final = re.compile(r"(?:bookworm|trixie)(|-updates|-security)")
_PATH: Final = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def skip_without_debootstrap() -> None:
    """Skip where no root of Debian can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a root of Debian and start a Docker engine")
    missing = [name for name in ("debootstrap", "ip") if shutil.which(name, path=_PATH) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt install debootstrap iproute2)")


def kept_folder() -> Path:
    """Where all that these tests keep is."""
    folder = cache_folder() / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian(suite: str, commands: Sequence[str] = ()) -> Path:
    """A root of this suite, from this machine's mirrors, in which the commands have run: not to be written to.

    The name of the folder follows from what it is made of.
    """
    mirrors = _mirrors()
    sources = "".join(f"deb {uri} {suite}{part} main\n" for part, uri in sorted(mirrors.items()))
    authorities = sorted(AUTHORITIES.glob("*.crt"))
    made_of = digest(sources, *commands, *(each.read_text(encoding="utf-8") for each in authorities))
    name = f"{suite}-with-" if commands else f"{suite}-"
    whole = kept_folder() / f"{name}{made_of[:16]}"
    # What the commands find is kept too: they change more often.
    bare = debian(suite) if commands else None
    with exclusive(kept_folder() / f"{suite}.lock"):
        if not whole.is_dir():
            for former in kept_folder().glob(name + "?" * 16):
                shutil.rmtree(former)
            with tempfile.TemporaryDirectory(dir=kept_folder(), prefix="making-") as scratch:
                root = Path(scratch, "root")
                if bare is None:
                    _bootstrap(root, suite, mirrors[""])
                    (root / "etc/apt/sources.list").write_text(sources, encoding="utf-8")
                    (root / AUTHORITIES.relative_to("/")).mkdir(parents=True, exist_ok=True)
                    for each in authorities:
                        shutil.copy(each, root / AUTHORITIES.relative_to("/"))
                else:
                    subprocess.run(["cp", "--archive", str(bare), str(root)], check=True)
                for command in commands:
                    _run_in(root, command)
                root.rename(whole)
    return whole


def _mirrors() -> dict[str, str]:
    """Where this machine has Debian from: the release's own packages (empty), its updates, its security updates."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"], capture_output=True, text=True, check=True
    ).stdout
    mirrors: dict[str, str] = {}
    for uri, release in map(str.split, listed.splitlines()):
        if (match := _RELEASE.fullmatch(release)) is not None:
            mirrors[match[1]] = uri
    if "" not in mirrors:
        pytest.skip("apt knows no mirror of Debian from which a root could be made")
    return mirrors


def _bootstrap(root: Path, suite: str, mirror: str) -> None:
    command = ["debootstrap", "--variant=minbase", suite, str(root), mirror]
    environment = {**os.environ, "PATH": _PATH}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        pytest.skip(f"no root of Debian can be made here: {done.stdout.strip()[-300:]}")


def _run_in(root: Path, command: str) -> None:
    """Run a command in a root whose services are not to be started by their packages."""
    refuses = root / "usr/sbin/policy-rc.d"
    refuses.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    refuses.chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc", name), root / "etc" / name)
    # The mounts are those of this process alone, and gone with it.
    mounted = 'mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"; exec chroot "$1" bash -ec "$2"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-ec", mounted, "-", str(root), command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-1000:]}"
    refuses.unlink()
