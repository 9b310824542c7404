"""A Docker engine of the tests' own: what it has built is kept beside the engines, so that it is built once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker
import pytest

from tapline.services.cache import cache_folder
from tests.waiting import wait_for

_PROGRAMS: Final = ("dockerd", "docker", "ip", "debootstrap")
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0
_PATH: Final = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def skip_without_programs() -> None:
    """Skip where no engine can be started."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine")
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt install docker.io iproute2 debootstrap)")


@contextmanager
def docker_engine(folder: Path, *options: str) -> Iterator[docker.DockerClient]:
    """An engine in the network of this thread; within the block it answers. Its containers end with it.

    ``folder`` is for its socket and log. Skipped where this machine does not let it start.
    """
    data = cache_folder() / "containers" / "engine"
    data.mkdir(parents=True, exist_ok=True)
    address = socket_of(folder)
    command = ["dockerd", "--host", address, "--data-root", str(data), "--exec-root", str(folder / "run")]
    command += ["--pidfile", str(folder / "pid"), "--iptables=false", "--ip-masq=false", "--shutdown-timeout", "5"]
    with (folder / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": _PATH}
        )

    def answers() -> bool:
        if process.poll() is not None:
            said = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")
            pytest.skip(f"no Docker engine can be started here: {said[-300:]}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
            return tried.connect_ex(address.removeprefix("unix://")) == 0

    try:
        wait_for(answers, "the Docker engine", seconds=_START_SECONDS)
        client = docker.DockerClient(base_url=address, timeout=120)
        try:
            yield client
        finally:
            client.close()
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
        _unmount(folder)


def _unmount(folder: Path) -> None:
    """Undo what an engine leaves mounted: the namespaces of networks."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        if (mounted := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", mounted], check=True)


def socket_of(folder: Path) -> str:
    """Where the engine of a folder listens."""
    return f"unix://{folder}/docker.sock"
