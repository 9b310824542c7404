"""A Kafka of these tests' own where some of them stop it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tapline.services.kafka import Kafka
from tapline.services.settings import ServicesSettings
from tests.integration.engines import kills


@pytest.fixture(scope="package")
def kafka_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    if not kills(request):
        yield request.getfixturevalue("shared_kafka")
        return
    folder = tmp_path_factory.mktemp("kafka-to-restart")
    engine = Kafka(ServicesSettings(folder=str(folder), kafka_port=0, kafka_controller_port=0))
    engine.start()
    try:
        engine.wait_ready()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def kafka(kafka_engine: Kafka) -> str:
    return kafka_engine.address


@pytest.fixture
def chaos_seconds() -> float:
    """How long everything is disturbed at random; TAPLINE_CHAOS_SECONDS=600 for the long run."""
    return float(os.environ.get("TAPLINE_CHAOS_SECONDS", "30"))
