"""Suricata's events (EVE JSON) into records."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "eve:"
"""What a source begins with that names what an existing Suricata writes."""

NAME: Final = "eve"
"""The source's name."""
