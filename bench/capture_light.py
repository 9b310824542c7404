"""What a light capture costs beside nfstream alone, in CPU seconds of whole processes.

Both read the same file: ``nfstream`` iterates ``NFStreamer(source=file)`` with its defaults, ``light``
is what `tapline capture --depth light` does: flows, their updates at every window's edge, encoding,
publishing to Kafka (``--kafka``) or only handing over the encoded messages (``--no-kafka``). Runs
alternate; the medians and their ratio are printed. The bar is 1.25.

    python -m bench.capture_light /tmp/bench.pcap --kafka 127.0.0.1:9092

The file is made first, where it is missing, by ``../shared/bench/make-bench-capture FILE 100``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BAR = 1.25
MAKER = Path(__file__).parents[2] / "shared" / "bench" / "make-bench-capture"


def nfstream(path: str) -> dict[str, int]:
    """Iterate nfstream's own flows."""
    from nfstream import NFStreamer  # noqa: PLC0415 - only in the measured process

    flows = packets = octets = 0
    for flow in NFStreamer(source=path):
        flows += 1
        packets += flow.bidirectional_packets
        octets += flow.bidirectional_bytes
    return {"flows": flows, "packets": packets, "bytes": octets}


def light(path: str, bootstrap: str) -> dict[str, int]:
    """Capture the file as `tapline capture --depth light` does."""
    from capture.node import CaptureNode  # noqa: PLC0415
    from capture.open import open_capture  # noqa: PLC0415
    from capture.publisher import KafkaPublisher  # noqa: PLC0415
    from capture.settings import CaptureSettings  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    observation, sources = open_capture(path, CaptureSettings(depth="light"))
    if bootstrap:
        with KafkaPublisher(KafkaSettings(bootstrap=bootstrap, prefix=prefix()), live=False) as publisher:
            node = CaptureNode(observation, sources, publisher)
            node.run()
    else:
        node = CaptureNode(observation, sources, _Counter())
        node.run()
    ignored = sum(amount for (_, counter), amount in node.counts.items() if counter.startswith("ignored."))
    return {
        "read": node.counts["nfstream", "packets"],
        "packets": node.counts["nfstream", "packets"] - ignored,
        "bytes": node.counts["nfstream", "bytes"] - node.counts["nfstream", "ignored_bytes"],
        "announced": node.announced.total(),
    }


class _Counter:
    """A publisher that only takes what it is given."""

    def partitions(self, _topic: object) -> int:
        return 4

    def send(self, _topic: object, _partition: int, _value: bytes, _headers: object, _records: int) -> bool:
        return True

    def poll(self) -> None:
        """Nothing is outstanding."""

    def flush(self) -> None:
        """Nothing is outstanding."""


def prefix() -> str:
    """A prefix of topics that only this benchmark uses."""
    return os.environ.get("TAPLINE_BENCH_PREFIX", "bench")


@contextmanager
def topics_of_our_own(bootstrap: str) -> Iterator[None]:
    """Topics that are there for the block alone; none without Kafka."""
    if not bootstrap:
        yield
        return
    from topics import admin  # noqa: PLC0415
    from topics.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings(bootstrap=bootstrap, prefix=prefix())
    created = admin.create(settings)
    try:
        yield
    finally:
        client, _ = admin.connect(settings)
        for future in client.delete_topics(created).values():
            future.result()


def measure(side: str, path: str, bootstrap: str) -> tuple[float, dict[str, int]]:
    """CPU seconds, user and system, of a process of its own and its children, and what it counted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    target = ["--kafka", bootstrap] if bootstrap else ["--no-kafka"]
    command = [sys.executable, "-m", "bench.capture_light", path, "--side", side, *target]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, json.loads(output)


def main() -> None:
    """Measure both sides in turn and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--kafka", metavar="HOST:PORT", default="")
    where.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", choices=["nfstream", "light"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = str(Path(options.file).resolve())
    if options.side:
        print(json.dumps(nfstream(path) if options.side == "nfstream" else light(path, options.kafka)))
        return
    if not Path(path).exists():
        subprocess.run([MAKER, path, "100"], check=True, stdout=subprocess.DEVNULL)
    os.environ["TAPLINE_BENCH_PREFIX"] = f"bench-{os.getpid()}"
    seconds: dict[str, list[float]] = {"nfstream": [], "light": []}
    counted: dict[str, dict[str, int]] = {}
    with topics_of_our_own(options.kafka):
        for _ in range(options.runs):
            for side, runs in seconds.items():
                spent, counted[side] = measure(side, path, options.kafka)
                runs.append(spent)
    medians = {side: statistics.median(runs) for side, runs in seconds.items()}
    for side, runs in seconds.items():
        print(f"{side:<9} {medians[side]:.2f} CPU-s  ({', '.join(f'{run:.2f}' for run in runs)})  {counted[side]}")
    ratio = medians["light"] / medians["nfstream"]
    print(f"light / nfstream = {ratio:.2f}  (bar {BAR})")
    same = all(counted["nfstream"][what] == counted["light"][what] for what in ("packets", "bytes"))
    if not same or ratio > BAR:
        sys.exit("missed" if same else "packets or bytes differ")


if __name__ == "__main__":
    main()
