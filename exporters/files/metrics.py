"""What the exporter to files counts. For each topic: records read = written + rejected, and those not in a file yet."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

RECORDS: Final = Counter(
    "tapline_files_records_read",
    "Records read; a message that cannot be decoded counts as one. What is read again after partitions moved counts"
    " again.",
    ["topic"],
)
WRITTEN: Final = Counter("tapline_files_records_written", "Records in files that are there, whole.", ["topic"])
REJECTIONS: Final = Counter(
    "tapline_files_rejections", "Records that became dead letters, by reason.", ["topic", "reason"]
)
SKIPPED: Final = Counter(
    "tapline_files_messages_skipped", "Messages that were in files already, as after offsets were set back.", ["topic"]
)
FILES: Final = Counter(
    "tapline_files",
    "Files, by what became of them: written, undone (not committed, written again), expired.",
    ["outcome"],
)
BYTES: Final = Counter("tapline_files_bytes", "Bytes of the files written.", ["topic"])
KAFKA_ERRORS: Final = Counter("tapline_files_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
LAG: Final = Gauge("tapline_files_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"])
