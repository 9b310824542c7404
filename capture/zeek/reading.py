"""Reading one log file."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from capture.syslog.framing import Framer
from capture.zeek.columns import Columns
from capture.zeek.errors import ZeekError
from capture.zeek.logs import KINDS, Conn, DnsLine, Line
from capture.zeek.times import moment

LONGEST: Final = 1 << 20
"""Bytes of a line; what is longer is rejected."""

_CHUNK: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_path = re.compile(r"[a-z][a-z0-9_]*\Z").match
_named = re.compile(r"([a-z][a-z0-9_]*)\.(?:.*\.)?log(?:\.gz)?\Z").match
_known = re.compile(rf"({'|'.join(KINDS)})(?=[._-]\d|\.|\Z)").match


class Read(NamedTuple):
    """What became of one line: ``line``, or ``error``, or neither where it is of a log that is ignored.

    ``start`` and ``end`` are in epoch microseconds, and the same but for a connection and an answer; 0 without a
    ``line``.
    """

    number: int
    raw: bytes
    line: Line | None
    start: int
    end: int
    error: ZeekError | None


class _Path(Struct, gc=False):
    path: str = msgspec.field(name="_path", default="")


class LogFile:
    """A file of lines, with columns or as JSON, also compressed by gzip.

    Which log a line is of says ``#path`` or its member ``_path``; without either the file's name, as ``conn.log``.
    ``counts`` are the lines read, and those of headers; ``problem`` says why the file could not be read to its end.
    """

    def __init__(self, path: Path, sha256: str, latest: int) -> None:
        self.path = path
        self.sha256 = sha256
        self.counts: Counter[str] = Counter()
        self.problem = ""
        self._latest = latest
        self._own = path_of(path.name)
        self._columns = Columns()
        self._json = {kind: msgspec.json.Decoder(kind) for kind in KINDS.values()}
        self._head = msgspec.json.Decoder(_Path)

    def lines(self, progress: Callable[[int], None] | None = None) -> Iterator[Read]:
        """Every line that is no header; ``progress`` is called with the number of bytes of the file read since."""
        self._columns = Columns()
        self.counts.clear()
        framer = Framer(LONGEST + 1, by_line=True)
        number = 0
        for chunk in self._chunks(progress):
            lines = framer.feed(chunk) if chunk else framer.end()[0]
            self.counts["bytes"] += sum(map(len, lines))
            for raw in lines:
                number += 1
                found = self._read(raw, number)
                if found is not None:
                    yield found
        self.counts["lines"] = number
        self.counts["empty"] = framer.empty

    def _read(self, raw: bytes, number: int) -> Read | None:
        try:
            return self._decode(raw, number)
        except ZeekError as error:
            return Read(number, raw, None, 0, 0, error)

    def _decode(self, raw: bytes, number: int) -> Read | None:
        if len(raw) > LONGEST:
            raise ZeekError("zeek-long", f"longer than {LONGEST:,} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "replace")
            self.counts["not-utf-8"] += 1
        columns = self._columns
        if text[0] == "#" or (not columns.named and text.lstrip()[:1] == "#"):
            columns.take(text if text[0] == "#" else text.strip(" \t"))
            self.counts["headers"] += 1
            return None
        in_json = text[0] == "{" and not columns.named
        kind = KINDS.get(self._json_path(text) if in_json else self._columns_path())
        if kind is None:
            return Read(number, raw, None, 0, 0, None)
        line = self._json_line(text, kind) if in_json else columns.read(text, kind)
        start = end = moment(line.ts)
        if isinstance(line, Conn):
            end += round(line.duration * 1_000_000)
        elif isinstance(line, DnsLine):
            end += round(line.rtt * 1_000_000)
        if end > self._latest:
            raise ZeekError("zeek-time", "it is more than a day after the file was last written")
        return Read(number, raw, line, start, end, None)

    def _columns_path(self) -> str:
        if not self._columns.named:
            raise ZeekError("zeek-no-header", "no line that begins with #fields has come before it")
        return self._checked(self._columns.path or self._own)

    def _json_path(self, text: str) -> str:
        try:
            said = self._head.decode(text).path if '"_path"' in text else ""
        except (msgspec.ValidationError, UnicodeError) as error:
            raise ZeekError("zeek-path", str(error)) from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise ZeekError("zeek-json", str(error)) from error
        return self._checked(said or self._own)

    def _checked(self, path: str) -> str:
        if not _path(path):
            what = f"{path[:32]!r} is no name of a log" if path else "neither the line nor the file's name says it"
            raise ZeekError("zeek-path", f"{what}: it is `conn`, `dns` …")
        return path

    def _json_line(self, text: str, kind: type[Line]) -> Line:
        try:
            return self._json[kind].decode(text)
        except msgspec.ValidationError as error:
            raise ZeekError("zeek-type", str(error)) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ZeekError("zeek-json", str(error)) from error

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


def path_of(name: str) -> str:
    """Which log a file of this name is, ``""`` where it does not say: ``conn.2026-11-20-10:00:00.log.gz`` is ``conn``.

    Of the logs that records are made of, the name may end as it likes (``dns.json``).
    """
    found = _known(name) or _named(name)
    return found[1] if found else ""


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
