"""Everything here runs the real tshark."""

from __future__ import annotations

import shutil

import pytest


def pytest_collection_modifyitems(items):
    if shutil.which("tshark"):
        return
    for item in items:
        if "capture_tshark" in item.path.parts and "without_tshark" not in item.keywords:
            item.add_marker(pytest.mark.skip(reason="tshark is not installed"))
