"""Flows in the shape of an office's traffic, for the benchmarks: many clients, few servers, few applications."""

from __future__ import annotations

import random
from collections.abc import Iterator

from topics.catalog import CAPTURED, FLOW, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.partitions import digest, partition_of
from topics.records import WINDOW_SECONDS, Flow, Snapshot

FIRST_WINDOW = 1_700_000_040
SERVICES = (
    ("tcp", 443, "TLS.Google"),
    ("tcp", 443, "TLS"),
    ("udp", 443, "QUIC"),
    ("udp", 53, "DNS"),
    ("tcp", 80, "HTTP"),
)


def made_flows(count: int, seed: int = 1) -> list[Flow]:
    """This many ended flows of one window's start, of 2,000 clients and 5,000 servers."""
    draw = random.Random(seed)
    start = FIRST_WINDOW * 1_000_000
    return [_flow(draw, number, start + number) for number in range(count)]


def _flow(draw: random.Random, number: int, time: int) -> Flow:
    transport, port, application = draw.choice(SERVICES)
    client = draw.randrange(2000)
    server = draw.randrange(5000)
    identity = digest("bench", number)
    sent, back = draw.randrange(60, 20_000), draw.randrange(60, 500_000)
    return Flow(
        id=identity,
        flow_id=identity,
        record="final",
        time=time,
        start=time,
        end=time,
        node="bench",
        observation_point="eth0",
        community_id=f"1:{digest(client, server, number)[:27]}=",
        source_ip=f"10.0.{client >> 8}.{client & 255}",
        destination_ip=f"198.51.{server >> 8}.{server & 255}",
        source_port=draw.randrange(1024, 65536),
        destination_port=port,
        source_mac="02:00:00:00:00:01",
        destination_mac="02:00:00:00:00:02",
        transport=transport,
        protocol_number=6 if transport == "tcp" else 17,
        application=application,
        application_category="Web",
        server_name=f"host{server}.example.net",
        state="closed" if transport == "tcp" else "",
        end_reason="end",
        tcp_flags_source=0x1B,
        tcp_flags_destination=0x1B,
        delta_source_bytes=sent,
        delta_destination_bytes=back,
        delta_source_packets=sent // 600 + 1,
        delta_destination_packets=back // 1200 + 1,
        total_source_bytes=sent,
        total_destination_bytes=back,
        total_source_packets=sent // 600 + 1,
        total_destination_packets=back // 1200 + 1,
    )


def messages(flows: list[Flow], windows: int, partitions: int) -> Iterator[tuple[Topic, int, Envelope, bytes]]:
    """These flows once in every window, in full messages, with all markers; ids do not matter to workers."""
    by_partition: dict[int, list[Flow]] = {}
    for flow in flows:
        by_partition.setdefault(partition_of(flow.community_id, partitions), []).append(flow)
    batches = [
        (partition, start, len(mine[start : start + MAX_RECORDS]), encode(mine[start : start + MAX_RECORDS]))
        for partition, mine in by_partition.items()
        for start in range(0, len(mine), MAX_RECORDS)
    ]
    for number in range(windows):
        window = FIRST_WINDOW + number * WINDOW_SECONDS
        for partition, start, count, body in batches:
            yield FLOW, partition, Envelope(FLOW.schema, "bench/eth0#1", "live", window, start, count), body
        for topic in CAPTURED:
            for partition in range(partitions):
                sent = len(by_partition.get(partition, ())) if topic is FLOW else 0
                marker = Snapshot(
                    node="bench/eth0#1", stream="live", window=window, announced=sent, final=number == windows - 1
                )
                envelope = Envelope(SNAPSHOT_SCHEMA, "bench/eth0#1", "live", window, 0, 1)
                yield topic, partition, envelope, encode([marker])
