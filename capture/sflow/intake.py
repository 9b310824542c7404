"""From datagrams to records."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from capture.eve.ends import NAMES
from capture.exports.books import Books
from capture.exports.sequences import KeptSequences
from capture.exports.source import Datagram
from capture.exports.windows import Windows
from capture.netflow.sequence import Sequence as Numbers
from capture.settings import FlowExportSettings
from capture.sflow import NAME
from capture.sflow.counters import GROUP, INTERFACE, KINDS, interface_counters
from capture.sflow.datagram import (
    CounterSample,
    FlowSample,
    Head,
    SflowError,
    read_head,
    samples_of,
)
from capture.sflow.packets import sampled_packet
from capture.source import Observation, Sink
from capture.whole_flow import whole_flow
from topics.catalog import FLOW, METRIC
from topics.partitions import digest
from topics.records import Metric

_MOST_RATE: Final = 1 << 24
_MOST_LENGTH: Final = 1 << 18
"""No packet is longer than that: a sample that says so, or that has a greater rate, is wrong."""

_INTERFACES: Final = 64
"""How many interfaces' drops are followed, for each agent there may be."""


class SflowIntake:
    """Makes a flow of each sampled packet, with its bytes and itself times the sampling rate, and samples of counters.

    sFlow sends what it sees at once, so that a sample's time is that at which its datagram came.
    """

    def __init__(
        self,
        observation: Observation,
        settings: FlowExportSettings,
        sink: Sink,
        now: int,
        reached: KeptSequences | None = None,
    ) -> None:
        self._observation = observation
        self._sink = sink
        self._books = Books(observation, NAME, settings, sink, now)
        self._windows = Windows(sink, NAME, settings.wait_seconds * 1_000_000, now)
        self._most = settings.exporters
        self._reached = reached
        self._sequences: OrderedDict[tuple[str, int], Numbers] = OrderedDict()
        self._drops: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        self._prefix = digest(observation.identity, NAME)[:20]
        self._number = 0

    def at(self, now: int) -> None:
        self._books.turn(self._windows, now)
        self._windows.reach(now)

    def take(self, datagrams: Sequence[Datagram]) -> None:
        self._books.datagrams(len(datagrams), sum(len(data) for data, _, _ in datagrams))
        for data, sender, received in datagrams:
            self._windows.see(received)
            agent = sender
            try:
                head = read_head(data)
                agent = head.agent
                self._books.add(agent, "datagrams")
                self._follow(head)
                self._samples(head, data)
            except SflowError as error:
                self._books.reject(data, agent, error.reason, error.detail, self._windows)

    def drop(self, datagrams: int) -> None:
        self._books.drop(datagrams)

    def keep(self) -> None:
        if self._reached is not None:
            self._reached.keep(self._expected())

    def finish(self) -> None:
        self._books.tell(self._windows)
        if self._reached is not None:
            self._reached.finish(self._expected())

    def _expected(self) -> dict[str, int]:
        """Which sequence number comes next of each agent's part."""
        return {_named(key): numbers.expected for key, numbers in self._sequences.items()}

    def _samples(self, head: Head, data: bytes) -> None:
        flows = 0
        try:
            for sample in samples_of(head, data):
                if isinstance(sample, FlowSample):
                    flows += self._flow(head, sample, data)
                elif isinstance(sample, CounterSample):
                    self._counters(head, sample, data)
                else:
                    self._books.count("ignored.sample")
        finally:
            if flows:
                self._books.count("flows", flows)
                self._books.add(head.agent, "flows", flows)

    def _flow(self, head: Head, sample: FlowSample, data: bytes) -> bool:
        """Put the flow of a sampled packet; False when it is of none."""
        self._follow_drops(head, sample)
        packet = sampled_packet(data, sample.records)
        rate = sample.rate or 1
        if isinstance(packet, str):
            self._books.count(f"ignored.{packet}")
            return False
        if rate > _MOST_RATE or packet.length > _MOST_LENGTH:
            self._books.count("ignored.counters")
            return False
        self._number += 1
        record_id = f"{self._prefix}{self._number:012x}"
        time, octets = self._windows.reached, packet.length * rate
        flow = whole_flow(
            record_id,
            time,
            self._observation.node,
            self._observation.observation_point,
            packet.community_id,
            packet.source_ip,
            packet.destination_ip,
            packet.source_port,
            packet.destination_port,
            NAMES.get(packet.protocol) or f"protocol-{packet.protocol}",
            packet.protocol,
            packet.vlan,
            record_id,
            time,
            packet.version,
            packet.source_mac,
            packet.destination_mac,
            "",
            "",
            "",
            packet.tcp_flags,
            0,
            octets,
            0,
            rate,
            0,
            head.agent,
            sample.input,
            sample.output,
            rate,
        )
        if packet.tunnel:
            flow = replace(
                flow,
                tunnel=packet.tunnel,
                tunnel_source_ip=packet.tunnel_source_ip,
                tunnel_destination_ip=packet.tunnel_destination_ip,
                tunnel_id=packet.tunnel_id,
            )
        self._sink.put(FLOW, flow.community_id, flow, self._windows.place(time))
        return True

    def _counters(self, head: Head, sample: CounterSample, data: bytes) -> None:
        for kind, start, end in sample.records:
            found = interface_counters(data, start, end) if kind == INTERFACE else None
            if found is None:
                self._books.count("ignored.counter-record")
                continue
            self._number += 1
            interface, meters = found
            key, time = f"{head.agent}/{interface}", self._windows.reached
            metric = Metric(
                id=f"{self._prefix}{self._number:012x}",
                time=time,
                node=self._observation.node,
                observation_point=self._observation.observation_point,
                group=GROUP,
                key=key,
                meters=meters,
                kinds={name: KINDS[name] for name in meters},
                source=NAME,
            )
            self._sink.put(METRIC, f"{GROUP}\0{key}", metric, self._windows.place(time))
            self._books.count("counters")

    def _follow(self, head: Head) -> None:
        """Count what did not come of an agent's part."""
        key = head.agent, head.part
        numbers = self._sequences.get(key)
        if numbers is None:
            if len(self._sequences) >= self._most:
                self._sequences.popitem(last=False)
                self._books.count("evicted.exporters")
            expected = -1 if self._reached is None else self._reached.expected(_named(key))
            numbers = self._sequences[key] = Numbers(expected)
        else:
            self._sequences.move_to_end(key)
        step = numbers.follow(head.sequence, 1)
        if step.kind:
            self._books.count(f"sequence.{step.kind}")
            self._books.add(head.agent, step.kind)
        if step.missing:
            self._books.count("missing", step.missing)
            self._books.add(head.agent, "missing", step.missing)

    def _follow_drops(self, head: Head, sample: FlowSample) -> None:
        """Count the packets that the agent should have looked at and could not."""
        key = head.agent, head.part, sample.interface
        before = self._drops.get(key)
        if before is None and len(self._drops) >= self._most * _INTERFACES:
            self._drops.popitem(last=False)
        self._drops[key] = sample.drops
        more = sample.drops - before if before is not None else 0
        # A greater step is an agent that has begun anew, or one that lies.
        if 0 < more <= _MOST_RATE:
            self._books.count("drops", more)
            self._books.add(head.agent, "drops", more)


def _named(key: tuple[str, int]) -> str:
    agent, part = key
    return f"{agent} {part}"
