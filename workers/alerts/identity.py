"""What makes two alerts the same: identities, holders, episodes, and when a text says something new."""

from __future__ import annotations

import re
from typing import Final

from topics.partitions import digest
from topics.records import Alert

ANY_HOLDER: Final = "*"
"""The instance that speaks for all: what a person releases is released of everyone."""

_VARYING: Final = re.compile(r"\S*\d\S*")


def identity_of(alert: Alert, stream: str) -> str:
    """What a condition is known by, or what tells a one-shot alert from one that repeats it.

    A condition is its type, subtype, granularity and entity in its stream: what a capture file shows is none of
    what holds in the live network. One-shot alerts also differ by group, signature and peer.
    """
    parts = (stream, alert.type, alert.subtype, alert.granularity, alert.entity_kind, alert.entity)
    if alert.action != "store":
        return digest("condition", *parts)
    return digest("stored", *parts, alert.group, alert.signature, peer_of(alert))


def peer_of(alert: Alert) -> str:
    """The other party: the one that is named, else the end of the conversation that is not the entity."""
    if alert.peer:
        return alert.peer
    return alert.destination_ip if alert.entity != alert.destination_ip else alert.source_ip


def holder_of(alert: Alert) -> str:
    """Who asserts a condition: a script in one instance, each for itself."""
    return ANY_HOLDER if alert.instance == ANY_HOLDER else f"{alert.instance}/{alert.script}"


def gist(message: str) -> str:
    """A message without its numbers, addresses and dates: while it stays the same, nothing new is said."""
    return _VARYING.sub("#", message)
