"""The demo, once for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kibana.demo import Demo, demonstrated


@pytest.fixture(scope="package")
def demo(kafka: str, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if shutil.which("tshark") is None:
        pytest.skip("resources and documents need tshark (apt install tshark)")
    folder: Path = tmp_path_factory.mktemp("kibana")
    with demonstrated(kafka, elasticsearch, folder) as found:
        yield found
