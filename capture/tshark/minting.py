"""Making resources and documents with deterministic ids."""

from __future__ import annotations

from collections import Counter
from typing import Any

from capture.source import Observation
from capture.tshark.frame import Conversation, Frame
from topics.partitions import digest
from topics.records import Document, Resource

DOCUMENT_LIMIT = 32 * 1024
"""Most bytes of text in a document."""


class Mint:
    """Makes the records of one observation and counts what it had to leave out.

    An id is a digest of the observation's identity, the kind of record, the frame's number and the
    record's place among those of its kind in that frame. ``base`` is added to the numbers, which begin
    again with each tshark.
    """

    def __init__(self, observation: Observation) -> None:
        self.counts: Counter[str] = Counter()
        self._observation = observation
        self.base = 0
        self._frame = 0
        self._ordinals: Counter[str] = Counter()

    def resource(
        self, frame: Frame, conversation: Conversation, group: str, *, identity: str = "", **details: Any
    ) -> Resource:
        """A resource carried by this frame in this conversation (source first); see :meth:`identify`."""
        identity = identity or self.identify(frame, f"resource/{group}")
        return Resource(**self._common(identity, frame, conversation), group=group, **details)

    def document(self, frame: Frame, conversation: Conversation, group: str, key: str, text: str) -> Document:
        """A document carried by this frame; text beyond :data:`DOCUMENT_LIMIT` bytes is cut and counted."""
        identity = self.identify(frame, f"document/{group}")
        return Document(**self._common(identity, frame, conversation), group=group, key=key, text=self._cut(text))

    def identify(self, frame: Frame, kind: str) -> str:
        """The next id of this kind in this frame; taken ahead for a record that later frames complete."""
        number = self.base + frame.number
        if number != self._frame:
            self._frame = number
            self._ordinals.clear()
        ordinal = self._ordinals[kind]
        self._ordinals[kind] += 1
        return digest(self._observation.identity, kind, number, ordinal)

    def _cut(self, text: str) -> str:
        if len(text) * 4 <= DOCUMENT_LIMIT:
            return text
        encoded = text.encode("utf-8", "replace")
        if len(encoded) <= DOCUMENT_LIMIT:
            return text
        self.counts["truncated.document"] += 1
        return encoded[:DOCUMENT_LIMIT].decode("utf-8", "ignore")

    def _common(self, identity: str, frame: Frame, conversation: Conversation) -> dict[str, Any]:
        return {
            "id": identity,
            "time": frame.time,
            "node": self._observation.node,
            "observation_point": self._observation.observation_point,
            "community_id": conversation.community_id,
            "source_ip": conversation.source_ip,
            "destination_ip": conversation.destination_ip,
            "source_port": conversation.source_port,
            "destination_port": conversation.destination_port,
            "transport": conversation.transport,
            "protocol_number": conversation.protocol_number,
            "vlan_id": conversation.vlan_id,
        }
