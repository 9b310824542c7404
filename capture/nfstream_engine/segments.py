"""What the order of TCP segments tells: how long a handshake took, and what was sent again.

Sequence numbers and flags are those of RFC 9293. Most segments begin where the one before ended;
:func:`arrived` is for the others, and :func:`flagged` for those with a flag that is new in their direction.
"""

from __future__ import annotations

from typing import Final

from capture.nfstream_engine.flow_state import ACK, FIN, RST, SYN, Gap, Half
from capture.packets.decode import TCP, UDP, Header

NUMBERS: Final = 0xFFFFFFFF
"""The largest sequence number; the one after it is 0."""

_HALF: Final = 1 << 31
_OVERTAKEN: Final = 3_000
"""How late, in microseconds, an overtaken segment may come where no handshake tells the round trip."""
_MOST_GAPS: Final = 32


def flagged(half: Half, flags: int, now: int) -> None:
    """Note the flags of a segment, and the time that the handshake took when this one ends it."""
    half.flags |= flags
    flow = half.flow
    if half is not flow.source:
        return
    if flags & (SYN | ACK) == SYN:
        flow.syn = now
    elif flags & (SYN | ACK) == ACK and flow.syn and not flow.setup_rtt and flow.destination.flags & SYN:
        flow.setup_rtt = now - flow.syn


def arrived(half: Half, sequence: int, size: int, flags: int, now: int) -> None:
    """Take a segment that does not begin where the one before it ended, and count it if it comes late.

    ``size`` is how many sequence numbers it takes: its data, and one each for SYN and FIN. It was sent
    again if it repeats what was seen, or fills a gap later than a segment can be that others have only
    overtaken: by half a round trip, as the handshake took; a side that is told of a loss needs a whole one.
    One that fills a gap sooner is out of order. A byte before the next one is a probe; what a reset says is not to
    be trusted.
    """
    if flags & RST:
        return
    expected, end = half.following, (sequence + size) & NUMBERS
    behind = (expected - sequence) & NUMBERS
    if expected < 0 or (flags & SYN and behind != 1):
        half.following = end
        half.gaps = None
        return
    if behind >= _HALF:
        gaps = half.gaps = half.gaps or []
        gaps.append(Gap(expected, sequence, now))
        if len(gaps) > _MOST_GAPS:
            del gaps[0]
        half.following = end
        return
    if behind < size:
        half.following = end
    if flags & SYN and not flags & ACK and half is half.flow.source:
        half.flow.syn = now
    if not size or (behind == 1 and not flags & (SYN | FIN)):
        return
    if _overtaken(half, sequence, end, now):
        half.out_of_order += 1
    else:
        half.retransmissions += 1


def _overtaken(half: Half, start: int, end: int, now: int) -> bool:
    """True for a segment that fills a gap, not long after it opened; the gap is closed as far as it does."""
    for at, gap in enumerate(half.gaps or ()):
        if (start - gap.start) & NUMBERS < _HALF and (gap.end - end) & NUMBERS < _HALF:
            left = [
                Gap(first, last, gap.opened) for first, last in ((gap.start, start), (end, gap.end)) if first != last
            ]
            assert half.gaps is not None
            half.gaps[at : at + 1] = left
            return now - gap.opened < (half.flow.setup_rtt // 2 or _OVERTAKEN)
    return False


def payload_size(header: Header, protocol: int, buffer: bytes, start: int, end: int, length: int) -> int:
    """How many bytes TCP or UDP carries in a packet of a flow of this protocol; 0 for any other.

    It is told by the lengths in the IP header, as a short frame is padded, or by the frame's own where an offloading
    network card left them 0, and never more than was on the wire. A fragment's is what the fragment has of it.
    """
    if not header.transport or protocol not in (TCP, UDP):
        return 0
    network = start + header.network
    most = length - header.network
    if header.version == 4:
        total = int.from_bytes(buffer[network + 2 : network + 4], "big")
    else:
        payload = int.from_bytes(buffer[network + 4 : network + 6], "big")
        total = 40 + payload if payload else 0
    size = min(total or most, most) - (header.transport - header.network)
    if not header.later:
        offset = start + header.transport + 12
        size -= 8 if protocol == UDP else buffer[offset] >> 2 & 60 if offset < end else size
    return max(size, 0)


def extent(header: Header, buffer: bytes, start: int, end: int, payload: int) -> tuple[int, int, int]:
    """Sequence number, size and window of the TCP segment in a packet; size -1 where there is none to be seen."""
    at = start + header.transport
    if not header.transport or header.fragment or at + 16 > end:
        return 0, -1, 0
    flags = buffer[at + 13]
    size = payload + (flags & FIN) + (flags >> 1 & 1)
    return int.from_bytes(buffer[at + 4 : at + 8], "big"), size, buffer[at + 14] << 8 | buffer[at + 15]
