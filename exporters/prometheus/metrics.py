"""What the exporter for Prometheus counts of itself: records read = taken + dropped."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

READ: Final = Counter(
    "tapline_prometheus_records_read",
    "Totals of counters that were read; a message that cannot be decoded counts as one.",
)
TAKEN: Final = Counter("tapline_prometheus_records", "Totals of counters that became values.")
DROPPED: Final = Counter(
    "tapline_prometheus_records_dropped",
    "Totals of counters that did not: not-chosen, stream, older (than what is shown, or over its time), or of a message"
    " that could not be used (bad).",
    ["reason"],
)
DISPLACED: Final = Counter(
    "tapline_prometheus_keys_displaced",
    "Keys that were given up for larger ones, by group.",
    ["group"],
)
KAFKA_ERRORS: Final = Counter("tapline_prometheus_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
LAG: Final = Gauge(
    "tapline_prometheus_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"]
)
OLDEST: Final = Gauge(
    "tapline_prometheus_oldest_unexported_seconds",
    "How long ago Kafka took the oldest message that is not read; 0 where there is none.",
    ["topic"],
)
