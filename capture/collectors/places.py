"""How records are named after the places of their messages."""

from __future__ import annotations

from typing import Final

from topics.partitions import digest

PREFIX: Final = 16
"""How many characters the beginning of a record's id has that names the partition of its message."""


def prefix_of(name: str, topic: str, partition: int) -> str:
    """What the ids of all records begin with that a source of this name makes of a partition's messages."""
    return digest(name, topic, partition)[:PREFIX]
