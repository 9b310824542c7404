"""Real engines for tests: on ports of their own, in a folder that goes with them.

``kafka`` and ``elasticsearch`` last for the whole test run, so tests share them: make names of topics,
groups and data streams unique. A test that stops or kills an engine takes ``running`` with one of its own, as do
all tests of a folder whose kill tests do that, where these are run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tapline.services.elasticsearch import Elasticsearch
from tapline.services.engine import Engine
from tapline.services.kafka import Kafka
from tapline.services.settings import ServicesSettings

E = TypeVar("E", bound=Engine)


@contextmanager
def engine_folder() -> Iterator[Path]:
    """A temporary folder that everyone can enter, as pytest's own is not: Elasticsearch may run as nobody."""
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def engine_settings(folder: Path) -> ServicesSettings:
    """Settings for engines below ``folder`` on free ports, beside whatever else runs here."""
    return ServicesSettings(
        folder=str(folder / ".tapline"),
        kafka_port=0,
        kafka_controller_port=0,
        elasticsearch_port=0,
        elasticsearch_transport_port=0,
        # One that cannot start says so at once; on a machine that has much else to do it takes this long.
        start_timeout=300.0,
    )


@contextmanager
def running(engine: E) -> Iterator[E]:
    """``engine``, started and serving; stopped at the end whatever happens."""
    try:
        engine.start()
        engine.wait_ready()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def shared_kafka() -> Iterator[Kafka]:
    """A Kafka that the whole test run shares."""
    with engine_folder() as folder, running(Kafka(engine_settings(folder))) as engine:
        yield engine


@pytest.fixture(scope="session")
def shared_elasticsearch() -> Iterator[Elasticsearch]:
    """An Elasticsearch that the whole test run shares."""
    with engine_folder() as folder, running(Elasticsearch(engine_settings(folder))) as engine:
        yield engine


@pytest.fixture(scope="session")
def kafka(shared_kafka: Kafka) -> str:
    """The bootstrap server of the shared Kafka."""
    return shared_kafka.address


@pytest.fixture(scope="session")
def elasticsearch(shared_elasticsearch: Elasticsearch) -> str:
    """The URL of the shared Elasticsearch."""
    return shared_elasticsearch.address


def kills(request: pytest.FixtureRequest) -> bool:
    """True when tests are run that stop and kill engines and processes."""
    return any(item.get_closest_marker("kill") for item in request.session.items)
