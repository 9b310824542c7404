"""Packets for scripts: how many a CPU-second, tshark's own time in it, by three ways to packets of pyshark.

`FileCapture` is pyshark's own class, over PDML as most use it, and over EK; `tapline` is what packet scripts get. Then
the same of ten times as many packets, of which a filter lets one in a hundred through.

    python -m bench.packets [PACKETS]
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyshark

from capture.packet_scripts.source import PacketSource
from capture.settings import CaptureSettings
from capture.source import observe_file
from tapline import PacketMonitor
from tapline.packets import packet_core
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import Frame, pcap, udp
from workers.scripting.scripts import load_classes, script_set
from workers.settings import WorkersSettings

EVERY, FEW = "dns", 'dns.qry.name contains "00.example"'


class Asked(PacketMonitor):
    """Looks at who asks for what, as a script would."""

    display_filter = EVERY

    def on_packet(self, packet: object) -> None:
        """Read two fields."""
        look(packet)


class AskedFew(Asked):
    """The same of few packets."""

    display_filter = FEW


def look(packet: object) -> None:
    """Read two fields, in whatever way the packet was made."""
    _ = packet.ip.src, packet.dns.qry_name  # type: ignore[attr-defined]


def questions(count: int) -> bytes:
    """A capture of so many questions for names that differ."""
    frames = []
    for number in range(count):
        name = b"host%06d" % number
        question = bytes([len(name)]) + name + b"\x07example\x00\x00\x01\x00\x01"
        message = number.to_bytes(4, "big")[2:] + b"\x01\x00\x00\x01" + bytes(6) + question
        frames.append(Frame(1_700_000_040_000_000 + number * 100, udp("192.0.2.1", "192.0.2.53", 40_000, 53, message)))
    return pcap(frames)


def own_class(path: Path, wanted: str, *, ek: bool) -> int:
    """Pyshark's own class."""
    seen = 0
    with pyshark.FileCapture(str(path), display_filter=wanted, keep_packets=False, use_ek=ek) as packets:
        for packet in packets:
            look(packet)
            seen += 1
    return seen


def tapline(path: Path, wanted: str) -> int:
    """What a packet script gets."""
    scripts = load_classes([Asked if wanted == EVERY else AskedFew], {}, script_set(()))
    observation = observe_file("bench", path.name, "00" * 32)
    sink = KeepingSink()
    core = packet_core(scripts, WorkersSettings(), observation.stream)
    PacketSource(observation, str(path), CaptureSettings(), core).run(sink)
    return sink.counts["shown"]


WAYS: dict[str, Callable[[Path, str], int]] = {
    "FileCapture": lambda path, wanted: own_class(path, wanted, ek=False),
    "FileCapture, EK": lambda path, wanted: own_class(path, wanted, ek=True),
    "tapline": tapline,
}


def measured(way: str, path: Path, wanted: str, results: multiprocessing.Queue[tuple[int, float]]) -> None:
    """Run one way in a process of its own, so that its children's time is known too."""
    seen = WAYS[way](path, wanted)
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    results.put((seen, sum(each.ru_utime + each.ru_stime for each in spent)))


def main() -> None:
    """Print a line for each way and filter."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path, empty = Path(folder) / "questions.pcap", Path(folder) / "empty.pcap"
        empty.write_bytes(pcap([]))
        for wanted, packets in ((EVERY, count), (FEW, 10 * count)):
            path.write_bytes(questions(packets))
            for way in WAYS:
                seconds = {}
                for each in (empty, path):
                    results: multiprocessing.Queue[tuple[int, float]] = context.Queue()
                    process = context.Process(target=measured, args=(way, each, wanted, results))
                    process.start()
                    seen, seconds[each] = results.get()
                    process.join()
                spent = seconds[path] - seconds[empty]
                print(
                    f"{way:16} {packets:7,} packets, {seen:6,} let through: {spent:6.2f} CPU-s,"
                    f" {packets / spent:8,.0f} packets a CPU-second (and {seconds[empty]:.2f} s once)"
                )


if __name__ == "__main__":
    main()
