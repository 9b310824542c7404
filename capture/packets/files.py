"""Reading pcap and pcapng, from a file or a stream.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. libpcap is not used here because it
refuses a pcapng file whose interfaces differ in link type.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import Struct, error
from typing import Final, Self

from capture.packets.compressed import MAGICS, DamagedError, head_of, reader_of
from topics.errors import TaplineError

Packet = tuple[int, int, int, bytes, int, int]
"""A packet: time (epoch microseconds), length on the wire, link type, and where its bytes are: a
buffer, the offset of the first byte and of the byte after the last."""

Progress = Callable[[int], None]
"""Called with the number of bytes read so far."""

STANDARD_INPUT: Final = "-"

_CHUNK: Final = 1 << 20
_WAIT: Final = 0.2
_MAX_CAPTURED: Final = 1 << 24
_PCAP: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1000),
}
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_COMPRESSED: Final = {
    b"\x1f\x8b": "gunzip",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"\x42\x5a\x68": "bunzip2",
    b"\xfd\x37\x7a\x58": "unxz",
    b"\x04\x22\x4d\x18": "unlz4",
}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14


class PacketFile:
    """The packets of a capture file, a FIFO or standard input (``-``).

    Use as a context manager, then iterate :meth:`packets`. ``stopped`` is asked while waiting for a
    stream. A file may be compressed with gzip or zstd. When the input ends inside a packet or is damaged, what
    came before is delivered and ``problem`` says it in one line. ``read`` is how many of its bytes were read.
    """

    def __init__(
        self, path: str, *, stopped: Callable[[], bool] = lambda: False, progress: Progress | None = None
    ) -> None:
        self.path = path
        self.name = "standard input" if path == STANDARD_INPUT else path
        self.problem = ""
        self.read = 0
        self._stopped = stopped
        self._progress = progress
        self._descriptor = -1
        self._unpack: Callable[[int], bytes] | None = None
        self._broken = ""
        self._waits = False
        self._buffer = b""
        self._offset = 0
        self._count = 0

    def __enter__(self) -> Self:
        check_readable(self.path)
        try:
            self._descriptor = (
                os.dup(0) if self.path == STANDARD_INPUT else os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            )
        except OSError as problem:
            raise TaplineError(f"cannot read {self.name}: {problem.strerror}") from problem
        self._waits = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        if not self._waits and os.pread(self._descriptor, 4, 0).startswith(MAGICS):
            self._unpack = reader_of(os.fdopen(self._descriptor, "rb", closefd=False))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def packets(self) -> Iterator[Packet]:
        """Every packet in file order; times are as they stand in the file."""
        if not self._have(4):
            if self._stopped():
                return iter(())
            raise TaplineError(_no_capture(self.name, self._buffer))
        magic = self._buffer[:4]
        if magic == _PCAPNG:
            return self._pcapng()
        if magic in _PCAP:
            return self._pcap(*_PCAP[magic])
        raise TaplineError(_no_capture(self.name, self._buffer))

    def dropped(self) -> int:
        """How many packets were lost since this was asked last: a file does not say."""
        return 0

    def losses(self) -> int:
        """How often what is read went away: a file does not."""
        return 0

    def _pcap(self, order: str, divisor: int) -> Iterator[Packet]:
        if not self._have(24):
            raise TaplineError(f"{self.name} ends inside its file header: copy or record it again")
        link = Struct(order + "I").unpack_from(self._buffer, 20)[0] & 0x0FFF_FFFF
        self._offset = 24
        unpack = Struct(order + "IIII").unpack_from
        while True:
            buffer, start = self._buffer, self._offset
            size = len(buffer)
            while start + 16 <= size:
                seconds, fraction, captured, length = unpack(buffer, start)
                start += 16
                end = start + captured
                if end > size:
                    start -= 16
                    break
                self._count += 1
                yield seconds * 1_000_000 + fraction // divisor, length, link, buffer, start, end
                start = end
            self._offset = start
            if not self._have(16):
                break
            captured = unpack(self._buffer, self._offset)[2]
            if captured > _MAX_CAPTURED:
                self._damaged(f"a packet of {captured} bytes")
                return
            if not self._have(16 + captured):
                break
        self._ended()

    def _pcapng(self) -> Iterator[Packet]:
        section = _Section("<")
        while self._have(12):
            if self._buffer[self._offset : self._offset + 4] == _PCAPNG:
                order = _BYTE_ORDERS.get(self._buffer[self._offset + 8 : self._offset + 12], "")
                if not order:
                    self._damaged("a section without a byte order")
                    return
                section = _Section(order)
            kind, total = section.block(self._buffer, self._offset)
            if total < 12 or total % 4 or total > 2 * _MAX_CAPTURED:
                self._damaged(f"a block of {total} bytes")
                return
            if not self._have(total):
                break
            body, end = self._offset + 8, self._offset + total - 4
            self._offset += total
            try:
                packet = section.read(kind, self._buffer, body, end)
            except (error, IndexError):
                self._damaged("a block that does not hold what it should")
                return
            if packet is not None:
                self._count += 1
                yield packet
        self._ended()

    def _have(self, wanted: int) -> bool:
        """Make the next ``wanted`` bytes available in the buffer; False at the end of the input."""
        missing = wanted - (len(self._buffer) - self._offset)
        if missing <= 0:
            return True
        parts = [self._buffer[self._offset :]]
        self._offset = 0
        while missing > 0:
            chunk = self._chunk(max(missing, _CHUNK))
            if not chunk:
                break
            parts.append(chunk)
            missing -= len(chunk)
        self._buffer = b"".join(parts)
        return missing <= 0

    def _chunk(self, size: int) -> bytes:
        while self._waits and not select.select([self._descriptor], [], [], _WAIT)[0]:
            if self._stopped():
                return b""
        if self._stopped():
            return b""
        try:
            chunk = os.read(self._descriptor, size) if self._unpack is None else self._unpacked(size)
        except OSError as problem:
            raise TaplineError(f"cannot read on in {self.name}: {problem.strerror}") from problem
        if self._unpack is None:
            self.read += len(chunk)
        else:
            self.read = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if self._progress is not None:
            self._progress(self.read)
        return chunk

    def _unpacked(self, size: int) -> bytes:
        """What comes next of what was compressed; nothing more from where it is damaged."""
        assert self._unpack is not None
        try:
            return b"" if self._broken else self._unpack(size)
        except DamagedError as problem:
            self._broken = str(problem) or "it is damaged"
            return b""

    def _ended(self) -> None:
        if (self._offset < len(self._buffer) or self._broken) and not self._stopped():
            self.problem = (
                f"{self.name} is cut short after {_packets(self._count)}: what could be read was used; "
                "record or copy it again for the rest"
            )

    def _damaged(self, what: str) -> None:
        self.problem = (
            f"{self.name} is damaged after {_packets(self._count)} ({what}): what could be read was used; "
            "record or copy it again for the rest"
        )


def check_readable(path: str) -> None:
    """Raise :class:`TaplineError` unless this path is a capture file, a FIFO or ``-``."""
    if path == STANDARD_INPUT:
        return
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - the errors' own words are wanted
        if stat.S_ISDIR(mode):
            raise TaplineError(f"{path} is a directory: name a capture file in it")
        if not stat.S_ISREG(mode):
            return
        with Path(path).open("rb") as file:
            head = file.read(8)
        if head.startswith(MAGICS):
            head = head_of(Path(path), 8) or head
    except FileNotFoundError as problem:
        raise TaplineError(f"{path} does not exist: check the path") from problem
    except PermissionError as problem:
        raise TaplineError(f"{path} cannot be read (permission denied): allow it with chmod or run as its owner") from (
            problem
        )
    except OSError as problem:
        raise TaplineError(f"cannot read {path}: {problem.strerror}") from problem
    if head[:4] != _PCAPNG and head[:4] not in _PCAP:
        raise TaplineError(_no_capture(path, head))


def _no_capture(name: str, head: bytes) -> str:
    if not head:
        return f"{name} is empty: it holds no capture"
    for magic, tool in _COMPRESSED.items():
        if head.startswith(magic):
            return f"{name} is compressed: unpack it with {tool} first"
    return f"{name} is neither pcap nor pcapng: record one with `tcpdump -w` or convert it with editcap"


class _Section:
    """A section of a pcapng file: its byte order and the interfaces described so far."""

    def __init__(self, order: str) -> None:
        self.block = Struct(order + "II").unpack_from
        self._interface = Struct(order + "HHI").unpack_from
        self._option = Struct(order + "HH").unpack_from
        self._offset = Struct(order + "q").unpack_from
        self._enhanced = Struct(order + "IIIII").unpack_from
        self._old = Struct(order + "HHIIII").unpack_from
        self._simple = Struct(order + "I").unpack_from
        self._interfaces: list[tuple[int, int, int, int]] = []
        self._time = 0

    def read(self, kind: int, buffer: bytes, body: int, end: int) -> Packet | None:
        """The packet in a block, if it is a packet's; IndexError or struct.error when it is damaged."""
        if kind == _ENHANCED_PACKET:
            number, high, low, captured, length = self._enhanced(buffer, body)
            start = body + 20
        elif kind == _OLD_PACKET:
            number, _, high, low, captured, length = self._old(buffer, body)
            start = body + 20
        elif kind == _SIMPLE_PACKET:
            (length,) = self._simple(buffer, body)
            link, snaplen, *_ = self._interfaces[0]
            start = body + 4
            captured = min(length, end - start, snaplen or length)
            # A simple packet has no time: it counts at that of the one before.
            return self._time, length, link, buffer, start, start + captured
        else:
            if kind == _INTERFACE:
                self._describe(buffer, body, end)
            return None
        link, _, units, shift = self._interfaces[number]
        if start + captured > end:
            raise IndexError
        self._time = (high << 32 | low) * 1_000_000 // units + shift
        return self._time, length, link, buffer, start, start + captured

    def _describe(self, buffer: bytes, body: int, end: int) -> None:
        """Keep an interface's link type, snapshot length, time units a second, and offset in microseconds."""
        link, _, snaplen = self._interface(buffer, body)
        units, shift = 1_000_000, 0
        position = body + 8
        while position + 4 <= end:
            code, size = self._option(buffer, position)
            position += 4
            if code == 0:
                break
            if code == _OPTION_RESOLUTION and size >= 1:
                value = buffer[position]
                units = 1 << (value & 0x7F) if value & 0x80 else 10**value
            elif code == _OPTION_OFFSET and size >= 8:
                shift = self._offset(buffer, position)[0] * 1_000_000
            position += (size + 3) & ~3
        self._interfaces.append((link, snaplen, units, shift))


def _packets(count: int) -> str:
    return f"{count} packet" + ("" if count == 1 else "s")
