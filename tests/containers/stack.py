"""The stack of docker-compose.yml, as somebody has it who copied it and wrote an ``.env``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Final

import docker
from docker.models.containers import Container

from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands.holdings import Holdings
from tests.containers import images
from tests.containers.machine import PROJECT, Machine
from tests.docs.test_commands import Shell

ENVIRONMENT: Final = {
    "KAFKA_IMAGE": images.KAFKA,
    "ELASTICSEARCH_IMAGE": images.ELASTICSEARCH,
    "KIBANA_IMAGE": images.KIBANA,
    "PROMETHEUS_IMAGE": images.PROMETHEUS,
    "BASE_IMAGE": images.BASE,
    "BUILD_NETWORK": "host",
    "ELASTICSEARCH_HEAP": "512m",
    "CAPTURE_ENGINE": "tshark",
}
"""What differs from ``.env.example``: images that cannot be pulled here; one engine, for the same counts everywhere."""


class Stack:
    """A machine's folder with Tapline, and the engine that runs it; the folder is made anew."""

    def __init__(self, machine: Machine, client: docker.DockerClient) -> None:
        self.folder = machine.put_project()
        self.client = client
        self._machine = machine

    def write_environment(self, **knobs: str) -> None:
        """Write the ``.env``: the example, and what differs."""
        lines = [f"{name}={value}" for name, value in {**ENVIRONMENT, **knobs}.items()]
        example = (self.folder / ".env.example").read_text(encoding="utf-8")
        (self.folder / ".env").write_text("\n".join([example, *lines]) + "\n", encoding="utf-8")

    def shell(self) -> Shell:
        """Somebody's shell on the machine, where Tapline is."""
        inside = self._machine.command("env", f"--chdir={PROJECT}", "bash", "--noprofile", "--norc")
        return Shell(self.folder, dict(os.environ), inside)

    def compose(self, *arguments: str) -> str:
        """What `docker compose` says; it has to succeed."""
        command = ["docker", "compose", "--ansi", "never", *arguments]
        done = subprocess.run(
            self._machine.command("env", f"--chdir={PROJECT}", *command), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *arguments: str) -> None:
        """Have all of it run and be well; what the containers say is told when it is not."""
        try:
            self.compose("up", "--detach", "--wait", *arguments)
        except AssertionError as error:
            said = "\n".join(f"== {name}\n{log}" for name, log in self.logs().items())
            raise AssertionError(f"{error}\n{said}") from error

    def containers(self, service: str) -> list[Container]:
        """The containers of a service, also those that do not run."""
        labels = ["com.docker.compose.project=tapline", f"com.docker.compose.service={service}"]
        found: list[Container] = self.client.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda each: str(each.name))

    def put(self, name: str, capture: bytes) -> None:
        """Leave a capture file in the folder that is watched."""
        hidden = self.folder / "compose" / "captures" / f".{name}"
        hidden.write_bytes(capture)
        # A file that was left before now needs not be waited for.
        long_ago = time.time() - 60
        os.utime(hidden, (long_ago, long_ago))
        hidden.rename(hidden.with_name(name))

    def logs(self) -> Mapping[str, str]:
        """The last lines of each container."""
        return {
            str(each.name): each.logs(tail=20).decode(errors="replace")
            for each in self.client.containers.list(all=True)
        }


def remove_all(client: docker.DockerClient) -> None:
    """End and forget everything that ran, whatever the state that a test left it in."""
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    for volume in client.volumes.list():
        volume.remove(force=True)
    client.networks.prune()


def holdings() -> Holdings:
    """What the stack's Elasticsearch holds, asked through its port of loopback."""
    return Holdings(ElasticsearchSettings(hosts=["http://127.0.0.1:9200"]))
