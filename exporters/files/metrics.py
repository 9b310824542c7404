"""What the exporter to files counts. For each topic: records read = written + duplicate + rejected."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

RECORDS: Final = Counter(
    "tapline_files_records_read",
    "Records read of which it is known what became of them; a message that cannot be decoded counts as one.",
    ["topic"],
)
WRITTEN: Final = Counter("tapline_files_records_written", "Records in files that are there, whole.", ["topic"])
DUPLICATE: Final = Counter(
    "tapline_files_records_duplicate", "Records that were in files already, as after offsets were set back.", ["topic"]
)
REJECTIONS: Final = Counter(
    "tapline_files_rejections", "Records that became dead letters, by reason.", ["topic", "reason"]
)
FILES: Final = Counter(
    "tapline_files",
    "Files, by what became of them: written, undone (not committed, written again), expired.",
    ["outcome"],
)
BYTES: Final = Counter("tapline_files_bytes", "Bytes of the files written.", ["topic"])
KAFKA_ERRORS: Final = Counter("tapline_files_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
LAG: Final = Gauge("tapline_files_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"])
OLDEST: Final = Gauge(
    "tapline_files_oldest_unexported_seconds",
    "How long ago Kafka took the oldest message that is not in a file; 0 where there is none.",
    ["topic"],
)


def count_duplicate(topic: str, records: int) -> None:
    """Count records that were read and were in files already."""
    RECORDS.labels(topic).inc(records)
    DUPLICATE.labels(topic).inc(records)
