"""Reading one log file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from capture.syslog.framing import Framer
from capture.zeek.lines import LONGEST, LogLines, Read

_CHUNK: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"


class LogFile(LogLines):
    """A file of lines, also compressed by gzip; ``sha256`` is its content's.

    ``counts`` are the lines read as well; ``problem`` says why the file could not be read to its end.
    """

    def __init__(self, path: Path, sha256: str, latest: int) -> None:
        super().__init__(path.name, sha256, latest)
        self.path = path
        self.problem = ""

    def lines(self, progress: Callable[[int], None] | None = None) -> Iterator[Read]:
        """Every line that is no header; ``progress`` is called with the number of bytes of the file read since."""
        self.begin()
        framer = Framer(LONGEST + 1, by_line=True)
        number = 0
        for chunk in self._chunks(progress):
            lines = framer.feed(chunk) if chunk else framer.end()[0]
            self.counts["bytes"] += sum(map(len, lines))
            for raw in lines:
                number += 1
                found = self.read(raw, number)
                if found is not None:
                    yield found
        self.counts["lines"] = number
        self.counts["empty"] = framer.empty

    def _chunks(self, progress: Callable[[int], None] | None) -> Iterator[bytes]:
        """What there is to read, then an empty chunk."""
        self.problem = ""
        try:
            with self.path.open("rb") as file:
                read = 0
                content = _content(file)
                while chunk := content.read1(_CHUNK):
                    yield chunk
                    if progress is not None:
                        progress(file.tell() - read)
                        read = file.tell()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.problem = f"{self.path} is damaged or cut short: {error}"
        except OSError as error:
            self.problem = f"cannot read {self.path}: {error.strerror}"
        yield b""


def is_log(path: Path) -> bool:
    """True where a file has a header or a JSON object near its beginning; :class:`OSError` when it is unreadable."""
    with path.open("rb") as file:
        head = file.read(_CHUNK)
    if head.startswith(_GZIP):
        try:
            # Unlike a file, this gives what there is of one that is cut short.
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _CHUNK)
        except zlib.error:
            return False
    return any(line.lstrip().startswith((b"#separator", b"#fields", b"{")) for line in head.split(b"\n"))


def _content(file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    compressed = file.read(2) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if compressed else file
