"""A clean machine: a Debian 13 with no more than the pages about Docker Compose tell to install, and its Docker engine.

It is a folder with mounts of its own, not a virtual machine: the kernel is this one's, and so is the network, unless
what is started in it is started in another. What its engine has built is kept, so that it is built once.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import docker
import pytest

from tests.containers.debian import ENVIRONMENT, debian, kept_folder
from tests.docs.pages import ROOT, blocks, steps
from tests.docs.test_commands import WITH_COMPOSE
from tests.waiting import wait_for

PAGE, SECURED_PAGE = (ROOT / "docs" / "how-to" / name for name in WITH_COMPOSE)
PROJECT: Final = "/root/tapline"
"""Where the machine has Tapline."""

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0
_MOUNTS: Final = """
root=$2/root
mkdir "$root" "$2/upper" "$2/work" "$2/run" "$2/home"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$root"
mount -t tmpfs tmpfs "$root/tmp"
for each in proc sys dev; do mount --rbind "/$each" "$root/$each"; done
mount --bind "$2/run" "$root/run"
mount --bind "$2/home" "$root/root"
mkdir -p "$root/var/lib/docker"
mount --bind "$3" "$root/var/lib/docker"
cp /etc/resolv.conf /etc/hosts "$root/etc"
# Whoever enters these mounts, as what runs in containers does, begins at their root: chroot would not change that.
cd "$root"
mkdir former
pivot_root . former
umount --lazy former
echo there
exec cat
"""


def installing() -> list[str]:
    """The commands by which the pages have Docker, and what else they use, installed."""
    shown = [block for page in (PAGE, SECURED_PAGE) for block in blocks(page) if block.language == "console"]
    found = [step.command for block in shown for step in steps(block) if step.command.startswith("apt-get ")]
    assert found, "the page does not say how to install Docker"
    return found


class Machine:
    """The machine, within the block; ``home`` and ``run`` are its ``/root`` and ``/run`` as seen from here."""

    def __init__(self, scratch: Path) -> None:
        self.home = scratch / "home"
        self.run = scratch / "run"
        self._scratch = scratch
        self._mounted: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        lower = debian("trixie", installing())
        data = kept_folder() / "machine"
        data.mkdir(exist_ok=True)
        # The mounts are those of one process, and of what is started in it: with that they are gone.
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _MOUNTS, "-"]
        self._mounted = subprocess.Popen(
            [*command, str(lower), str(self._scratch), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._mounted.stdout is not None
        if self._mounted.stdout.readline() != "there\n":
            _, said = self._mounted.communicate()
            pytest.skip(f"no Docker engine can be started here, since its root cannot be mounted: {said.strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._mounted is not None
        self._mounted.communicate()

    def command(self, *arguments: str) -> list[str]:
        """The command that runs a program in the machine, in root's home."""
        assert self._mounted is not None
        inside = ["nsenter", f"--mount=/proc/{self._mounted.pid}/ns/mnt"]
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        return [*inside, "env", "--ignore-environment", "--chdir=/root", *variables, *arguments]

    def put_project(self) -> Path:
        """Give it Tapline's files as they are now, in place of those it had; the folder as seen from here."""
        folder = self.home / Path(PROJECT).name
        if folder.exists():
            shutil.rmtree(folder)
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        return folder

    @contextmanager
    def engine(self, *options: str) -> Iterator[docker.DockerClient]:
        """Its engine, in the network of this thread; within the block it answers. Its containers end with it.

        Skipped where this machine does not let it start.
        """
        program = ["dockerd", "--iptables=false", "--ip-masq=false", "--shutdown-timeout", "5", *options]
        log = self._scratch / "dockerd.log"
        with log.open("ab") as written:
            process = subprocess.Popen(self.command(*program), stdin=subprocess.DEVNULL, stdout=written, stderr=written)

        def answers() -> bool:
            if process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace")
                pytest.skip(f"no Docker engine can be started here: {said[-300:]}")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
                return tried.connect_ex(str(self.run / "docker.sock")) == 0

        try:
            wait_for(answers, "the Docker engine", seconds=_START_SECONDS)
            client = docker.DockerClient(base_url=f"unix://{self.run}/docker.sock", timeout=120)
            try:
                yield client
            finally:
                client.close()
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
