"""What a network leaves in Elasticsearch, for the benchmark of the console: flows, their counters, and the rest.

The counters are those of the flows: every window has the totals of each host and application that is in it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch

from exporters.elasticsearch.documents import encode_document, index_name
from topics.catalog import COUNTER, DEAD, FLOW, NOTIFICATION, RESOURCE, TRACK, Topic
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Alert, DeadLetter, Dns, Flow, Metric, Record, Resource, Track, TrackEntry

STREAM = "live"
NODES = ("north", "south")
APPLICATIONS = (*(f"TLS.Service{number}" for number in range(60)), "DNS", "HTTP", "QUIC", "SSH", "SMB", "NTP")
REASONS = ("tls_certificate_expired", "known_proto_on_non_std_port", "dns_suspicious_traffic")
PER_BULK = 5000
_OUTSIDE = 0.8
"""How much of the hosts is outside."""


class Network:
    """A network of so many hosts: few speak much, and all of them speak."""

    def __init__(self, hosts: int, seed: int = 1) -> None:
        self._draw = random.Random(seed)
        outside = int(hosts * _OUTSIDE)
        self._inside = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(hosts - outside)]
        self._outside = [f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(outside)]
        self._number = 0

    def window(self, begin: int, flows: int) -> Iterator[tuple[Topic, Record]]:
        """All records of one window that begins at ``begin`` (epoch seconds)."""
        hosts: dict[str, dict[str, int | float]] = defaultdict(lambda: defaultdict(int))
        applications: dict[str, dict[str, int | float]] = defaultdict(lambda: defaultdict(int))
        scores: dict[str, int] = {}
        whole: dict[str, int | float] = defaultdict(int)
        made: list[Flow] = []
        for _ in range(flows):
            flow = self._flow(begin)
            made.append(flow)
            yield FLOW, flow
            sent, back = flow.delta_source_bytes, flow.delta_destination_bytes
            packets = flow.delta_source_packets + flow.delta_destination_packets
            for host, out, into in ((flow.source_ip, sent, back), (flow.destination_ip, back, sent)):
                _add(hosts[host], bytes=sent + back, packets=packets, new_flows=1, bytes_out=out, bytes_in=into)
            for meters in (applications[flow.application], whole):
                _add(meters, bytes=sent + back, packets=packets, new_flows=1)
            if flow.score:
                scores[flow.source_ip] = scores.get(flow.source_ip, 0) + flow.score
            if flow.application == "DNS":
                yield RESOURCE, self._name(flow)
        groups: list[tuple[str, dict[str, dict[str, int | float]]]] = [
            ("Hosts", hosts),
            ("Apps", applications),
            ("Aggregates", {"TOTAL": whole}),
            ("Scores", {host: {"score": score} for host, score in scores.items()}),
            ("Conservation", {f"flow/{node}": {"announced": flows / 2, "received": flows / 2} for node in NODES}),
            ("Capture", {f"{node}/eth0": {"packets": whole["packets"], "bytes": whole["bytes"]} for node in NODES}),
        ]
        for group, keys in groups:
            for key, meters in keys.items():
                yield COUNTER, _counter(group, key, begin, meters)
        yield from self._rest(begin, made)

    def _flow(self, begin: int) -> Flow:
        draw = self._draw
        self._number += 1
        identity = digest("console", self._number)
        # The square of a number between 0 and 1 is small most of the time: the first hosts speak most.
        client = self._inside[int(draw.random() ** 2 * len(self._inside))]
        server = self._outside[int(draw.random() ** 2 * len(self._outside))]
        application = APPLICATIONS[int(draw.random() ** 2 * len(APPLICATIONS))]
        sent, back = draw.randrange(60, 20_000), draw.randrange(60, 500_000)
        at = begin * 1_000_000 + draw.randrange(WINDOW_SECONDS * 1_000_000)
        scored = draw.random() < 0.01
        return Flow(
            id=identity,
            flow_id=identity,
            record="final",
            time=at,
            start=at - 1_000_000,
            end=at,
            node=draw.choice(NODES),
            observation_point="eth0",
            community_id=f"1:{identity[:27]}=",
            source_ip=client,
            destination_ip=server,
            source_port=draw.randrange(1024, 65536),
            destination_port=53 if application == "DNS" else 443,
            transport="udp" if application == "DNS" else "tcp",
            protocol_number=17 if application == "DNS" else 6,
            application=application,
            server_name=f"{server.replace('.', '-')}.example.net",
            destination_country=draw.choice(("DE", "US", "FR", "NL")),
            state="closed",
            end_reason="end",
            delta_source_bytes=sent,
            delta_destination_bytes=back,
            total_source_bytes=sent,
            total_destination_bytes=back,
            delta_source_packets=sent // 500 + 1,
            delta_destination_packets=back // 1000 + 1,
            total_source_packets=sent // 500 + 1,
            total_destination_packets=back // 1000 + 1,
            score=100 if scored else 0,
            reasons=[draw.choice(REASONS)] if scored else [],
            tags=["watched"] if scored else [],
        )

    def _name(self, flow: Flow) -> Resource:
        name = f"host{self._draw.randrange(50_000)}.example.org"
        return Resource(
            id=digest("name", flow.id),
            time=flow.time,
            group="dns",
            uri=name,
            source_ip=flow.source_ip,
            destination_ip=flow.destination_ip,
            destination_port=53,
            dns=Dns(type="query", query_name=name),
        )

    def _rest(self, begin: int, flows: list[Flow]) -> Iterator[tuple[Topic, Record]]:
        """What there is little of: alerts, tracks, a dead letter."""
        time = begin * 1_000_000
        for flow in flows[:3]:
            yield (
                NOTIFICATION,
                Alert(
                    id=digest("alert", flow.id),
                    episode=digest("episode", flow.id),
                    time=time,
                    type="syn_scan",
                    message="many connections begun",
                    entity=flow.source_ip,
                    entity_kind="host",
                    severity=self._draw.randrange(1, 9),
                    event="stored",
                ),
            )
        entries = [
            TrackEntry(metric=flow.delta_destination_bytes, flow_id=flow.id, source_ip=flow.source_ip)
            for flow in sorted(flows, key=lambda flow: -flow.delta_destination_bytes)[:20]
        ]
        identity = digest("track", begin)
        yield TRACK, Track(id=identity, time=time, tracker="largest", window=begin, bucket_seconds=60, entries=entries)
        yield (
            DEAD,
            DeadLetter(
                id=digest("dead", begin),
                time=time,
                topic="tapline.flow.v1",
                partition=0,
                offset=begin,
                reason="undecodable",
                stage="worker",
                error="no JSON",
            ),
        )


def fill(client: Elasticsearch, namespace: str, network: Network, windows: range, flows: int) -> dict[str, int]:
    """Write so many flows over these windows, and what goes with them; how many documents of each kind."""
    counted: dict[str, int] = defaultdict(int)
    lines: list[Any] = []
    for begin in windows:
        for topic, record in network.window(begin, flows // len(windows)):
            counted[topic.kind] += 1
            index = index_name(topic.kind, namespace)
            lines.append({"create": {"_index": index, "_id": record.id}})
            lines.append(encode_document(topic, record, STREAM, begin, namespace))
            if len(lines) >= 2 * PER_BULK:
                _send(client, lines)
    _send(client, lines)
    client.indices.refresh(index=f"*-{namespace}")
    return dict(counted)


def _send(client: Elasticsearch, lines: list[Any]) -> None:
    if not lines:
        return
    answer = client.options(request_timeout=120).bulk(operations=lines)
    if answer["errors"]:
        raise SystemExit(next(str(each) for each in answer["items"] if "error" in each["create"]))
    lines.clear()


def _counter(group: str, key: str, begin: int, meters: dict[str, int | float]) -> Metric:
    identity = digest(group, key, begin)
    time = begin * 1_000_000
    return Metric(id=identity, time=time, group=group, key=key, meters=dict(meters), window=begin)


def _add(meters: dict[str, int | float], **more: int) -> None:
    for name, value in more.items():
        meters[name] += value
