"""Capture files whose interfaces differ in link type, which libpcap, and so Suricata, refuses."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from struct import pack
from typing import IO, Final

from capture.packets.files import PacketFile

_MAGIC: Final = 0xA1B2C3D4
_SNAPLEN: Final = 262_144


def split_by_link(path: str, folder: Path) -> list[Path]:
    """One pcap file for each link type of a capture file, its packets in their order.

    What comes before a place where the file is damaged is there; whoever reads the packets for flows says so.
    """
    written: dict[int, tuple[Path, IO[bytes]]] = {}
    file: IO[bytes]
    with ExitStack() as stack, PacketFile(path) as packets:
        for time, length, link, data, start, end in packets.packets():
            if link not in written:
                part = folder / f"link-{link}.pcap"
                file = stack.enter_context(part.open("wb"))
                file.write(pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, link))
                written[link] = part, file
            file = written[link][1]
            file.write(pack("<IIII", time // 1_000_000, time % 1_000_000, end - start, length))
            file.write(data[start:end])
    return [part for part, _ in written.values()]
