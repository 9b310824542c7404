"""Zeek's logs into records."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "zeek:"
"""What a source begins with that names a log file or a folder of them."""

NAME: Final = "zeek"
"""The source's name."""
