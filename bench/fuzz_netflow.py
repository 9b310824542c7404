"""Real datagrams with damage, by the million: what the sources of NetFlow and sFlow make of them.

Takes every datagram of ``../shared`` (or of the files that are named) and changes it: bytes, lengths, pieces cut out,
doubled or taken from another one. Fails where anything is raised, or where memory grows past the bound that the
sources promise. ``tests/unit/capture_netflow/test_bad_input.py`` does the same with some thousands.

``--bombs`` also sends so many different templates, of 256 fields each, with data, from exporters that change.

    python -m bench.fuzz_netflow --count 1000000 --bombs 60000
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from capture.exports.source import Datagram, Intake, _datagram
from capture.netflow.intake import NetflowIntake
from capture.packets.files import PacketFile
from capture.settings import FlowExportSettings
from capture.sflow.intake import SflowIntake
from capture.source import observe_live
from topics.catalog import Topic
from topics.codec import encode
from topics.records import Record

SHARED = Path(__file__).parents[2] / "shared"
PLACES = ("telemetry/logstash-netflow/*.dat", "telemetry/telegraf-netflow/*/*.bin", "telemetry/softflowd/*.pcap")
CAPTURES = ("netflow*.pcap", "nfv9*.pcap", "ipfix*.pcap", "sflow*.pcap")
MOST_GROWTH = 200 * 1024
"""By how many KB the process may grow once it is warm."""

EDGES = (0, 1, 3, 4, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
BATCH = 64


class Sink:
    """Takes records as a node does, encodes a part of them, and keeps none."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.records = 0

    def put(self, _topic: Topic, _key: str, record: Record, _window: int) -> None:
        """Take one record."""
        self.records += 1
        if self.records % 100 == 0:
            encode([record])

    def advance(self, _source: str, _window: int) -> None:
        """A window is over."""

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counts[f"{source} {counter}"] += amount


def mutated(source: random.Random, datagrams: Sequence[bytes]) -> bytes:
    """One of these datagrams, with one to four changes."""
    data = bytearray(source.choice(datagrams))
    for _ in range(source.randint(1, 4)):
        if not data:
            break
        place = source.randrange(len(data))
        kind = source.randrange(7)
        if kind == 0:
            data[place] = source.randrange(256)
        elif kind == 1:
            width, form = source.choice(((1, ">B"), (2, ">H"), (4, ">I")))
            value = source.choice(EDGES) & ((1 << 8 * width) - 1)
            # Lengths and numbers stand at even places.
            place &= ~1
            data[place : place + width] = struct.pack(form, value)
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            del data[place : place + source.randrange(1, 40)]
        elif kind == 4:
            data[place:place] = data[place : place + source.randrange(1, 200)]
        elif kind == 5:
            other = source.choice(datagrams)
            start = source.randrange(len(other))
            data[place:] = other[start:]
        else:
            data[place : place + 4] = source.randbytes(4)
    return bytes(data[:65_000])


def datagrams_of(paths: Sequence[Path]) -> list[bytes]:
    """What exporters have sent, as it stands in files: datagrams, or captures of them."""
    found = []
    for path in paths:
        if path.suffix != ".pcap":
            found.append(path.read_bytes())
            continue
        with PacketFile(str(path)) as packets:
            for _, _, link, buffer, start, end in packets.packets():
                taken = _datagram(link, buffer, start, end)
                if not isinstance(taken, str):
                    found.append(taken[0])
    return found


def bomb(number: int) -> bytes:
    """A datagram with the ``number``-th template, and a record of it."""
    fields = [(8, 4), (12, 4), (1, 4), *((400 + (number + each) % 300, 1 + number * each % 7) for each in range(253))]
    template = struct.pack(">HH", 256 + number % 60, len(fields)) + b"".join(
        struct.pack(">HH", *each) for each in fields
    )
    record = bytes(range(1, 13)) + bytes(sum(length for _, length in fields) - 12)
    sets = struct.pack(">HH", 0, 4 + len(template)) + template
    sets += struct.pack(">HH", 256 + number % 60, 4 + len(record)) + record
    return struct.pack(">HHIIII", 9, 2, 0, 1_700_000_000, number, number // 20) + sets


def main() -> None:
    """Feed damaged datagrams, and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--bombs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    files = options.files or [
        *(path for place in PLACES for path in sorted(SHARED.glob(place))),
        *(path for place in CAPTURES for path in sorted((SHARED / "captures").glob(place))),
    ]
    datagrams = datagrams_of(files)
    if not datagrams:
        sys.exit("there are no datagrams: name files of them, or have ../shared beside the project")
    source, sink, settings = random.Random(options.seed), Sink(), FlowExportSettings()
    now = 1_700_000_000_000_000
    observation = observe_live("fuzz", "udp://127.0.0.1:2055", now)
    intakes: list[Intake] = [
        NetflowIntake(observation, settings, sink, now),
        SflowIntake(observation, settings, sink, now),
    ]
    warm = 0
    began = time.monotonic()
    for start in range(0, options.count, BATCH):
        batch: list[Datagram] = [
            (mutated(source, datagrams), f"192.0.2.{source.randrange(1, 255)}", now)
            for _ in range(min(BATCH, options.count - start))
        ]
        for intake in intakes:
            intake.at(now)
            intake.take(batch)
        now += 10_000
        if start // BATCH == options.count // BATCH // 2:
            warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(options.bombs):
        intakes[0].take([(bomb(number), f"10.0.{number >> 8 & 255}.1", now)])
    for intake in intakes:
        intake.finish()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for counter, amount in sorted(sink.counts.items()):
        print(f"{counter:<36} {amount:>12,}")
    growth = most - warm
    print(f"{options.count:,} inputs from {len(datagrams)} datagrams, {sink.records:,} records,", end=" ")
    print(f"{time.monotonic() - began:.0f} s, {most / 1024:,.0f} MB at most, {growth / 1024:,.0f} in the second half")
    if growth > MOST_GROWTH:
        sys.exit("memory keeps growing")


if __name__ == "__main__":
    main()
