"""The records of some messages of one partition, as files of their days that appear together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from exporters.files.columns import Unfit
from exporters.files.metrics import BYTES, FILES, RECORDS, REJECTIONS, WRITTEN
from exporters.files.parts import (
    JsonLinesPart,
    Origin,
    ParquetPart,
    Part,
    day_of,
    found,
    hidden_prefix,
    name_of,
    sync_folder,
)
from exporters.files.settings import FilesSettings
from topics.catalog import BY_KIND
from topics.records import Record

MOST_DAYS: Final = 16
"""A partition's files are finished when there are so many."""

MOST_OPEN: Final = 100
"""Most files of a partition; what is of yet other days in the same message is no traffic, but a broken clock."""

Reject = Callable[[int, Record, str], None]
"""Called with the index of a record, the record, and why it cannot be written."""


class Batch:
    """Takes the messages of one partition in their order, from ``first`` on, until it is due.

    Nothing can be seen of it before :meth:`finish`.
    """

    def __init__(self, origin: Origin, settings: FilesSettings, first: int) -> None:
        self._origin = origin
        self._settings = settings
        self._folder = Path(settings.folder)
        self._record = BY_KIND[origin.kind].record
        self._parts: dict[str, Part] = {}
        self._paths: dict[str, Path] = {}
        self._size = 0
        self._began = 0.0
        self._read = 0
        self._rejected: Counter[str] = Counter()
        self.first = first
        self.next = first

    @property
    def is_due(self) -> bool:
        """True when it is as large or as old as a file may be."""
        return bool(self._began) and (
            self._size >= self._settings.rotate_bytes
            or len(self._parts) >= MOST_DAYS
            or time.monotonic() - self._began >= self._settings.rotate_seconds
        )

    def add(self, offset: int, size: int, records: Sequence[Record], reject: Reject) -> None:
        """Take a message of so many bytes; records that do not fit are handed to ``reject``."""
        self._pass(offset, len(records))
        self._size += size

        def refuse(index: int, record: Record, why: str) -> None:
            self._rejected["schema"] += 1
            reject(index, record, why)

        days: dict[str, list[tuple[int, Record]]] = {}
        for index, record in enumerate(records):
            try:
                day = day_of(record.time)
            except Unfit as unfit:
                refuse(index, record, str(unfit))
                continue
            if day in days or day in self._parts or len(self._parts.keys() | days.keys()) < MOST_OPEN:
                days.setdefault(day, []).append((index, record))
            else:
                refuse(index, record, f"records of more than {MOST_OPEN} days at once")
        for day, found_there in days.items():
            part = self._part(day)
            try:
                part.add([record for _, record in found_there])
            except Unfit:
                for index, record in found_there:
                    try:
                        part.add([record])
                    except Unfit as unfit:
                        refuse(index, record, str(unfit))

    def pass_over(self, offset: int, reason: str) -> None:
        """Take a message that cannot be used, for this reason."""
        self._pass(offset, 1)
        self._rejected[reason] += 1

    def finish(self) -> None:
        """Have the files appear under their names."""
        for day, part in self._parts.items():
            part.close()
            hidden = self._paths[day]
            if not part.count:
                hidden.unlink()
                continue
            path = hidden.with_name(name_of(self._origin, self.first, self.next - 1, self._ending))
            BYTES.labels(self._origin.kind).inc(hidden.stat().st_size)
            hidden.rename(path)
            sync_folder(path.parent)
            FILES.labels("written").inc()
            WRITTEN.labels(self._origin.kind).inc(part.count)
        self._parts.clear()
        RECORDS.labels(self._origin.kind).inc(self._read)
        for reason, number in self._rejected.items():
            REJECTIONS.labels(self._origin.kind, reason).inc(number)

    def discard(self) -> None:
        """Remove what was begun."""
        for day, part in self._parts.items():
            part.close()
            self._paths[day].unlink(missing_ok=True)
        self._parts.clear()

    def _pass(self, offset: int, records: int) -> None:
        self._began = self._began or time.monotonic()
        self.next = offset + 1
        self._read += records

    @property
    def _ending(self) -> str:
        return "parquet" if self._settings.format == "parquet" else "jsonl.zst"

    def _part(self, day: str) -> Part:
        if day not in self._parts:
            folder = self._folder / f"kind={self._origin.kind}" / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            self._paths[day] = path = folder / f"{hidden_prefix(self._origin)}{self._ending}"
            self._parts[day] = (
                ParquetPart(path, self._record)
                if self._settings.format == "parquet"
                else JsonLinesPart(path, self._record)
            )
        return self._parts[day]


def first_unwritten(folder: Path, origin: Origin, committed: int) -> int:
    """Make the files agree with what is committed, and return the first offset that is in none of them.

    Files that begin at or after ``committed`` were finished by a process that died before it could commit: they are
    removed, and what is in them is read again. Those that reach beyond it hold what needs not be read again.
    """
    for path in folder.glob(f"kind={origin.kind}/day=*/{hidden_prefix(origin)}*"):
        path.unlink(missing_ok=True)
    first = committed
    for file in found(folder, origin):
        if file.first >= committed:
            file.path.unlink(missing_ok=True)
            FILES.labels("undone").inc()
        else:
            first = max(first, file.last + 1)
    return first


def json_of(record: Struct) -> bytes:
    """A record's JSON; empty where it has a text that JSON cannot hold."""
    try:
        return msgspec.json.encode(record)
    except ValueError:
        return b""
