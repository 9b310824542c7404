"""What the exporter counts.

For each topic: records read = documents written + duplicate + rejected + left out + records in hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MESSAGES: Final = Counter(
    "tapline_exporter_messages",
    "Messages read, by what they held: records, a snapshot marker, nothing more of a key (forgotten), something sent"
    " again to another stage (elsewhere), or nothing that could be used (bad).",
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
IN_HAND: Final = Gauge(
    "tapline_exporter_records_in_hand", "Records read of which it is not yet known what becomes of them.", ["topic"]
)
REJECTIONS: Final = Counter("tapline_exporter_rejections", "Records rejected, by reason.", ["topic", "reason"])
RETRIES: Final = Counter(
    "tapline_exporter_retries", "Requests or documents that had to be sent again, by reason.", ["reason"]
)
KAFKA_ERRORS: Final = Counter("tapline_exporter_kafka_errors", "Errors of the Kafka client, by name.", ["error"])
BULK_SECONDS: Final = Histogram("tapline_exporter_bulk_seconds", "Time until a bulk request was answered.")
BULK_BYTES: Final = Counter("tapline_exporter_bulk_bytes", "Bytes sent in bulk requests that were answered.")
BULK_TARGET: Final = Gauge(
    "tapline_exporter_bulk_target_bytes", "Bytes at which a bulk request is sent, as large as the server bears."
)
IN_FLIGHT: Final = Gauge("tapline_exporter_bulks_in_flight", "Bulks that were sent and are not yet committed.")
LAG: Final = Gauge(
    "tapline_exporter_lag_messages", "Messages in Kafka after the last one read.", ["topic", "partition"]
)
OLDEST: Final = Gauge(
    "tapline_exporter_oldest_unexported_seconds",
    "How long ago Kafka took the oldest message that was read and is not yet exported; 0 where there is none.",
    ["topic"],
)


def count_read(topic: str, records: int) -> None:
    """Count records read; each of them gets an outcome later."""
    RECORDS.labels(topic).inc(records)
    IN_HAND.labels(topic).inc(records)


def count_outcome(topic: str, outcome: str, records: int = 1) -> None:
    """Count what became of records that were read."""
    DOCUMENTS.labels(topic, outcome).inc(records)
    IN_HAND.labels(topic).dec(records)


class Oldest:
    """Since when Kafka has had the oldest message that is not yet exported, by topic; ages are those at the scrape."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def show(self, topics: tuple[str, ...]) -> None:
        """Have the gauge show the ages of these topics."""
        for topic in topics:
            OLDEST.labels(topic).set_function(partial(self.age, topic))

    def hide(self, topics: tuple[str, ...]) -> None:
        """Take them back."""
        for topic in topics:
            with suppress(KeyError):
                OLDEST.remove(topic)

    def add(self, topic: str, written: int) -> None:
        """Take note of a message that Kafka took then (epoch microseconds)."""
        self._since[topic] = min(written, self._since.get(topic, written))

    def keep(self, remaining: Iterable[Mapping[str, int]]) -> None:
        """What was added is exported, but for what remains: each by topic, as it was added."""
        since: dict[str, int] = {}
        for each in remaining:
            for topic, written in each.items():
                since[topic] = min(written, since.get(topic, written))
        self._since = since

    def age(self, topic: str) -> float:
        """How old the oldest message of a topic is, in seconds."""
        since = self._since.get(topic)
        return 0.0 if since is None else max(0.0, time.time() - since / 1_000_000)
