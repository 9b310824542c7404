"""The topics of the alert engine: how conditions stand, what was told, and releases by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Producer
from msgspec.structs import replace

from topics.admin import connect, require_topics
from topics.catalog import ALERT, ALERT_STATE, NOTIFICATION
from topics.codec import SNAPSHOT_SCHEMA, BadMessage, Envelope, encode, open_message
from topics.errors import TaplineError
from topics.held import HeldMessages
from topics.partitions import digest, partition_of
from topics.records import Alert, AlertState, Snapshot
from topics.refusals import refused
from topics.settings import KafkaSettings

_SEND_SECONDS = 15.0
_WRITER = "~hand/0"
"""The producer name of a person: a lane of its own, so that no window of a node waits for it."""

EVERYBODY = "*"
"""The instance of a release that speaks for all who hold the condition."""


def read_conditions(kafka: KafkaSettings) -> dict[str, AlertState]:
    """How each condition stands, by identity; :class:`TaplineError` when Kafka cannot be read."""
    found: dict[str, AlertState] = {}
    with HeldMessages(kafka, [ALERT_STATE], f"{kafka.prefix}-alerts") as held:
        for topic, _, headers, body in held:
            if body is None:
                continue
            try:
                records: list[AlertState] = open_message(headers, body, topic)[1]
            except BadMessage:
                continue
            for record in records:
                found[record.id] = record
    return {identity: record for identity, record in found.items() if record.status != "stored"}


def read_notifications(kafka: KafkaSettings) -> list[Alert]:
    """What was told and is still held, oldest first, each once; :class:`TaplineError` when Kafka cannot be read."""
    found: dict[str, Alert] = {}
    with HeldMessages(kafka, [NOTIFICATION], f"{kafka.prefix}-alerts") as held:
        for topic, _, headers, body in held:
            try:
                records: list[Alert] = open_message(headers, body, topic)[1]
            except BadMessage:
                continue
            for record in records:
                found.setdefault(record.id, record)
    return sorted(found.values(), key=lambda alert: alert.time)


def write_releases(kafka: KafkaSettings, alerts: Iterable[Alert], author: str, comment: str = "") -> int:
    """Have the engine release these conditions, whoever holds them, and wait until Kafka has it; how many.

    Their time is the one at which they are released: that of the last event for a capture file, else now.
    :class:`TaplineError` when Kafka does not take them.
    """
    admin, metadata = connect(kafka)
    name = ALERT.name(kafka.prefix)
    require_topics(kafka, admin, metadata, [name], "Write")
    partitions = len(metadata.topics[name].partitions)
    producer = Producer(
        kafka.client() | {"enable.idempotence": True, "message.timeout.ms": int(_SEND_SECONDS * 1000), "log_level": 0}
    )
    failed: list[str] = []
    now = time.time_ns() // 1000
    count = 0
    for alert in alerts:
        at = now if alert.stream == "live" else alert.time
        # Each in a window of its own: a lane's windows come one after the other.
        window = now // 1_000_000 + count
        release = replace(
            alert,
            id=digest("released", alert.episode, now),
            time=at,
            action="release",
            instance=EVERYBODY,
            event="",
            attributes={**alert.attributes, "ended": f"released by {author}", "comment": comment},
        )
        marker = Snapshot(node=_WRITER, stream=alert.stream, window=window, announced=1)
        for schema, record in ((ALERT.schema, release), (SNAPSHOT_SCHEMA, marker)):
            envelope = Envelope(schema, _WRITER, alert.stream, window, 0, 1)
            producer.produce(
                name,
                encode([record]),
                partition=partition_of(f"{alert.type}\x00{alert.entity}", partitions),
                headers=envelope.headers(),  # type: ignore[arg-type]
                on_delivery=lambda error, _: (
                    failed.append(refused(kafka, error, "Write", name)) if error is not None else None
                ),
            )
        count += 1
    left = producer.flush(_SEND_SECONDS)
    if failed or left:
        why = failed[0] if failed else f"no answer within {_SEND_SECONDS:.0f} s"
        raise TaplineError(f"Kafka at {kafka.bootstrap} did not take the release: {why}: see `tapline status`")
    return count
