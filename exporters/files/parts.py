"""One file of records, from its hidden beginning to the moment when it is there, whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from exporters.files.columns import Unfit, batch_of, column_of, schema_of

ROW_GROUP: Final = 20_000
"""Rows of a group in Parquet; so many records of a file are in memory at most, and one message more."""

_NAME: Final = re.compile(r"part\.([A-Za-z0-9_-]+)\.(\d+)\.(\d{20})-(\d{20})\.(parquet|jsonl\.zst)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Origin(Struct, frozen=True):
    """Where records come from: the kind, the id Kafka gave the topic, and the partition."""

    kind: str
    topic_id: str
    partition: int


class Found(Struct, frozen=True):
    """A file that is there, and the first and the last offset of the messages it was made of."""

    path: Path
    first: int
    last: int


class Part(Protocol):
    """A file being written."""

    count: int

    def add(self, records: Sequence[Struct]) -> None:
        """Append records; :class:`Unfit`, and nothing is appended, when one of them cannot be."""

    def close(self) -> None:
        """Write what is in hand, and have the disk keep it."""


def day_of(microseconds: int) -> str:
    """The day of an event time, UTC, as ``2026-11-28``; :class:`Unfit` outside the calendar."""
    try:
        return (_EPOCH + timedelta(0, 0, microseconds)).strftime("%Y-%m-%d").rjust(10, "0")
    except OverflowError as error:
        raise Unfit(f"time {microseconds} is in no calendar") from error


def topic_id(given: object) -> str:
    """Kafka's id of a topic for use in a name: Base64 of URLs (RFC 4648) in place of that with slashes."""
    return str(given).replace("/", "_").replace("+", "-")


def name_of(origin: Origin, first: int, last: int, ending: str) -> str:
    """The file's name: the same offsets of the same topic always have the same."""
    return f"part.{origin.topic_id}.{origin.partition}.{first:020}-{last:020}.{ending}"


def hidden_prefix(origin: Origin) -> str:
    """What the names of this partition's unfinished files begin with."""
    return f".part.{origin.topic_id}.{origin.partition}."


def found(folder: Path, origin: Origin) -> Iterator[Found]:
    """The finished files of a partition."""
    for path in folder.glob(f"kind={origin.kind}/day=*/part.{origin.topic_id}.{origin.partition}.*"):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            yield Found(path, int(match[3]), int(match[4]))


def is_ours(path: Path) -> bool:
    """True for a file that this exporter has written."""
    return _NAME.fullmatch(path.name) is not None


class ParquetPart:
    """A Parquet file, compressed by zstd."""

    def __init__(self, path: Path, kind: type[Struct]) -> None:
        self.count = 0
        self._kind = kind
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, schema_of(kind), compression="zstd")

    def add(self, records: Sequence[Struct]) -> None:
        self._batches.append(batch_of(self._kind, records))
        self._rows += len(records)
        self.count += len(records)
        if self._rows >= ROW_GROUP:
            self._write()

    def close(self) -> None:
        if self._batches:
            self._write()
        self._writer.close()
        _close(self._file)

    def _write(self) -> None:
        table = pa.Table.from_batches(self._batches)
        self._writer.write_table(table, row_group_size=len(table))
        self._batches.clear()
        self._rows = 0


class JsonLinesPart:
    """A file with one JSON object a line, compressed by zstd; what is absent is left out."""

    def __init__(self, path: Path, kind: type[Struct]) -> None:
        self.count = 0
        names = {name: column_of(kind, name) for name in kind.__struct_fields__}
        self._renamed = {name: column for name, column in names.items() if name != column}
        self._encoder = msgspec.json.Encoder()
        self._file = path.open("wb")
        self._compressed = pa.CompressedOutputStream(pa.PythonFile(self._file, "w"), "zstd")

    def add(self, records: Sequence[Struct]) -> None:
        try:
            lines = self._encoder.encode_lines(self._named(records) if self._renamed else records)
        except ValueError as error:
            raise Unfit(str(error)) from error
        self._compressed.write(lines)
        self.count += len(records)

    def close(self) -> None:
        # The stream closes the file below it; the disk is asked by a descriptor of its own.
        descriptor = os.dup(self._file.fileno())
        try:
            self._compressed.close()
            self._file.close()
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _named(self, records: Sequence[Struct]) -> list[dict[str, Any]]:
        """The records as objects whose members are called as the columns are."""
        return [
            {self._renamed.get(name, name): value for name, value in msgspec.to_builtins(record).items()}
            for record in records
        ]


def _close(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
