"""Being nobody for a while, so that permissions count in tests run by root too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Within the block this process has no rights but those of everyone."""
    user = os.geteuid()
    if user:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
