"""A lab, servers, and shorter waits between attempts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.recipients import backoff
from tests.integration.exporters.recipients.lab import RecipientsLab
from tests.integration.exporters.recipients.servers import WebServer, make_certificate


@pytest.fixture
def lab(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecipientsLab]:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)
    made = RecipientsLab(kafka)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def web(certificate: tuple[Path, Path]) -> Iterator[WebServer]:
    """An HTTP server with TLS."""
    with WebServer(*certificate) as server:
        yield server


@pytest.fixture
def other_web() -> Iterator[WebServer]:
    """An HTTP server without TLS."""
    with WebServer() as server:
        yield server
