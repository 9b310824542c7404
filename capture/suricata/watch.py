"""What is counted of the packets that Suricata sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from capture.eve.events import StatsEvent
from capture.source import LIVE, Made, Observation, Sink
from capture.suricata import NAME
from topics.catalog import FLOW, METRIC, Topic
from topics.partitions import digest
from topics.records import Flow, Metric, Record

_PACKETS: Final = "decoder_pkts"
_BYTES: Final = "decoder_bytes"
_DROPPED: Final = "capture_kernel_drops"


class Watch:
    """A sink that hands on what it is given, and counts packets by Suricata's counters.

    Where Suricata's flows are put it is the engine that the capture's packets are counted by: live, they are samples of
    the counter group ``Capture`` too. Beside another engine, only what the kernel kept from it is counted, as
    ``missed.kernel``.
    """

    def __init__(self, observation: Observation, sink: Sink, *, flows: bool) -> None:
        self._observation = observation
        self._sink = sink
        self._flows = flows
        self._flow_packets = 0
        self._flow_bytes = 0
        self._told: dict[str, int] = {}

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        if topic is FLOW and not self._flows:
            return
        if topic is METRIC and isinstance(record, Metric):
            self._count(record, window)
            if self._observation.stream != LIVE:
                # A stream's counters come once, at its end.
                return
        self._sink.put(topic, key, record, window)

    def take(self, flows: Sequence[Made]) -> None:
        """These flows of a file have ended."""
        for _, _, record in flows:
            if isinstance(record, Flow):
                self._flow_packets += record.total_packets
                self._flow_bytes += record.total_bytes

    def advance(self, source: str, window: int) -> None:
        self._sink.advance(source, window)

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        self._sink.count(source, counter, amount)

    def begin_again(self) -> None:
        """Another Suricata counts from 0."""
        self._told.clear()

    def end(self, statistics: Sequence[StatsEvent]) -> None:
        """A file was read to its end, and these are the counters of each Suricata that did."""
        if not self._flows:
            return
        packets = sum(_number(each, "pkts") for each in statistics)
        octets = sum(_number(each, "bytes") for each in statistics)
        self._sink.count(NAME, "packets", packets)
        self._sink.count(NAME, "bytes", octets)
        if packets > self._flow_packets:
            self._sink.count(NAME, "ignored.no-flow", packets - self._flow_packets)
            self._sink.count(NAME, "ignored_bytes", max(0, octets - self._flow_bytes))

    def _count(self, sample: Metric, window: int) -> None:
        packets, octets, dropped = (self._grown(sample, name) for name in (_PACKETS, _BYTES, _DROPPED))
        if not self._flows:
            if dropped:
                self._sink.count(NAME, "missed.kernel", dropped)
            return
        self._sink.count(NAME, "packets", packets)
        self._sink.count(NAME, "bytes", octets)
        if dropped:
            self._sink.count(NAME, "dropped.kernel", dropped)
        if self._observation.stream != LIVE:
            return
        observation = self._observation
        metric = Metric(
            id=digest(observation.identity, "interface", sample.time),
            time=sample.time,
            node=observation.node,
            observation_point=observation.observation_point,
            group="Capture",
            key=observation.observation_point,
            meters={"packets": packets, "bytes": octets, "ignored": 0, "ignored_bytes": 0, "dropped": dropped,
                    "evicted_flows": 0},
            source="packet",
        )  # fmt: skip
        self._sink.put(METRIC, f"{metric.group}\0{metric.key}", metric, window)

    def _grown(self, sample: Metric, name: str) -> int:
        now = int(sample.meters.get(name, 0))
        before = self._told.get(name, 0)
        self._told[name] = now
        return max(0, now - before)


def _number(statistics: StatsEvent, name: str) -> int:
    value = statistics.stats.decoder.get(name, 0)
    return value if isinstance(value, int) else 0
