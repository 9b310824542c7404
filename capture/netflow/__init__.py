"""NetFlow v5, NetFlow v9 and IPFIX into records."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "netflow:"
"""What a source begins with that names an address to listen on, or a capture file of such datagrams."""

NAME: Final = "netflow"
"""The source's name."""
