"""What a capture node knows of the scripts that see packets: which it wants to see, and what comes of them.

The scripts themselves run in what is built on capture nodes, which hands a node something of this shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from topics.catalog import Topic
from topics.records import Endpoints, Record

if TYPE_CHECKING:
    from pyshark.packet.packet import Packet


class SeenPacket(Protocol):
    """A packet that a display filter has let through."""

    @property
    def display_filter(self) -> str:
        """The filter."""

    @property
    def packet(self) -> Packet:
        """The packet as tshark has dissected it."""

    @property
    def time(self) -> int:
        """When it was captured, microseconds since the epoch."""

    def ends(self) -> Endpoints:
        """The ends of the flow it belongs to."""


class Emitted(Protocol):
    """A record that scripts have made."""

    @property
    def topic(self) -> Topic:
        """Where it goes."""

    @property
    def key(self) -> str:
        """What it is partitioned by."""

    @property
    def record(self) -> Record:
        """The record."""

    @property
    def window(self) -> int:
        """The window it belongs to."""


class PacketScripts(Protocol):
    """Scripts at work on the packets of one input; all calls come from one thread."""

    @property
    def display_filters(self) -> Sequence[str]:
        """The filters of all of them, each once."""

    @property
    def window(self) -> int:
        """The window that event time has come to, -1 before the first packet."""

    def start(self) -> None:
        """Let them load."""

    def show(self, packets: Sequence[SeenPacket]) -> Sequence[Emitted]:
        """Let them see packets, in this order; what they emit."""

    def reach(self, time: int) -> Sequence[Emitted]:
        """Event time (microseconds) has come to here, with packets or without; what they emit."""

    def finish(self) -> Sequence[Emitted]:
        """The packets have ended, and the window with them; what they emit."""

    def stop(self) -> None:
        """Let them unload."""

    def take_counts(self) -> Mapping[str, int]:
        """What is to be counted of them since the last call, as ``errors.NxDomain.on_packet``."""
