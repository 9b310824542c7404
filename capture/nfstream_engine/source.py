"""The source that turns packets into flows."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from capture.enrichment import NAME as ENRICHMENT
from capture.enrichment.domains import Domains
from capture.nfstream_engine.dissector import Dissector
from capture.nfstream_engine.flow_state import ACK, FIN, RST, SYN, FlowState
from capture.nfstream_engine.flows import FlowCache
from capture.nfstream_engine.segments import NUMBERS, arrived, extent, flagged, payload_size
from capture.packets.decode import ETHERNET, TCP, VLAN, decode
from capture.packets.fanout import Fanout
from capture.packets.files import Packet, PacketFile, Progress
from capture.packets.live import CLOCK, LiveCapture
from capture.packets.tunnels import IPV4, IPV6
from capture.settings import CaptureSettings
from capture.source import LIVE, CutShort, Observation, Sink, window_of
from topics.catalog import FLOW, METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Flow, Metric

NAME: Final = "nfstream"

_TICK: Final = 10_000_000
"""How often, in microseconds of event time, flows are looked at whether they have ended."""

_unpack = struct.Struct("!12xHBxH2xHxB2x12sI4xBBH").unpack_from
"""Of an Ethernet frame with an IPv4 packet without options: ethertype, first byte, total length,
fragmentation, protocol, addresses with ports, and of TCP sequence number, header length, flags and window."""

_unpack6 = struct.Struct("!4xH2x36sI4xBBH").unpack_from
"""Of an IPv6 packet without extensions: payload length, addresses with ports, and the same of TCP."""

_UDP_HEADER: Final = 8
_WINDOW: Final = WINDOW_SECONDS * 1_000_000


class NfstreamSource:
    """Flows out of a capture file, standard input (``-``) or a live interface.

    Event time is the packets' own; a packet older than one before it counts at the time of that one,
    so time never runs backwards. Windows are those of event time; on a live interface the clock
    closes them when no packet does.

    Every packet read is in exactly one flow or is ignored for a reason; both are counted, and each
    window's sums are published as a sample of the counter group ``Capture`` (key: the
    observation point; meters ``packets``, ``bytes``, ``ignored``, ``ignored_bytes``, ``dropped``, which the
    kernel lost, and ``evicted_flows``), of a live interface also when there were none.
    """

    def __init__(
        self,
        observation: Observation,
        path_or_interface: str,
        settings: CaptureSettings,
        progress: Progress | None = None,
        fanout: Fanout | None = None,
    ) -> None:
        self._observation = observation
        self._input = path_or_interface
        self._settings = settings
        self._progress = progress
        self._fanout = fanout
        self._stopping = False

    @property
    def name(self) -> str:
        """``nfstream``."""
        return NAME

    def run(self, sink: Sink) -> None:
        with Dissector() as dissector, self._open() as packets:
            meter = _Meter(self._observation, self._settings, dissector, sink, packets)
            try:
                meter.read(packets.packets())
                if not (self._stopping and self._observation.is_file):
                    meter.finish()
            finally:
                meter.release()
        if isinstance(packets, PacketFile) and packets.problem:
            raise CutShort(packets.problem)

    def stop(self) -> None:
        self._stopping = True

    def _open(self) -> PacketFile | LiveCapture:
        if self._observation.stream == LIVE:
            return LiveCapture(self._input, self._settings, lambda: self._stopping, self._fanout)
        return PacketFile(self._input, stopped=lambda: self._stopping, progress=self._progress)


class _Packets(Protocol):
    """Where packets come from, and what it knows of those that did not come."""

    def packets(self) -> Iterable[Packet]: ...

    def dropped(self) -> int: ...

    def losses(self) -> int: ...


class _Meter:
    """Packets in, flows and sums out."""

    def __init__(
        self,
        observation: Observation,
        settings: CaptureSettings,
        dissector: Dissector,
        sink: Sink,
        packets: _Packets,
    ) -> None:
        self._idle = settings.idle_timeout * 1_000_000
        self._domains = Domains() if settings.enrichment.passive_dns else None
        self._flows = FlowCache(observation, self._idle, settings.max_flows, dissector, self._put, self._domains)
        self._tunnels = settings.tunnels == "inner"
        self._input = packets
        self._observation = observation
        self._dissector = dissector
        self._sink = sink
        self._now = -1
        self._next_tick = 0
        self._window = 0
        self._packets = 0
        self._bytes = 0
        self._ignored: Counter[str] = Counter()
        self._ignored_bytes = 0

    def read(self, packets: Iterable[Packet]) -> None:
        """Take packets until there are no more."""
        # This loop runs for every packet: most are TCP or UDP of a flow that is known, and are found by one
        # slice of their bytes; whatever else they may be is decided by decode().
        flows, dissector, idle, tunnels = self._flows, self._dissector, self._idle, self._tunnels
        version4, version6, unpack, unpack6 = flows.version4, flows.version6, _unpack, _unpack6
        now, next_tick = self._now, self._next_tick
        count = octets = 0
        for time, length, link, buffer, start, end in packets:
            if time > now:
                now = time
                if now >= next_tick:
                    self._packets += count
                    self._bytes += octets
                    count = octets = 0
                    self._tick(now)
                    next_tick = self._next_tick
            half = header = None
            network = flags = 0
            size = -1
            if link == ETHERNET:
                if start + 54 <= end:
                    kind, first, total, fragment, protocol, key, sequence, offset, flags, window = unpack(buffer, start)
                    network, tag = start + 14, 0
                    if kind == VLAN:
                        tag = (first << 8 | buffer[start + 15]) & 0x0FFF
                        kind, first, total, fragment, protocol, key, sequence, offset, flags, window = unpack(
                            buffer, start + 4
                        )
                        network = start + 18
                    if kind == IPV4:
                        if first == 0x45 and not fragment & 0x3FFF:
                            table = version4.get(protocol << 12 | tag)
                            if table is not None:
                                half = table.get(key)
                    elif kind == IPV6 and network + 56 <= end:
                        protocol = buffer[network + 6]
                        table = version6.get(protocol << 12 | tag)
                        if table is not None:
                            total, key, sequence, offset, flags, window = unpack6(buffer, network)
                            half = table.get(key)
                            # From here as if the header were one of IPv4, which is shorter by 20 bytes.
                            total = total and total + 20
                    if not 0 < total < length:
                        total = length + start - network - (20 if kind == IPV6 else 0)
                    if protocol == TCP:
                        payload = size = total - 20 - (offset >> 2 & 60)
                        if flags & 3:
                            size += (flags & 1) + (flags >> 1 & 1)
                    else:
                        payload = total - 28
                        flags = 0
            elif link == CLOCK:
                continue
            count += 1
            octets += length
            if half is None:
                decoded = decode(link, buffer, start, end, tunnels=tunnels)
                if isinstance(decoded, str):
                    self._ignored[decoded] += 1
                    self._ignored_bytes += length
                    continue
                header = decoded
                half = flows.find(header)
                network = start + header.network
                protocol = half.flow.header.protocol if half is not None else header.protocol
                payload = payload_size(header, protocol, buffer, start, end, length)
                flags_at = start + header.transport + 13
                flags, size = 0, -1
                if header.protocol == TCP and header.transport and not header.later and flags_at < end:
                    flags = buffer[flags_at]
                    sequence, size, window = extent(header, buffer, start, end, payload)
            if half is not None:
                flow = half.flow
                if now - flow.last > idle or (flags & SYN and not flags & ACK and flow.over):
                    flows.end(flow, self._window, "end" if flow.over else "idle")
                    half = None
            if half is None:
                if header is None:
                    decoded = decode(link, buffer, start, end, tunnels=tunnels)
                    assert not isinstance(decoded, str)
                    header = decoded
                half = flows.begin(header, now, self._window, link, buffer, start)
                flow = half.flow
                if not header.later:
                    flow.dissection = dissector.begin(now // 1000, buffer, network, end)
            elif (
                flow.dissection is not None
                and not (header is not None and header.later)
                and dissector.packet(flow.dissection, now // 1000, buffer, network, end)
            ):
                flows.settle(flow)
            half.packets += 1
            half.bytes += length
            if payload > 0:
                half.payload += payload
                if half.answers and (header is None or not header.fragment):
                    if header is None:
                        at = network + (48 if kind == IPV6 else 28)
                    else:
                        at = start + header.transport + _UDP_HEADER
                    self._learn(flow, buffer[at : min(at + payload, end)], now)
            if flags | half.flags != half.flags:
                flagged(half, flags, now)
            if size >= 0:
                if not window and not flags & (FIN | SYN | RST):
                    half.zero_windows += 1
                if sequence == half.following:
                    half.following = sequence + size & NUMBERS
                else:
                    arrived(half, sequence, size, flags, now)
            flow.last = now
        self._packets += count
        self._bytes += octets
        self._now = now

    def finish(self) -> None:
        """End every flow; the window that is open is put, not advanced past."""
        self._flows.end_all(self._window)
        self._close_window(self._now)

    def release(self) -> None:
        """Free what nDPI holds, whatever has happened."""
        self._flows.release()

    def _put(self, flow: Flow, window: int) -> None:
        self._sink.put(FLOW, flow.community_id, flow, window)

    def _learn(self, flow: FlowState, message: bytes, now: int) -> None:
        """Learn what a name server answers to who began the flow."""
        if self._domains is not None:
            self._domains.take(flow.header.source, message, now)

    def _tick(self, now: int) -> None:
        """Do what is due up to this time: end flows, report them at the end of a window."""
        if not self._next_tick:
            self._begin(now)
            return
        while self._next_tick <= now:
            tick = self._next_tick
            self._flows.sweep(tick, self._window)
            self._next_tick += _TICK
            if tick % _WINDOW == 0:
                self._flows.report(self._window)
                self._close_window(tick - 1)
                if len(self._flows):
                    self._window += WINDOW_SECONDS
                else:
                    self._begin(now)
                self._sink.advance(NAME, self._window - WINDOW_SECONDS)

    def _begin(self, now: int) -> None:
        """Go on at this time, with no flow going on."""
        self._window = window_of(now)
        self._next_tick = now // _TICK * _TICK + _TICK

    def _close_window(self, time: int) -> None:
        """Put and count what was read in the window that ends at this time."""
        dropped = self._input.dropped()
        ignored = self._ignored.total()
        observation, window = self._observation, self._window
        if self._packets or dropped or observation.stream == LIVE:
            sample = Metric(
                id=digest(observation.identity, "interface", window),
                time=time,
                node=observation.node,
                observation_point=observation.observation_point,
                group="Capture",
                key=observation.observation_point,
                meters={
                    "packets": self._packets,
                    "bytes": self._bytes,
                    "ignored": ignored,
                    "ignored_bytes": self._ignored_bytes,
                    "dropped": dropped,
                    "evicted_flows": self._flows.evicted,
                },
                source="packet",
            )
            self._sink.put(METRIC, f"{sample.group}\0{sample.key}", sample, window)
        for counter, amount in (
            ("packets", self._packets),
            ("bytes", self._bytes),
            ("ignored_bytes", self._ignored_bytes),
            ("dropped.kernel", dropped),
            ("evicted_flows", self._flows.evicted),
            ("interface_losses", self._input.losses()),
            *((f"ignored.{reason}", amount) for reason, amount in self._ignored.items()),
        ):
            if amount:
                self._sink.count(NAME, counter, amount)
        if self._domains is not None:
            for counter, amount in self._domains.counts.items():
                self._sink.count(ENRICHMENT, counter, amount)
            self._domains.counts.clear()
        self._packets = self._bytes = self._ignored_bytes = 0
        self._ignored.clear()
        self._flows.evicted = 0
