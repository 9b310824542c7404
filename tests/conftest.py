"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code: speed is measured in bench/.
settings.register_profile("tapline", deadline=None)
settings.load_profile("tapline")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As on a terminal: processes that run tests beside each other are deaf to interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
