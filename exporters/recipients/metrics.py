"""What the recipients' exporter counts. For each recipient: notifications read = the sum of their outcomes."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

READ: Final = Counter(
    "tapline_recipient_notifications_read",
    "Notifications and acknowledgements read; a message that cannot be decoded counts as one. What is read again when"
    " exporters divide the partitions anew counts again.",
    ["recipient"],
)
OUTCOMES: Final = Counter(
    "tapline_recipient_notifications",
    "What became of them: sent, digested (in a message with others), suppressed (beyond the limit, in a message with"
    " others), duplicate, not-routed, not-told (an acknowledgement of what the recipient was not told of), rejected"
    " (refused for good), expired (not delivered in time); the last two are dead letters.",
    ["recipient", "outcome"],
)
MESSAGES: Final = Counter("tapline_recipient_messages", "Messages that were delivered.", ["recipient"])
RETRIES: Final = Counter(
    "tapline_recipient_retries", "Attempts that failed and are made again, by reason.", ["recipient", "reason"]
)
REJECTIONS: Final = Counter(
    "tapline_recipient_rejections", "Messages that were given up, by reason.", ["recipient", "reason"]
)
SECONDS: Final = Histogram("tapline_recipient_seconds", "Time that an attempt took.", ["recipient"])
LAG: Final = Gauge(
    "tapline_recipient_lag_messages", "Messages in Kafka that are not committed yet.", ["recipient", "partition"]
)
OLDEST: Final = Gauge(
    "tapline_recipient_oldest_unexported_seconds",
    "How long ago Kafka took the oldest notification that was read and is not dealt with; 0 where there is none.",
    ["recipient"],
)
POLICY_REFUSED: Final = Counter(
    "tapline_recipient_policy_refused", "Changes of the policy's pools that cannot be used; those before stay."
)
KAFKA_ERRORS: Final = Counter(
    "tapline_recipient_kafka_errors", "Errors of the Kafka client, by name.", ["recipient", "error"]
)
