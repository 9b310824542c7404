"""What the flow engine holds over an hour of packets, which are given to it without the waiting between them.

The packets of the demo go by over and over, each time between other addresses, at a rate of event time; after each
minute it is told how many flows go on, and what the process holds of memory. With the cycle collector set as in
`tapline capture`: what only that frees stays for long.

    python -m bench.flow_memory --minutes 60 --pps 3000
"""

from __future__ import annotations

import argparse
import gc
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import psutil

from bench.capture_light import _Counter
from bench.eve import COLLECTED
from capture.nfstream_engine.source import NfstreamSource
from capture.node import CaptureNode
from capture.packets.files import Packet, PacketFile
from capture.packets.live import LiveCapture
from capture.settings import CaptureSettings
from capture.source import observe_live
from topics.catalog import FLOW

DEMO: Final = Path(__file__).parents[1] / "tapline" / "demo" / "demo.pcap"
BEGAN: Final = 1_700_000_040_000_000
MINUTE: Final = 60_000_000
_IPV4: Final = b"\x08\x00"
_ADDRESSES: Final = (26, 30)
"""Where the addresses are in an Ethernet frame of IPv4."""


class Replay(LiveCapture):
    """An interface on which the packets of a file go by again and again."""

    def __init__(self, path: Path, minutes: int, pps: int) -> None:
        self._minutes = minutes
        self._step = 1_000_000 / pps
        self._process = psutil.Process()
        with PacketFile(str(path)) as file:
            self._frames = [(link, length, buffer[start:end]) for _, length, link, buffer, start, end in file.packets()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def packets(self) -> Iterator[Packet]:
        number, minute = 0, 1
        for turn in itertools.count():
            for link, length, frame in self._frames:
                time = BEGAN + round(number * self._step)
                number += 1
                if time >= BEGAN + minute * MINUTE:
                    print(f"{minute:3} min  {self._process.memory_info().rss / 1e6:.0f} MB", flush=True)
                    minute += 1
                    if minute > self._minutes:
                        return
                shown = _moved(frame, turn)
                yield time, length, link, shown, 0, len(shown)

    def dropped(self) -> int:
        return 0

    def losses(self) -> int:
        return 0


def _moved(frame: bytes, turn: int) -> bytes:
    """The frame between addresses that are ``turn`` further on."""
    if frame[12:14] != _IPV4:
        return frame
    moved = bytearray(frame)
    for at in _ADDRESSES:
        address = int.from_bytes(frame[at : at + 4], "big") + turn & 0xFFFFFFFF
        moved[at : at + 4] = address.to_bytes(4, "big")
    return bytes(moved)


class Source(NfstreamSource):
    """The flow engine over such an interface."""

    replay: Replay

    def _open(self) -> Replay:
        return self.replay


def main() -> None:
    """Print what is held after each minute, and how many records were made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--pps", type=int, default=3000, help="packets a second of event time")
    options = parser.parse_args()
    gc.set_threshold(*COLLECTED)
    observation = observe_live("bench", "replay", BEGAN)
    source = Source(observation, "replay", CaptureSettings(node="bench", depth="light"))
    source.replay = Replay(DEMO, options.minutes, options.pps)
    node = CaptureNode(observation, [source], _Counter())
    node.run()
    print(f"{node.counts['nfstream', 'packets']:,} packets, {node.records[FLOW.kind]:,} records of flows")


if __name__ == "__main__":
    main()
