"""What the mirror counts. For each topic: records read = mirrored + rejected."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

MIRRORED: Final = Counter("tapline_mirror_records", "Records whose transaction is committed.", ["topic"])
REJECTIONS: Final = Counter(
    "tapline_mirror_rejections", "Records and messages that became dead letters, by reason.", ["topic", "reason"]
)
TRANSACTIONS: Final = Counter(
    "tapline_mirror_transactions", "Transactions, by outcome: committed, aborted.", ["outcome"]
)
KAFKA_ERRORS: Final = Counter("tapline_mirror_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
