"""A real Docker daemon in a network namespace of its own, and an image made of this machine's ``sleep``."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path

import docker
import pytest

from tests.waiting import wait_for

IMAGE = "tapline-test:1"
_PROGRAMS = ("dockerd", "unshare", "ip", "ldd")


def skip_without_docker() -> None:
    """Skip where no daemon can be started."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker daemon")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt install docker.io iproute2)")


class Engine:
    """The daemon of a folder; ``socket`` is where it listens."""

    def __init__(self, folder: Path) -> None:
        self.socket = f"unix://{folder}/docker.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; skip where this machine does not let it."""
        folder = self._folder
        command = f"ip link set lo up && exec dockerd --host {self.socket} --data-root {folder}/data"
        command += f" --exec-root {folder}/exec --pidfile {folder}/pid --bip 10.213.0.1/24"
        command += " --iptables=false --ip-masq=false --storage-driver vfs --shutdown-timeout 1"
        with (folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        def answers() -> bool:
            assert self._process is not None
            if self._process.poll() is not None:
                log = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")
                pytest.skip(f"no Docker daemon can be started here: {log[-300:]}")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
                try:
                    tried.connect(self.socket.removeprefix("unix://"))
                except OSError:
                    return False
            self.client().close()
            return True

        wait_for(answers, "the Docker daemon")

    def stop(self) -> None:
        """Stop it; containers stop with it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def client(self) -> docker.DockerClient:
        """A connection to it."""
        return docker.DockerClient(base_url=self.socket, timeout=30)

    def import_image(self) -> None:
        """Make the image."""
        sleep = shutil.which("sleep")
        assert sleep is not None
        linked = subprocess.run(["ldd", sleep], capture_output=True, text=True, check=True).stdout
        files = [Path(sleep).resolve(), *map(Path, re.findall(r"(/\S+) \(0x", linked))]
        archive = self._folder / "image.tar"
        with tarfile.open(archive, "w") as tar:
            for file in files:
                tar.add(file.resolve(), arcname=str(file).lstrip("/") if file.name != "sleep" else "bin/sleep")
        client = self.client()
        try:
            repository, tag = IMAGE.split(":")
            client.api.import_image(src=str(archive), repository=repository, tag=tag)
        finally:
            client.close()

    def run(self, name: str, **labels: str) -> str:
        """Run a container that sleeps; its address."""
        client = self.client()
        try:
            container = client.containers.run(
                IMAGE, ["/bin/sleep", "600"], name=name, labels=labels, detach=True, stop_signal="SIGKILL"
            )
            container.reload()
            networks = container.attrs["NetworkSettings"]["Networks"]
            return str(networks["bridge"]["IPAddress"])
        finally:
            client.close()

    def remove(self, name: str) -> None:
        """End a container and forget it."""
        client = self.client()
        try:
            client.api.remove_container(name, force=True)
        finally:
            client.close()
