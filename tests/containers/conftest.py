"""A machine whose engine has all images, in a network of its own: the stack's usual ports are free there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tapline.services.cache import exclusive
from tests.containers.debian import kept_folder, skip_without_debootstrap
from tests.containers.images import build_base, build_others, forget_unused
from tests.containers.machine import SECURED_PAGE, Machine
from tests.containers.reader import Reader
from tests.containers.stack import Stack, remove_all
from tests.namespaces import own_network

_BRIDGE = "10.213.0.1/24"
_POOL = "base=10.214.0.0/16,size=24"


@pytest.fixture(scope="session")
def engine() -> Iterator[tuple[Machine, docker.DockerClient]]:
    """A clean machine and its engine, everything built; nothing runs yet. The images stay for the next time."""
    skip_without_debootstrap()
    with (
        # Short, since paths of sockets may not be long.
        tempfile.TemporaryDirectory(prefix="tapline-test-") as name,
        # One test run at a time has the engine's data.
        exclusive(kept_folder() / "machine.lock"),
        Machine(Path(name)) as machine,
    ):
        # What builds reaches the registries; what runs reaches nobody.
        with machine.engine("--bridge", "none") as client:
            # A run that was killed leaves containers behind, which the engine starts again.
            remove_all(client)
            build_base(client)
            ours = Stack(machine, client)
            ours.write_environment()
            ours.compose("build", "--quiet")
            build_others(client)
            forget_unused(client)
        with own_network(), machine.engine("--bip", _BRIDGE, "--default-address-pool", _POOL) as client:
            yield machine, client


@pytest.fixture(scope="module")
def stack(engine: tuple[Machine, docker.DockerClient]) -> Iterator[Stack]:
    """A new copy of Tapline on the machine. At the end all containers and volumes are gone."""
    machine, client = engine
    try:
        yield Stack(machine, client)
    finally:
        remove_all(client)


@pytest.fixture(scope="session")
def running(engine: tuple[Machine, docker.DockerClient]) -> Iterator[Stack]:
    """The stack with a secured Kafka, as its page has it, and two workers; at the end it is removed as the page says.

    It is for the modules after that which follows the other page: they share it, since it takes long to start.
    """
    machine, client = engine
    try:
        made = Stack(machine, client)
        knobs = {"CAPTURE_NEWEST_SECONDS": "1", "GRAFANA_PASSWORD": "nobody-logs-in"}
        with Reader(made, SECURED_PAGE, **knobs) as reader:
            reader.follow_before("docker compose --profile '*' down --volumes")
            made.start("--scale", "workers=2")
            yield made
            reader.follow_to_the_end()
        assert not client.containers.list(all=True)
        assert not client.volumes.list()
    finally:
        remove_all(client)
