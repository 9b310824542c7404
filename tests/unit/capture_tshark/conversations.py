"""Conversations made by hand, and what the engine says of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from capture.settings import CaptureSettings
from capture.source import observe_file
from capture.tshark import TsharkSource
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import ACK, FIN, PSH, SYN, Frame, ip, pcap, udp
from topics.catalog import DOCUMENT, RESOURCE
from topics.records import Document, Resource

START = 1_700_000_040_000_000
CLIENT, SERVER = "10.1.0.1", "10.2.0.2"


class TcpConversation:
    """A TCP connection whose segments are added one by one, 1 ms apart; ``ends`` are who opens it and who is asked."""

    def __init__(
        self,
        server_port: int,
        client_port: int = 40000,
        start: int = START,
        ends: tuple[str, str] = (CLIENT, SERVER),
    ) -> None:
        self.frames: list[Frame] = []
        self._ends = ends
        self._ports = (client_port, server_port)
        self._next = [1000, 5000]
        self._time = start
        self._add(0, SYN, b"")
        self._next[0] += 1
        self._add(1, SYN | ACK, b"")
        self._next[1] += 1
        self._add(0, ACK, b"")

    def client(self, *payloads: bytes) -> TcpConversation:
        """Segments from the client."""
        return self._send(0, payloads)

    def server(self, *payloads: bytes) -> TcpConversation:
        """Segments from the server."""
        return self._send(1, payloads)

    def swap(self) -> TcpConversation:
        """Let the last two frames arrive the other way round."""
        first, second = self.frames[-2:]
        self.frames[-2:] = [Frame(first.time, second.data), Frame(second.time, first.data)]
        return self

    def repeat(self) -> TcpConversation:
        """Send the last frame once more."""
        self._time += 1000
        self.frames.append(Frame(self._time, self.frames[-1].data))
        return self

    def close(self) -> TcpConversation:
        """Both ends stop sending."""
        for side in (1, 0):
            self._add(side, FIN | ACK, b"")
            self._next[side] += 1
        return self

    def _send(self, side: int, payloads: Iterable[bytes]) -> TcpConversation:
        for payload in payloads:
            self._add(side, PSH | ACK, payload)
            self._next[side] += len(payload)
        return self

    def _add(self, side: int, flags: int, payload: bytes) -> None:
        source, destination = self._ends if side == 0 else self._ends[::-1]
        ports = self._ports if side == 0 else self._ports[::-1]
        header = struct.pack("!HHIIBB", *ports, self._next[side], self._next[1 - side], 0x50, flags)
        segment = header + struct.pack("!HHH", 65535, 0, 0) + payload
        checksum = _checksum(source, destination, segment)
        segment = segment[:16] + struct.pack("!H", checksum) + segment[18:]
        self._time += 1000
        self.frames.append(Frame(self._time, ip(source, destination, 6, segment)))


def _checksum(source: str, destination: str, segment: bytes) -> int:
    data = ip_address(source).packed + ip_address(destination).packed + struct.pack("!HH", 6, len(segment)) + segment
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def dns_query(name: str, number: int = 7, kind: int = 1) -> bytes:
    """A DNS query."""
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + _name(name) + struct.pack("!HH", kind, 1)


def dns_answer(name: str, *records: tuple[int, bytes], number: int = 7, kind: int = 1) -> bytes:
    """A DNS answer whose records, (type, data), are all about the name asked for."""
    head = struct.pack("!HHHHHH", number, 0x8180, 1, len(records), 0, 0) + _name(name) + struct.pack("!HH", kind, 1)
    return head + b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", record, 1, 60, len(data)) + data for record, data in records
    )


def _name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def dns_over_udp(name: str, time: int = START, port: int = 50000) -> Frame:
    """A query in a datagram."""
    return Frame(time, udp(CLIENT, SERVER, port, 53, dns_query(name)))


def source_of(path: Path, frames: Iterable[Frame], settings: CaptureSettings | None = None) -> TsharkSource:
    """The engine for a capture file of these frames."""
    path.write_bytes(pcap(frames))
    return TsharkSource(observe_file("node", path.name, "cd" * 32), str(path), settings or CaptureSettings())


class Seen(KeepingSink):
    """What the engine put."""

    def resources(self, group: str) -> list[Resource]:
        """The resources of a group."""
        records = [put.record for put in self.put_all if put.topic is RESOURCE]
        return [record for record in records if isinstance(record, Resource) and record.group == group]

    def documents(self, group: str) -> list[Document]:
        """The documents of a group."""
        records = [put.record for put in self.put_all if put.topic is DOCUMENT]
        return [record for record in records if isinstance(record, Document) and record.group == group]


def see(path: Path, frames: Iterable[Frame], settings: CaptureSettings | None = None) -> Seen:
    """What the engine makes of these frames, by way of a file."""
    seen = Seen()
    source_of(path, frames, settings).run(seen)
    return seen
