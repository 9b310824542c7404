"""Packets for scripts: what tshark's display filters let through, as packets of pyshark."""

from __future__ import annotations

from typing import Final

NAME: Final = "packets"
"""The name of this source."""
