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
