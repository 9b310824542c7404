"""An engine with all images, and the stack at work in a network of its own: its usual ports are free there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.services.cache import cache_folder, exclusive
from tests.containers.engine import docker_engine, skip_without_programs
from tests.containers.images import build_all
from tests.containers.stack import Stack, remove_all
from tests.namespaces import own_network

_BRIDGE = "10.213.0.1/24"
_POOL = "base=10.214.0.0/16,size=24"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Everything built; nothing runs yet. At the end all containers and volumes are gone, the images stay."""
    skip_without_programs()
    kept = cache_folder() / "containers"
    kept.mkdir(parents=True, exist_ok=True)
    # Short, since paths of sockets may not be long; and one test run at a time has the engine's data.
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name, exclusive(kept / "engine.lock"):
        scratch = Path(name)
        (building := scratch / "building").mkdir()
        # What builds reaches the registries; what runs reaches nobody.
        with docker_engine(building, "--bridge", "none") as client:
            # A run that was killed leaves containers behind, which the engine starts again.
            remove_all(client)
            build_all(client)
        (running := scratch / "running").mkdir()
        (project := scratch / "project").mkdir()
        with own_network(), docker_engine(running, "--bip", _BRIDGE, "--default-address-pool", _POOL) as client:
            try:
                yield Stack(project, client, running)
            finally:
                remove_all(client)
