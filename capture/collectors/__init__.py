"""What other programs put into Kafka: its reading, and the flows of other collectors, goflow2 and nProbe, as JSON."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "netflow:kafka:"
"""What a source begins with that names a topic of theirs."""
