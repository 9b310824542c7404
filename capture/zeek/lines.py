"""One line of a log after the other."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from capture.zeek.columns import Columns
from capture.zeek.errors import ZeekError
from capture.zeek.logs import KINDS, Conn, DnsLine, Line
from capture.zeek.times import moment

LONGEST: Final = 1 << 20
"""Bytes of a line; what is longer is rejected."""

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


class LogLines:
    """The lines of one log, with columns or as JSON, in their order.

    Which log a line is of says ``#path`` or its member ``_path``; without either the file's ``name``, as ``conn.log``.
    ``content`` is what the log is known by, whatever it is called; no line may be of later than ``latest`` (epoch
    microseconds). ``counts`` are the lines of headers, and those that are not UTF-8.
    """

    def __init__(self, name: str, content: str, latest: int) -> None:
        self.name = name
        self.content = content
        self.counts: Counter[str] = Counter()
        self._latest = latest
        self._own = path_of(name)
        self._columns = Columns()
        self._json = {kind: msgspec.json.Decoder(kind) for kind in KINDS.values()}
        self._head = msgspec.json.Decoder(_Path)

    @property
    def header(self) -> list[str]:
        """The lines of the header that the next line is read with."""
        return self._columns.header

    def begin(self) -> None:
        """What comes next is the first line."""
        self._columns = Columns()
        self.counts.clear()

    def read(self, raw: bytes, number: int) -> Read | None:
        """What becomes of a line; None for one of a header."""
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


def path_of(name: str) -> str:
    """Which log a file of this name is, ``""`` where it does not say: ``conn.2026-11-20-10:00:00.log.gz`` is ``conn``.

    Of the logs that records are made of, the name may end as it likes (``dns.json``).
    """
    found = _known(name) or _named(name)
    return found[1] if found else ""
