"""What the exporter counts. For each topic: records read = documents written + duplicate + rejected + left out."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MESSAGES: Final = Counter(
    "tapline_exporter_messages",
    "Messages read, by what they held: records, a snapshot marker, nothing more of a key (forgotten), or nothing that"
    " could be used (bad).",
    ["topic", "held"],
)
RECORDS: Final = Counter(
    "tapline_exporter_records_read", "Records read; a message that cannot be decoded counts as one.", ["topic"]
)
DOCUMENTS: Final = Counter(
    "tapline_exporter_documents",
    "What became of the records: written, duplicate (already there, or a newer one is), rejected (a dead letter) or"
    " left out (what one-shot alerts are recognised by).",
    ["topic", "outcome"],
)
REJECTIONS: Final = Counter("tapline_exporter_rejections", "Records rejected, by reason.", ["topic", "reason"])
RETRIES: Final = Counter(
    "tapline_exporter_retries", "Requests or documents that had to be sent again, by reason.", ["reason"]
)
KAFKA_ERRORS: Final = Counter("tapline_exporter_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
BULK_SECONDS: Final = Histogram("tapline_exporter_bulk_seconds", "Time until a bulk request was answered.")
BULK_BYTES: Final = Counter("tapline_exporter_bulk_bytes", "Bytes sent in bulk requests that were answered.")
LAG: Final = Gauge(
    "tapline_exporter_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"]
)
