"""What the mirror counts. For each topic: records read = mirrored + rejected; an aborted transaction counts nothing."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

READ: Final = Counter(
    "tapline_mirror_records_read",
    "Records read whose transaction is committed; a message that cannot be decoded counts as one.",
    ["topic"],
)
MIRRORED: Final = Counter("tapline_mirror_records", "Records whose transaction is committed.", ["topic"])
REJECTIONS: Final = Counter(
    "tapline_mirror_rejections", "Records and messages that became dead letters, by reason.", ["topic", "reason"]
)
TRANSACTIONS: Final = Counter(
    "tapline_mirror_transactions", "Transactions, by outcome: committed, aborted.", ["outcome"]
)
KAFKA_ERRORS: Final = Counter("tapline_mirror_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
LAG: Final = Gauge("tapline_mirror_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"])
OLDEST: Final = Gauge(
    "tapline_mirror_oldest_unexported_seconds",
    "How long ago Kafka took the oldest message that is not mirrored; 0 where there is none.",
    ["topic"],
)
