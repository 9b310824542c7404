"""Whether memory stays as it is: every source at full rate for minutes, and the resident memory of each process.

A process of its own captures; what it captures comes as fast as it is read (datagrams, lines) or as fast as tcpreplay
sends (packets, through a cable in a network of its own, which needs root: `--pps` to send fewer). Files that are
followed are rotated every 50 MB. Of each process of the capture it is told what it holds after some minutes and at the
end, and its growth a minute as the slope of a line through all readings of the second half.

    python -m bench.soak syslog netflow --minutes 10
    python -m bench.soak nfstream tshark suricata --minutes 10 --kafka 127.0.0.1:9092
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

LIVE = ("nfstream", "tshark", "suricata", "suricata-alone")
LISTENING = {"nfv9": "netflow", "ipfix": "netflow", "sflow": "sflow", "syslog": "syslog"}
FOLLOWED = {"eve": "eve.json", "zeek": "conn.log"}
ENGINES = (*LIVE, *LISTENING, *FOLLOWED)

DEMO = Path(__file__).parents[1] / "tapline" / "demo" / "demo.pcap"
AHEAD = 2_000
"""How many datagrams may be under way: what the kernel keeps of them."""

LINES_AHEAD = 50_000
ROTATED = 50 << 20
"""Bytes after which a followed file is rotated."""

MADE = 4_000
"""How many different datagrams are sent, over and over."""

EVERY = 2.0
"""Seconds between readings of memory."""

_SENT, _READ = "cable0", "cable1"
_NEW_NETWORK = 0x40000000
_COUNTERS = {"eve": "lines", "zeek": "lines", "syslog": "lines"}
TOLD = (1, 2, 5, 10, 20)
"""After how many minutes it is told what is held, besides the end."""


def capture(engine: str, source: str, network: str, bootstrap: str) -> None:
    """Run a capture node until standard input ends; how much was read is told on standard output."""
    from bench.capture_light import _Counter, prefix  # noqa: PLC0415
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings, EveSettings, ZeekSettings  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    positions = str(Path(source).with_name("positions")).removeprefix(f"{engine}:follow:")
    settings = CaptureSettings(
        node="bench",
        depth="light" if engine == "nfstream" else "deep",
        engine="tshark" if engine == "tshark" else "suricata" if engine == "suricata" else "auto",
        flows="suricata" if engine == "suricata-alone" else "nfstream",
        eve=EveSettings(positions=positions),
        zeek=ZeekSettings(positions=positions),
    )
    with ExitStack() as stack:
        publisher = (
            stack.enter_context(KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=True))
            if bootstrap
            else _Counter()
        )
        if network:
            with Path(network).open("rb") as opened:
                if ctypes.CDLL(None).setns(opened.fileno(), _NEW_NETWORK):
                    raise SystemExit("the network cannot be entered: run this as root")
        observation, sources = open_capture(source, settings)
        node = CaptureNode(observation, sources, publisher)
        if network:
            # Only what the publisher has connected before reaches Kafka from there.
            node._find_place = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
        thread = threading.Thread(target=node.run)
        thread.start()
        over = threading.Event()

        def end_with_input() -> None:
            sys.stdin.read()
            over.set()

        threading.Thread(target=end_with_input, daemon=True).start()
        counter = (LISTENING.get(engine, engine), _COUNTERS.get(engine, "packets"))
        while not over.wait(0.02) and thread.is_alive():
            port = getattr(sources[0], "port", 1)
            if port:
                print(port, node.counts[counter], node.records.total(), flush=True)
        node.stop()
        thread.join()


class Capture:
    """A capture process: how much it has read, and what its processes hold."""

    def __init__(self, engine: str, source: str, network: str, bootstrap: str) -> None:
        self.port = self.read = self.records = 0
        self.readings: dict[str, list[tuple[float, int]]] = defaultdict(list)
        command = [sys.executable, "-m", "bench.soak", "--capture", engine, source, network, bootstrap]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.port, self.read, self.records = map(int, line.split())

    def wait_ready(self) -> None:
        """Return when it captures."""
        while not self.port:
            if self._process.poll() is not None:
                raise SystemExit("the capture ended before it began")
            time.sleep(0.05)

    def look(self, at: float) -> None:
        """Read the memory of each of its processes; those of one name are told together."""
        if self._process.poll() is not None:
            raise SystemExit(f"the capture ended after {at:.0f} s")
        held: dict[str, int] = defaultdict(int)
        own = psutil.Process(self._process.pid)
        for process in (own, *own.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                # One that has just ended has no command any more.
                command = process.cmdline()
                if command:
                    name = "tapline" if process == own else Path(command[0]).name
                    held[name] += process.memory_info().rss
        for name, amount in held.items():
            self.readings[name].append((at, amount))

    def end(self) -> None:
        """Stop it in good order."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(120)


def datagrams(engine: str) -> list[bytes]:
    """What is sent to a source that listens."""
    from bench import netflow, syslog  # noqa: PLC0415

    if engine == "syslog":
        return [syslog.line("rfc5424", number) for number in range(MADE)]
    source = random.Random()
    return [netflow.datagram(engine, number, source)[0] for number in range(MADE)]


