"""What all comparisons have in common."""

import pytest


@pytest.fixture(autouse=True)
def _read_by_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read captures by tshark, whose facts they are held against, also where Suricata is installed."""
    monkeypatch.setenv("TAPLINE_CAPTURE__ENGINE", "tshark")
