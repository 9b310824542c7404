"""What the exporter for Prometheus counts of itself: records read = taken + dropped."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

TAKEN: Final = Counter("tapline_prometheus_records", "Totals of counters that became values.")
DROPPED: Final = Counter(
    "tapline_prometheus_records_dropped",
    "Totals of counters that did not: not-chosen, stream, keys (the group has as many as it may), older (than what is"
    " shown, or over its time), or of a message that could not be used (bad).",
    ["reason"],
)
KAFKA_ERRORS: Final = Counter("tapline_prometheus_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
