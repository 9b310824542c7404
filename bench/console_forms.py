"""Documents with places to fill in, for the benchmark of the console: made once by the exporter's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import nlargest
from typing import Any, Final

import msgspec

from exporters.elasticsearch.documents import encode_document
from topics.catalog import COUNTER, DEAD, FLOW, NOTIFICATION, RESOURCE, TRACK, Topic
from topics.partitions import digest
from topics.records import Alert, DeadLetter, Dns, Flow, Metric, Record, Resource, Track, TrackEntry

STREAM: Final = "live"
NODES: Final = ("north", "south")
APPLICATIONS: Final = (*(f"TLS.Service{number}" for number in range(60)), "DNS", "HTTP", "QUIC", "SSH", "SMB", "NTP")
REASONS: Final = ("tls_certificate_expired", "known_proto_on_non_std_port", "dns_suspicious_traffic")

_WINDOW: Final = 1_000_000_020
_TIME: Final = _WINDOW * 1_000_000 + 123_456
_FIRST_NUMBER: Final = 987_650_001


class Form:
    """A document in which some values are left open.

    Texts of the record that are places stand there as ``%(name)b``; numbers in ``numbers`` by a value of the record
    that is nowhere else in it.
    """

    def __init__(self, topic: Topic, record: Record, namespace: str, numbers: Mapping[str, int]) -> None:
        text = encode_document(topic, record, STREAM, _WINDOW, namespace) + b"\n"
        times = {"time": _TIME, "start": _TIME - 1_000_000, "window": _WINDOW * 1_000_000}
        for name, microseconds in times.items():
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
            text = text.replace(msgspec.json.encode(moment), f'"%({name})b"'.encode())
        for name, number in numbers.items():
            written = str(number).encode()
            if written not in text:
                raise ValueError(f"the document has no {name}")
            text = text.replace(written, f"%({name})d".encode())
        self._text = text

    def filled(self, values: Mapping[bytes, Any]) -> bytes:
        """The document with these values, as a line."""
        return self._text % values


@cache
def flow_form(namespace: str, application: str, node: str, country: str, reason: str) -> Form:
    """A flow that ended; with a ``reason`` it has a score."""
    names = ("port", "sent", "back", "packets", "packets_back")
    # No two of them come to a third.
    numbers = {name: _FIRST_NUMBER << place for place, name in enumerate(names)}
    record = Flow(
        id="%(id)b",
        flow_id="%(id)b",
        record="final",
        time=_TIME,
        start=_TIME - 1_000_000,
        end=_TIME,
        node=node,
        observation_point="eth0",
        community_id="1:%(id).27b=",
        source_ip="%(client)b",
        destination_ip="%(server)b",
        source_port=numbers["port"],
        destination_port=53 if application == "DNS" else 443,
        transport="udp" if application == "DNS" else "tcp",
        protocol_number=17 if application == "DNS" else 6,
        application=application,
        server_name="%(name)b",
        destination_country=country,
        state="closed",
        end_reason="end",
        delta_source_bytes=numbers["sent"],
        delta_destination_bytes=numbers["back"],
        total_source_bytes=numbers["sent"],
        total_destination_bytes=numbers["back"],
        delta_source_packets=numbers["packets"],
        delta_destination_packets=numbers["packets_back"],
        total_source_packets=numbers["packets"],
        total_destination_packets=numbers["packets_back"],
        score=100 if reason else 0,
        reasons=(reason,) if reason else (),
        tags=("watched",) if reason else (),
    )
    sums = {
        "both": numbers["sent"] + numbers["back"],
        "packets_both": numbers["packets"] + numbers["packets_back"],
    }
    # The longest first: a number may be a part of another.
    every = sorted((numbers | sums).items(), key=lambda pair: -pair[1])
    return Form(FLOW, record, namespace, dict(every))


@cache
def name_form(namespace: str) -> Form:
    """A question to DNS."""
    record = Resource(
        id="%(id)b",
        time=_TIME,
        group="dns",
        uri="%(asked)b",
        source_ip="%(client)b",
        destination_ip="%(server)b",
        destination_port=53,
        dns=Dns(type="query", query_name="%(asked)b"),
    )
    return Form(RESOURCE, record, namespace, {})


@cache
def counter_form(namespace: str, group: str, meters: tuple[str, ...]) -> Form:
    """A counter of a group with these meters."""
    numbers = {name: _FIRST_NUMBER + place for place, name in enumerate(meters)}
    record = Metric(
        id="%(id)b",
        time=_WINDOW * 1_000_000,
        group=group,
        key="%(key)b",
        meters=dict(numbers),
        window=_WINDOW,
    )
    return Form(COUNTER, record, namespace, numbers)


def rest_of(
    namespace: str, begin: int, alerted: Sequence[tuple[str, str]], flows: Sequence[tuple[int, str, str]]
) -> Iterator[tuple[str, bytes]]:
    """What there is little of in a window: alerts, the largest flows, a dead letter.

    ``alerted`` are flows and their hosts, ``flows`` all of them with their bytes before.
    """
    time = begin * 1_000_000
    made: list[tuple[Topic, Record]] = [
        (
            NOTIFICATION,
            Alert(
                id=digest("alert", flow),
                episode=digest("episode", flow),
                time=time,
                type="syn_scan",
                message="many connections begun",
                entity=host,
                entity_kind="host",
                severity=1 + place,
                event="stored",
            ),
        )
        for place, (flow, host) in enumerate(alerted)
    ]
    entries = [TrackEntry(metric=size, flow_id=flow, source_ip=host) for size, flow, host in nlargest(20, flows)]
    track = digest("track", begin)
    made.append(
        (TRACK, Track(id=track, time=time, tracker="largest", window=begin, bucket_seconds=60, entries=entries))
    )
    made.append(
        (
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
    )
    for topic, record in made:
        yield topic.kind, encode_document(topic, record, STREAM, begin, namespace) + b"\n"
