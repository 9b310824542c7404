"""A made-up stream with its exact truth: flows of several nodes over several windows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from topics.catalog import CAPTURED, FLOW, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import digest, partition_of
from topics.records import Flow, Snapshot

FIRST_WINDOW = 1_700_000_040
Message = tuple[Topic, int, Envelope, bytes]
Totals = dict[tuple[int, str, str], dict[str, int]]


class MadeStream:
    """Flows of ``nodes`` over ``windows``; the same seed makes the same stream.

    ``truth`` maps (window, group, key) to meters for the groups Hosts and Aggregates.
    """

    def __init__(
        self,
        *,
        nodes: int = 2,
        windows: int = 5,
        flows: int = 3000,
        partitions: int = 4,
        stream: str = "live",
        seed: int = 7,
    ) -> None:
        self.stream = stream
        self.partitions = partitions
        self.nodes = [f"node{number}/eth0#1" for number in range(nodes)]
        self.windows = [FIRST_WINDOW + 60 * number for number in range(windows)]
        self.flows = flows
        self.seed = seed
        self.truth: Totals = {}
        self.announced: Counter[str] = Counter()

    def messages(self) -> Iterator[Message]:
        """The messages in an order that a cluster could have: nodes side by side, each in its own order."""
        draw = random.Random(self.seed)
        for window in self.windows:
            batches = []
            markers = []
            for node in self.nodes:
                mine, ends = self._window(draw, node, window, final=window == self.windows[-1])
                batches.append(mine)
                markers.append(ends)
            while any(batches):
                yield draw.choice([batch for batch in batches if batch]).pop(0)
            for ends in markers:
                yield from ends

    def _window(
        self, draw: random.Random, node: str, window: int, *, final: bool
    ) -> tuple[list[Message], list[Message]]:
        by_partition: dict[int, list[Flow]] = {}
        for index in range(self.flows):
            flow = self._flow(draw, node, window, index)
            self._count(flow, window)
            by_partition.setdefault(partition_of(flow.community_id, self.partitions), []).append(flow)
        messages = []
        for partition, flows in by_partition.items():
            size = draw.choice((50, 200, MAX_RECORDS))
            for start in range(0, len(flows), size):
                some = flows[start : start + size]
                envelope = Envelope(FLOW.schema, node, self.stream, window, start, len(some))
                messages.append((FLOW, partition, envelope, encode(some)))
            self.announced[node] += len(flows)
        markers = []
        for topic in CAPTURED:
            for partition in range(self.partitions):
                count = len(by_partition.get(partition, ())) if topic is FLOW else 0
                marker = Snapshot(node=node, stream=self.stream, window=window, announced=count, final=final)
                envelope = Envelope(SNAPSHOT_SCHEMA, node, self.stream, window, 0, 1)
                markers.append((topic, partition, envelope, encode([marker])))
        return messages, markers

    def _flow(self, draw: random.Random, node: str, window: int, index: int) -> Flow:
        time = window * 1_000_000 + index
        source, destination = f"10.0.0.{draw.randrange(40)}", f"192.0.2.{draw.randrange(200)}"
        port = draw.randrange(1024, 65536)
        identity = digest(self.stream, node, window, index)
        return Flow(
            id=identity,
            flow_id=identity,
            time=time,
            start=time,
            end=time,
            node=node,
            observation_point="eth0",
            community_id=f"1:{source}-{destination}-{port}",
            source_ip=source,
            destination_ip=destination,
            source_port=port,
            destination_port=draw.choice((22, 53, 80, 443)),
            transport="tcp",
            protocol_number=6,
            application=draw.choice(("SSH", "DNS", "HTTP", "TLS.Google")),
            record="final",
            delta_source_bytes=draw.randrange(60, 5000),
            delta_destination_bytes=draw.randrange(0, 50000),
            delta_source_packets=draw.randrange(1, 20),
            delta_destination_packets=draw.randrange(0, 40),
        )

    def _count(self, flow: Flow, window: int) -> None:
        both = flow.delta_source_bytes + flow.delta_destination_bytes
        packets = flow.delta_source_packets + flow.delta_destination_packets
        for group, key in (("Hosts", flow.source_ip), ("Hosts", flow.destination_ip), ("Aggregates", "TOTAL")):
            meters = self.truth.setdefault((window, group, key), {"bytes": 0, "packets": 0, "flows": 0})
            meters["bytes"] += both
            meters["packets"] += packets
            meters["flows"] += 1