def send(running: Capture, engine: str, is_over: Callable[[], bool]) -> None:
    """Send datagrams in step with what is read."""
    made = datagrams(engine)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.port))
        for number in itertools.count():
            while number >= running.read + AHEAD:
                if is_over():
                    return
                time.sleep(0.001)
            sender.send(made[number % MADE])


def lines(engine: str, numbers: range) -> str:
    """Lines for a file that is followed, of now."""
    from bench import eve, zeek  # noqa: PLC0415

    now = int(time.time()) - 1
    if engine == "eve":
        return "".join(eve.event("flow", number, now) + "\n" for number in numbers)
    return "".join(json.dumps(zeek.conn(number) | {"ts": now, "duration": 0.5}) + "\n" for number in numbers)


def write(running: Capture, engine: str, path: Path, is_over: Callable[[], bool]) -> None:
    """Write into a file that is followed, in step with what is read, and rotate it; two old ones are kept."""
    batch = 2_000
    for number in itertools.count(0, batch):
        while number >= running.read + LINES_AHEAD:
            if is_over():
                return
            time.sleep(0.001)
        with path.open("a", encoding="ascii") as file:
            file.write(lines(engine, range(number, number + batch)))
            size = file.tell()
        if size > ROTATED:
            # An old one goes when all of it was read.
            older, newer = path.with_name(f"{path.name}.2"), path.with_name(f"{path.name}.1")
            if newer.exists():
                newer.replace(older)
            path.replace(newer)


@contextmanager
def network() -> Iterator[str]:
    """The name of a network with a cable; gone after the block."""
    name = f"soak-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "-n", name, "link"]
        subprocess.run([*inside, "add", _SENT, "type", "veth", "peer", "name", _READ], check=True)
        for cable in (_SENT, _READ):
            subprocess.run([*inside, "set", cable, "addrgenmode", "none", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@contextmanager
def feeding(engine: str, options: argparse.Namespace) -> Iterator[Capture]:
    """A capture that is given what it reads for as long as the block lasts."""
    over = threading.Event()
    with ExitStack() as stack:
        if engine in LIVE:
            name = stack.enter_context(network())
            running = Capture(engine, _READ, f"/run/netns/{name}", options.kafka)
            stack.callback(running.end)
            running.wait_ready()
            speed = f"--pps={options.pps}" if options.pps else "--topspeed"
            command = ["ip", "netns", "exec", name, "tcpreplay", "--quiet", speed, "--loop=0", "--unique-ip"]
            replay = subprocess.Popen([*command, f"--intf1={_SENT}", options.replayed], stdout=subprocess.DEVNULL)
            stack.callback(replay.wait)
            stack.callback(replay.terminate)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            followed = folder / FOLLOWED.get(engine, "")
            source = f"{engine}:follow:{followed}" if engine in FOLLOWED else f"{LISTENING[engine]}:udp://127.0.0.1:0"
            running = Capture(engine, source, "", options.kafka)
            stack.callback(running.end)
            running.wait_ready()
            feed = (
                threading.Thread(target=write, args=(running, engine, followed, over.is_set))
                if engine in FOLLOWED
                else threading.Thread(target=send, args=(running, engine, over.is_set))
            )
            feed.start()
            stack.callback(feed.join)
            stack.callback(over.set)
        yield running


def soak(engine: str, options: argparse.Namespace) -> None:
    """Run one engine and print what its processes held."""
    seconds = options.minutes * 60
    with feeding(engine, options) as running:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            running.look(at)
            time.sleep(EVERY)
        read, records = running.read, running.records
    for name, readings in running.readings.items():
        print(f"{engine:15} {name:12} {told(readings, seconds)}")
    print(f"{engine:15} read {read:,}, published {records:,} records ({records / seconds:,.0f} a second)", flush=True)


def told(readings: list[tuple[float, int]], seconds: float) -> str:
    """Megabytes after some minutes and at the end, and how many more they become a minute in the second half."""
    held = [(at / 60, amount / 1e6) for at, amount in readings]
    shown = [
        f"{minute} min {amount:.0f}"
        for minute in TOLD
        if (amount := next((amount for at, amount in held if at >= minute), None)) is not None
    ]
    late = [each for each in held if each[0] >= seconds / 120]
    if len(late) < 2:
        return "ended before half of the time"
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope
    most = max(amount for _, amount in held)
    return f"MB: {', '.join(shown)}, end {held[-1][1]:.0f}, most {most:.0f}; {slope:+.2f} MB a minute"


def main() -> None:
    """Soak the engines that are named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(ENGINES)} (default: all)")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kafka", metavar="HOST:PORT", default="")
    parser.add_argument("--pps", type=int, default=0, help="packets a second (default: as fast as they are sent)")
    parser.add_argument("--replayed", metavar="FILE", default=str(DEMO), help="the capture file that is sent")
    parser.add_argument("--capture", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.capture:
        capture(*options.capture)
        return
    unknown = set(options.engines) - set(ENGINES)
    if unknown:
        parser.error(f"no such engine: {', '.join(sorted(unknown))}")
    from bench.capture_light import topics_of_our_own  # noqa: PLC0415

    os.environ["TAPLINE_BENCH_PREFIX"] = f"soak-{os.getpid()}"
    with topics_of_our_own(options.kafka):
        for engine in options.engines or ENGINES:
            soak(engine, options)


if __name__ == "__main__":
    main()
