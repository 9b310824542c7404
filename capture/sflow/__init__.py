"""sFlow v5 into records."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "sflow:"
"""What a source begins with that names an address to listen on, or a capture file of such datagrams."""

NAME: Final = "sflow"
"""The source's name."""
