"""Engines for the tests of the whole way; their own where one of the tests stops them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tests.integration.engines import engine_folder, engine_settings, kills, running
from tests.integration.pipeline.stack import Stack


@pytest.fixture(scope="package")
def engines(request: pytest.FixtureRequest) -> Iterator[tuple[Kafka, Elasticsearch]]:
    if not kills(request):
        yield request.getfixturevalue("shared_kafka"), request.getfixturevalue("shared_elasticsearch")
        return
    with ExitStack() as stack:
        settings = engine_settings(stack.enter_context(engine_folder()))
        kafka = stack.enter_context(running(Kafka(settings)))
        yield kafka, stack.enter_context(running(Elasticsearch(settings)))


@pytest.fixture
def stack(engines: tuple[Kafka, Elasticsearch], tmp_path: Path) -> Stack:
    """Topics and data streams of a test's own."""
    made = Stack(*engines, tmp_path)
    made.prepare()
    return made
