"""What the tests of NetFlow share: datagrams made by hand, what becomes of them, a listener that runs."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

from capture.exports.sequences import KeptSequences
from capture.exports.source import ExportListener
from capture.netflow.intake import NetflowIntake
from capture.netflow.opening import open_netflow
from capture.netflow.store import TemplateStore
from capture.settings import CaptureSettings, FlowExportSettings
from capture.source import observe_live
from tests.unit.capture.sinks import KeepingSink
from tests.waiting import wait_for
from topics.catalog import DEAD
from topics.records import DeadLetter

NOW = 1_700_000_030_000_000
"""14 November 2023, 22:13:50 UTC: 50 seconds into a window."""

SECONDS = NOW // 1_000_000
UPTIME = 100_000
EXPORTER = "192.0.2.1"

FLOW_FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4), (10, 2), (14, 2))
"""Addresses, ports, protocol, flags, bytes, packets, first and last uptime, interfaces."""


class Taken(KeepingSink):
    """A sink with the questions tests ask."""

    @property
    def letters(self) -> list[DeadLetter]:
        return [put.record for put in self.put_all if put.topic is DEAD]  # type: ignore[misc]

    def family(self, prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): many for name, many in self.counts.items() if name.startswith(prefix)}


def intake(
    sink: KeepingSink,
    settings: FlowExportSettings | None = None,
    store: TemplateStore | None = None,
    reached: KeptSequences | None = None,
) -> NetflowIntake:
    """An intake of a live source that begins now."""
    observation = observe_live("node", "netflow:udp://127.0.0.1:2055", NOW)
    return NetflowIntake(observation, settings or FlowExportSettings(), sink, NOW, store, reached)


def take(*datagrams: bytes, exporter: str = EXPORTER, settings: FlowExportSettings | None = None) -> Taken:
    """What becomes of datagrams that come one after the other, now."""
    sink = Taken()
    taking = intake(sink, settings)
    for datagram in datagrams:
        taking.take([(datagram, exporter, NOW)])
    taking.finish()
    return sink


def template(number: int, fields: Sequence[tuple[int, int]]) -> bytes:
    """A template; a field numbered above 32767 is one of the enterprise in its upper bits (``enterprise << 16``)."""
    body = b""
    for element, length in fields:
        enterprise, plain = element >> 16, element & 0x7FFF
        body += (
            struct.pack(">HHI", plain | 0x8000, length, enterprise)
            if enterprise
            else struct.pack(">HH", element, length)
        )
    return struct.pack(">HH", number, len(fields)) + body


def a_set(number: int, content: bytes) -> bytes:
    padding = -len(content) % 4
    return struct.pack(">HH", number, 4 + len(content) + padding) + content + bytes(padding)


def version_9(*sets: bytes, sequence: int = 0, source: int = 1, seconds: int = SECONDS, uptime: int = UPTIME) -> bytes:
    return struct.pack(">HHIIII", 9, len(sets), uptime, seconds, sequence, source) + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, domain: int = 1, seconds: int = SECONDS) -> bytes:
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), seconds, sequence, domain) + body


def options_9(number: int, scopes: Sequence[tuple[int, int]], fields: Sequence[tuple[int, int]]) -> bytes:
    head = struct.pack(">HHH", number, 4 * len(scopes), 4 * len(fields))
    return a_set(1, head + b"".join(struct.pack(">HH", *field) for field in (*scopes, *fields)))


def options_ipfix(number: int, scopes: Sequence[tuple[int, int]], fields: Sequence[tuple[int, int]]) -> bytes:
    head = struct.pack(">HHH", number, len(scopes) + len(fields), len(scopes))
    return a_set(3, head + b"".join(struct.pack(">HH", *field) for field in (*scopes, *fields)))


def flow(
    source: str = "10.0.0.1",
    destination: str = "198.51.100.7",
    source_port: int = 40_000,
    destination_port: int = 443,
    protocol: int = 6,
    flags: int = 0x1B,
    octets: int = 1500,
    packets: int = 3,
    first: int = UPTIME - 5000,
    last: int = UPTIME - 1000,
    interfaces: tuple[int, int] = (3, 7),
) -> bytes:
    """A record of :data:`FLOW_FIELDS`."""
    ends = ip_address(source).packed + ip_address(destination).packed
    rest = (source_port, destination_port, protocol, flags, octets, packets, first, last, *interfaces)
    return ends + struct.pack(">HHBBIIIIHH", *rest)


def version_5(*records: bytes, sequence: int = 0, sampling: int = 0, count: int | None = None) -> bytes:
    many = len(records) if count is None else count
    return struct.pack(">HHIIIIBBH", 5, many, UPTIME, SECONDS, 0, sequence, 0, 1, sampling) + b"".join(records)


def record_5(octets: int = 1500, packets: int = 3, protocol: int = 6, destination_port: int = 443) -> bytes:
    ends = ip_address("10.0.0.1").packed + ip_address("198.51.100.7").packed + bytes(4)
    counts = struct.pack(">HHIIII", 3, 7, packets, octets, UPTIME - 5000, UPTIME - 1000)
    return ends + counts + struct.pack(">HHBBBBHHBBH", 40_000, destination_port, 0, 0x1B, protocol, 0, 1, 2, 24, 24, 0)


FLOWS_OF_9 = version_9(a_set(0, template(256, FLOW_FIELDS)), a_set(256, flow()))


@contextmanager
def listening(settings: FlowExportSettings | None = None) -> Iterator[tuple[int, Taken]]:
    """A listener on a free port of the loopback, and what it has received; stopped at the end."""
    sink = Taken()
    settings = settings or FlowExportSettings(receive_buffer=65_536)
    _, (source,) = open_netflow("netflow:udp://127.0.0.1:0", CaptureSettings(node="node", flow_exports=settings))
    assert isinstance(source, ExportListener)
    with running(source, sink):
        yield source.port, sink


@contextmanager
def running(source: ExportListener, sink: KeepingSink) -> Iterator[None]:
    """A source that runs, and is stopped at the end."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            source.run(sink)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: source.port or errors, "the listener's port")
        if not errors:
            yield
    finally:
        source.stop()
        thread.join()
    if errors:
        raise errors[0]
