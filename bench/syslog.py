"""What receiving syslog costs: lines per CPU-second, from a datagram to Kafka's acknowledgement.

A process of its own sends; the CPU of the receiving one alone is counted, user and system: the socket, parsing, the
record, encoding, compression and the sending to Kafka (``--kafka``; without it the messages are only handed over).
Datagrams are sent in step with what was read, so that none is lost. The bar is 80,000.

    python -m bench.syslog --kafka 127.0.0.1:9092
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

BAR = 80_000
AHEAD = 5_000
"""How many lines may be under way: what the kernel keeps of datagrams."""

KINDS = ("rfc3164", "rfc5424", "structured-data", "eve")
_EVE = (
    '{{"timestamp":"{iso}+0000","flow_id":{number},"event_type":"flow","src_ip":"192.0.2.{octet}","src_port":{port},'
    '"dest_ip":"198.51.100.7","dest_port":443,"proto":"TCP","app_proto":"tls","flow":{{"pkts_toserver":12,'
    '"pkts_toclient":10,"bytes_toserver":1940,"bytes_toclient":8056,"start":"{iso}+0000","end":"{iso}+0000","age":1,'
    '"state":"closed","reason":"timeout","alerted":false}},"tcp":{{"tcp_flags_ts":"1b","tcp_flags_tc":"1b",'
    '"state":"closed"}}}}'
)


def line(kind: str, number: int) -> bytes:
    """The ``number``-th line: nine hosts, seven applications, a text of about 80 bytes."""
    now = time.gmtime()
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", now) + f".{number % 1_000_000:06d}"
    host, application = f"host{number % 9}", f"app{number % 7}"
    text = f"Accepted publickey for user{number % 101} from 192.0.2.{number % 251} port {number % 65535} ssh2: {number}"
    if kind == "rfc3164":
        return f"<38>{time.strftime('%b %d %H:%M:%S', now)} {host} {application}[{number % 9999}]: {text}".encode()
    if kind == "rfc5424":
        return f"<38>1 {iso}Z {host} {application} {number % 9999} - - {text}".encode()
    if kind == "structured-data":
        data = f'[origin ip="192.0.2.1"][meta sequence="{number}" service="{application}"]'
        return f"<38>1 {iso}Z {host} {application} {number % 9999} ID7 {data} {text}".encode()
    event = _EVE.format(iso=iso, number=number, octet=number % 251, port=1024 + number % 60_000)
    return f"<142>1 {iso}Z {host} suricata {number % 9999} - - {event}".encode()


def send(transport: str, port: int, kind: str, count: int) -> None:
    """Send ``count`` lines to a port; on standard input comes how many were read so far."""
    made = [line(kind, number) for number in range(min(count, 20_000))]
    allowed = [AHEAD]
    changed = threading.Condition()

    def listen() -> None:
        for told in sys.stdin:
            with changed:
                allowed[0] = int(told) + AHEAD
                changed.notify()

    threading.Thread(target=listen, daemon=True).start()
    kind_of_socket = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind_of_socket) as sender:
        sender.connect(("127.0.0.1", port))
        print("ready", flush=True)
        if transport == "tcp":
            data = b"".join(b"%d %b" % (len(each), each) for each in made)
            for _ in range(count // len(made)):
                sender.sendall(data)
            return
        for number in range(count):
            if number >= allowed[0]:
                with changed:
                    changed.wait_for(lambda reached=number: reached < allowed[0])  # type: ignore[misc]
            sender.send(made[number % len(made)])


def receive(transport: str, kind: str, count: int, bootstrap: str) -> dict[str, float]:
    """Run a capture node until it has read ``count`` lines; its CPU seconds and what it made of them."""
    from bench.capture_light import _Counter, prefix  # noqa: PLC0415
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from capture.syslog.source import SyslogListener  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    observation, (source,) = open_capture(f"syslog:{transport}://127.0.0.1:0", CaptureSettings(node="bench"))
    assert isinstance(source, SyslogListener)
    kafka = KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=True) if bootstrap else None
    publisher = kafka.__enter__() if kafka else _Counter()
    node = CaptureNode(observation, [source], publisher)
    thread = threading.Thread(target=node.run)
    thread.start()
    while not source.port:
        time.sleep(0.01)
    command = [sys.executable, "-m", "bench.syslog", "--send", f"{transport}:{source.port}:{kind}:{count}"]
    sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sender.stdin
    assert sender.stdout
    try:
        sender.stdout.readline()
        began, wall = time.process_time(), time.monotonic()
        read = last = 0
        while read < count and time.monotonic() - wall < 120:
            time.sleep(0.005)
            read = node.counts["syslog", "lines"]
            if read != last and transport == "udp":
                with contextlib.suppress(BrokenPipeError):
                    sender.stdin.write(f"{read}\n")
                    sender.stdin.flush()
            last = read
    finally:
        node.stop()
        thread.join()
        sender.kill()
        sender.wait()
    spent, wall = time.process_time() - began, time.monotonic() - wall
    if kafka:
        kafka.__exit__()
    counted = {f"{name}": amount for (_, name), amount in node.counts.items()}
    return {"cpu": spent, "wall": wall, "records": node.records.total(), **counted}


def main() -> None:
    """Measure each kind of line and print lines per CPU-second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", metavar="HOST:PORT", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lines", type=int, default=400_000)
    parser.add_argument("--transport", choices=["udp", "tcp"], default="udp")
    parser.add_argument("--send", help=argparse.SUPPRESS)
    parser.add_argument("--receive", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        transport, port, kind, count = options.send.split(":")
        send(transport, int(port), kind, int(count))
        return
    if options.receive:
        print(json.dumps(receive(options.transport, options.receive, options.lines, options.kafka)))
        return
    from bench.capture_light import topics_of_our_own  # noqa: PLC0415

    os.environ["TAPLINE_BENCH_PREFIX"] = f"bench-{os.getpid()}"
    missed = False
    with topics_of_our_own(options.kafka):
        for kind in KINDS:
            rates = []
            for _ in range(options.runs):
                command = [sys.executable, "-m", "bench.syslog", "--receive", kind, "--lines", str(options.lines)]
                command += ["--transport", options.transport, "--kafka", options.kafka]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
                result = json.loads(output.stdout)
                rates.append(result["lines"] / result["cpu"])
            print(f"{kind:<16} {statistics.median(rates):>9,.0f} lines per CPU-second  {result}")
            missed |= kind in KINDS[:2] and statistics.median(rates) < BAR
    if missed:
        sys.exit(f"missed: the bar is {BAR:,}")


if __name__ == "__main__":
    main()
