"""Which records go into files, and how these are cut and kept."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Kind = Literal["flow", "resource", "document", "alert", "notification", "counter", "track", "annotation", "dead"]


class FilesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``files:`` block: what ``tapline export files`` writes.

    Below ``folder`` a file is ``kind=flow/day=2026-11-28/part….parquet``, or ``.jsonl.zst`` with ``format`` ``jsonl``;
    the day is that of the record's event time, UTC. A file is there, whole, when its partition has ``rotate_bytes`` of
    records (their size as JSON), at the latest ``rotate_seconds`` after its first record. Days of more than ``days``
    ago are removed; 0 keeps all. The field ``kind`` of annotations is ``annotation_kind`` there, beside that of the
    folders.
    """

    folder: str = "export"
    format: Literal["parquet", "jsonl"] = "parquet"
    kinds: list[Kind] = field(default_factory=lambda: ["flow", "resource", "document", "notification", "counter"])
    rotate_bytes: Annotated[int, Meta(ge=1024)] = 256 * 1024 * 1024
    rotate_seconds: Annotated[float, Meta(gt=0, le=86_400, description="Seconds.")] = 300.0
    days: Annotated[int, Meta(ge=0)] = 0
    metrics_port: Annotated[int, Meta(ge=-1, le=65_535, description="0 takes a free port, -1 serves nothing.")] = 9105
