"""What is kept of a flow that goes on."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from capture.nfstream_engine.dissector import Application
from capture.packets.decode import TCP, Header

UNSEEN: Final = Application(name="Unknown", category="Unspecified")
"""What nDPI would say of a flow it has not been shown, as one of fragments alone."""

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


class Gap(NamedTuple):
    """A range of sequence numbers that was left out when a later one was seen, and when that was."""

    start: int
    end: int
    opened: int


class Half:
    """One direction of a flow: what was counted, and the TCP flags seen.

    ``payload`` is how many of the bytes TCP or UDP carried. ``following`` is the TCP sequence number
    that comes next, -1 before the first segment; ``gaps`` are the ranges before it that were not seen
    (:mod:`capture.nfstream_engine.segments`). ``answers`` says that it is a name server's, whose answers are read.
    """

    __slots__ = (
        "answers",
        "bytes",
        "flags",
        "flow",
        "following",
        "gaps",
        "out_of_order",
        "packets",
        "payload",
        "retransmissions",
        "zero_windows",
    )

    def __init__(self, flow: FlowState) -> None:
        self.flow = flow
        self.packets = 0
        self.bytes = 0
        self.payload = 0
        self.flags = 0
        self.following = -1
        self.gaps: list[Gap] | None = None
        self.retransmissions = 0
        self.out_of_order = 0
        self.zero_windows = 0
        self.answers = False


class Table(dict[bytes, Half]):
    """Directions by addresses and ports, of packets alike in everything else."""


class FlowState:
    """A flow in the cache.

    ``dissection`` is nDPI's state of it while it still looks; ``syn`` when its source asked last for a
    connection, 0 where that was not seen, and ``setup_rtt`` how long the handshake took from then. ``source_domain``
    and ``destination_domain`` are the names that were known when it began.
    """

    __slots__ = (
        "application",
        "community_id",
        "destination",
        "destination_domain",
        "destination_mac",
        "dissection",
        "ended",
        "flow_id",
        "forward",
        "header",
        "last",
        "reported",
        "reverse",
        "sequence",
        "setup_rtt",
        "source",
        "source_domain",
        "source_mac",
        "start",
        "syn",
        "table",
    )

    def __init__(self, header: Header, time: int, table: Table, forward: bytes, reverse: bytes) -> None:
        self.header = header
        self.start = time
        self.last = time
        self.table = table
        self.forward = forward
        self.reverse = reverse
        self.source = Half(self)
        self.destination = Half(self)
        self.community_id = ""
        self.flow_id = ""
        self.source_mac = ""
        self.destination_mac = ""
        self.source_domain = ""
        self.destination_domain = ""
        self.dissection: Any = None
        self.application = UNSEEN
        self.sequence = 0
        self.reported = (0, 0, 0, 0, 0, 0)
        self.ended = False
        self.syn = 0
        self.setup_rtt = 0

    @property
    def over(self) -> bool:
        """True when TCP has ended the flow: FIN both ways, or RST."""
        source, destination = self.source.flags, self.destination.flags
        return bool((source | destination) & RST or source & destination & FIN)

    @property
    def state(self) -> str:
        """The TCP state, as in :class:`~topics.records.Flow`."""
        if self.header.protocol != TCP:
            return ""
        source, destination = self.source.flags, self.destination.flags
        if source & destination & FIN:
            return "closed"
        if (source | destination) & RST:
            return "reset"
        if (source | destination) & FIN:
            return "closing"
        if source == SYN and not destination:
            return "syn"
        if source & SYN and destination & SYN and not source & ACK:
            return "syn-ack"
        return "established"
