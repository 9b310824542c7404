"""A Suricata that the node starts, and what it tells of packets."""

from __future__ import annotations

from typing import Final

NAME: Final = "suricata"
"""The source's name."""
