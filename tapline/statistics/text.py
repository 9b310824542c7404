"""Sketches as text and back."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any


def to_text(sketch: bytes) -> str:
    """Bytes as text that fits into JSON."""
    return b64encode(sketch).decode("ascii")


def from_text(text: str, deserialize: Callable[[bytes], Any], kind: str) -> Any:
    """What :func:`to_text` was given, read by the library; :class:`ValueError` for any other text."""
    try:
        return deserialize(b64decode(text, validate=True))
    except (binascii.Error, IndexError, MemoryError, RuntimeError, ValueError) as error:
        raise ValueError(f"this text is no {kind}: {error}") from error
