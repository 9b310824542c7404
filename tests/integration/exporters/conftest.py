"""A lab for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.exporters.lab import Lab


@pytest.fixture
def lab(kafka: str, elasticsearch: str) -> Iterator[Lab]:
    made = Lab(kafka, elasticsearch)
    yield made
    made.stop()


@pytest.fixture
def topics(kafka: str) -> Iterator[Lab]:
    """Topics of a test's own; there is no Elasticsearch."""
    made = Lab(kafka, "http://127.0.0.1:9")
    yield made
    made.stop()
