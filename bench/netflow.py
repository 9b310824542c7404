"""What receiving NetFlow v9, IPFIX, NetFlow v5 and sFlow costs: flows per CPU-second, to Kafka's acknowledgement.

A process of its own sends; the CPU of the receiving one alone is counted, user and system: the socket, decoding, the
records, encoding, compression and the sending to Kafka (``--kafka``; without it the messages are only handed over).
Datagrams are sent in step with what was read, so that none is lost. Half of the flows are answers to the other half.
The bars are 60,000 flows, and 40,000 samples of sFlow; the aim for flows is 150,000.
``--minutes`` goes on for that long instead, and shows whether memory stays as it is.

    python -m bench.netflow --kafka 127.0.0.1:9092
    python -m bench.netflow --kafka 127.0.0.1:9092 --minutes 10 --kinds nfv9
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

BARS = {"nfv9": 60_000, "ipfix": 60_000, "nfv5": 60_000, "sflow": 40_000}
AIM = 150_000
AHEAD = 2_000
"""How many datagrams may be under way: what the kernel keeps of them."""

MADE = 4_000
"""How many different datagrams are sent, over and over."""

_Fields = tuple[tuple[int, int], ...]
V9_FIELDS: _Fields = (
    (8, 4), (12, 4), (15, 4), (10, 4), (14, 4), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (6, 1), (4, 1),
    (5, 1), (16, 4), (17, 4), (61, 1), (48, 1),
)  # fmt: skip
IPFIX_FIELDS: _Fields = (
    (8, 4), (12, 4), (10, 4), (14, 4), (2, 8), (1, 8), (152, 8), (153, 8), (7, 2), (11, 2), (4, 1), (6, 2), (5, 1),
    (136, 1), (56, 6), (80, 6), (58, 2),
)  # fmt: skip
UPTIME = 3_600_000


def conversation(source: random.Random, number: int) -> tuple[bytes, bytes, int, int, int]:
    """Addresses, ports and protocol of the ``number``-th flow: every second one is the answer to the one before."""
    if number % 2 == 0:
        source.seed(number)
    else:
        source.seed(number - 1)
    client, server = bytes((10, *source.randbytes(3))), bytes((198, 51, 100, source.randrange(256)))
    ports = source.randrange(1024, 65_536), source.choice((53, 80, 443, 443, 443, 8080))
    protocol = 17 if ports[1] == 53 else 6
    if number % 2:
        return server, client, ports[1], ports[0], protocol
    return client, server, ports[0], ports[1], protocol


def datagram(kind: str, number: int, source: random.Random) -> tuple[bytes, int]:
    """The ``number``-th datagram of a kind, and how many flows are in it: as many as fit into 1,400 bytes."""
    now = int(time.time())
    if kind == "sflow":
        return _sflow(number, source)
    records = {"nfv9": 24, "ipfix": 20, "nfv5": 28}[kind]
    body = []
    for each in range(records):
        client, server, first, second, protocol = conversation(source, number * records + each)
        packets, flags = source.randrange(1, 500), 0x1B if protocol == 6 else 0
        octets = packets * source.randrange(40, 1500)
        begun, ended = UPTIME - source.randrange(1000, 20_000), UPTIME - source.randrange(1000)
        if kind == "nfv9":
            head = struct.pack(
                ">4s4s4sIIIIIIHH", client, server, bytes(4), 3, 7, packets, octets, begun, ended, first, second
            )
            body.append(head + struct.pack(">BBBIIBB", flags, protocol, 0, 64_500, 64_501, 0, 1))
        elif kind == "ipfix":
            base = now * 1000
            times = base + begun - UPTIME, base + ended - UPTIME
            head = struct.pack(">4s4sIIQQQQHH", client, server, 3, 7, packets, octets, *times, first, second)
            macs = b"\x02\x00\x5e\x00\x53\x01\x02\x00\x5e\x00\x53\x02"
            body.append(head + struct.pack(">BHBB12sH", protocol, flags, 0, 1, macs, 100))
        else:
            head = struct.pack(">4s4s4sHHIIII", client, server, bytes(4), 3, 7, packets, octets, begun, ended)
            body.append(
                head + struct.pack(">HHBBBBHHBBH", first, second, 0, flags, protocol, 0, 64_500, 64_501, 24, 24, 0)
            )
    content = b"".join(body)
    if kind == "nfv5":
        head = struct.pack(">HHIIIIBBH", 5, records, UPTIME, now, 0, (number * records) & 0xFFFFFFFF, 0, 1, 0)
        return head + content, records
    fields = V9_FIELDS if kind == "nfv9" else IPFIX_FIELDS
    template = b"".join(struct.pack(">HH", *field) for field in fields)
    template = struct.pack(">HHHH", 0 if kind == "nfv9" else 2, 8 + len(template), 256, len(fields)) + template
    sets = (template if number % 100 == 0 else b"") + struct.pack(">HH", 256, 4 + len(content)) + content
    if kind == "nfv9":
        return struct.pack(">HHIIII", 9, records, UPTIME, now, number, 1) + sets, records
    return struct.pack(">HHIII", 10, 16 + len(sets), now, number * records, 1) + sets, records


def _sflow(number: int, source: random.Random) -> tuple[bytes, int]:
    """A datagram of seven samples of packets, with 128 bytes of each, as switches send them."""
    samples = []
    for each in range(7):
        client, server, first, second, protocol = conversation(source, number * 7 + each)
        payload = (
            struct.pack(">HHIIHHHH", first, second, 1, 1, 0x5018, 512, 0, 0)
            if protocol == 6
            else struct.pack(">HHHH", first, second, 80, 0)
        )
        packet = (
            bytes(12)
            + b"\x08\x00"
            + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1000, 1, 0, 64, protocol, 0, client, server)
            + payload
        )
        packet = packet.ljust(128, b"x")
        record = struct.pack(">IIIIII", 1, 16 + len(packet), 1, 1014, 4, len(packet)) + packet
        sample = struct.pack(">IIIIIIII", number * 7 + each, 3, 1000, 1, 0, 3, 7, 1) + record
        samples.append(struct.pack(">II", 1, len(sample)) + sample)
    head = struct.pack(">II4sIIII", 5, 1, bytes((192, 0, 2, 1)), 0, number, UPTIME, len(samples))
    return head + b"".join(samples), len(samples)


def send(port: int, kind: str, flows: int) -> None:
    """Send so many flows to a port; on standard input comes how many datagrams were read so far."""
    source = random.Random()
    allowed = [AHEAD]
    changed = threading.Condition()

    def listen() -> None:
        for told in sys.stdin:
            with changed:
                allowed[0] = int(told) + AHEAD
                changed.notify()

    threading.Thread(target=listen, daemon=True).start()
    made = [datagram(kind, number, source) for number in range(MADE)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        print("ready", flush=True)
        sent = number = 0
        while sent < flows:
            if number >= allowed[0]:
                with changed:
                    changed.wait_for(lambda reached=number: reached < allowed[0])  # type: ignore[misc]
            data, records = made[number % MADE]
            sender.send(data)
            number += 1
            sent += records


def receive(kind: str, flows: int, bootstrap: str, minutes: float) -> dict[str, float]:
    """Run a capture node until it has made so many flows or for so long; its CPU seconds and what it counted."""
    from bench.capture_light import _Counter, prefix  # noqa: PLC0415
    from capture.exports.source import ExportListener  # noqa: PLC0415
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    name = "sflow" if kind == "sflow" else "netflow"
    observation, (source,) = open_capture(f"{name}:udp://127.0.0.1:0", CaptureSettings(node="bench"))
    assert isinstance(source, ExportListener)
    kafka = KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=True) if bootstrap else None
    publisher = kafka.__enter__() if kafka else _Counter()
    node = CaptureNode(observation, [source], publisher)
    thread = threading.Thread(target=node.run)
    thread.start()
    while not source.port:
        time.sleep(0.01)
    command = [sys.executable, "-m", "bench.netflow", "--send", f"{source.port}:{kind}:{flows}"]
    sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sender.stdin
    assert sender.stdout
    try:
        sender.stdout.readline()
        began, wall = time.process_time(), time.monotonic()
        read = 0
        process, memory = psutil.Process(), [0, 0]
        lasts = minutes * 60 or 120
        while node.counts[name, "flows"] < flows and (passed := time.monotonic() - wall) < lasts:
            time.sleep(0.005)
            if minutes:
                half = int(passed > lasts / 2)
                memory[half] = max(memory[half], process.memory_info().rss)
            now = node.counts[name, "packets"]
            if now != read:
                with contextlib.suppress(BrokenPipeError):
                    sender.stdin.write(f"{now}\n")
                    sender.stdin.flush()
            read = now
    finally:
        node.stop()
        thread.join()
        sender.kill()
        sender.wait()
    if kafka:
        kafka.__exit__()
    spent, wall = time.process_time() - began, time.monotonic() - wall
    counted = {counter: amount for (_, counter), amount in node.counts.items()}
    names = ("megabytes_first_half", "megabytes_second_half") if minutes else ()
    halves = {half: octets >> 20 for half, octets in zip(names, memory, strict=False)}
    return {"cpu": spent, "wall": wall, "records": node.records.total(), **halves, **counted}


def main() -> None:
    """Measure each kind and print flows per CPU-second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", metavar="HOST:PORT", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--flows", type=int, default=400_000)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--kinds", nargs="+", choices=BARS, default=list(BARS))
    parser.add_argument("--send", help=argparse.SUPPRESS)
    parser.add_argument("--receive", choices=BARS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.minutes:
        options.runs, options.flows = 1, sys.maxsize
    if options.send:
        port, kind, flows = options.send.split(":")
        send(int(port), kind, int(flows))
        return
    if options.receive:
        print(json.dumps(receive(options.receive, options.flows, options.kafka, options.minutes)))
        return
    from bench.capture_light import topics_of_our_own  # noqa: PLC0415

    os.environ["TAPLINE_BENCH_PREFIX"] = f"bench-{os.getpid()}"
    missed = []
    with topics_of_our_own(options.kafka):
        for kind in options.kinds:
            rates = []
            for _ in range(options.runs):
                command = [sys.executable, "-m", "bench.netflow", "--receive", kind, "--flows", str(options.flows)]
                command += ["--kafka", options.kafka, "--minutes", str(options.minutes)]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
                result = json.loads(output.stdout)
                rates.append(result["flows"] / result["cpu"])
            rate = statistics.median(rates)
            aim = "" if kind == "sflow" else f", aim {AIM:,}"
            print(f"{kind:<6} {rate:>9,.0f} flows per CPU-second (bar {BARS[kind]:,}{aim})  {result}", flush=True)
            if rate < BARS[kind]:
                missed.append(kind)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
