"""The policy topic: what was set while the system runs, read and written."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Producer

from topics.admin import connect, require_topics
from topics.catalog import POLICY
from topics.codec import Envelope, encode, open_message
from topics.errors import TaplineError
from topics.held import HeldMessages
from topics.partitions import digest
from topics.records import PolicyEntry
from topics.refusals import refused
from topics.settings import KafkaSettings

_SEND_SECONDS = 15.0
_WRITER = "policy"


def read_entries(kafka: KafkaSettings) -> dict[str, PolicyEntry]:
    """The newest entry of each key, without those taken back; :class:`TaplineError` when Kafka cannot be read."""
    found: dict[str, PolicyEntry] = {}
    with HeldMessages(kafka, [POLICY], f"{kafka.prefix}-policy") as held:
        for topic, _, headers, body in held:
            if body is None:
                continue
            for record in open_message(headers, body, topic)[1]:
                found[record.key] = record
    return {key: record for key, record in found.items() if record.value}


def write_entries(kafka: KafkaSettings, entries: Iterable[tuple[str, str]], author: str, comment: str = "") -> int:
    """Set these entries (key, JSON text; empty text takes an entry back) and wait until Kafka has them; how many.

    :class:`TaplineError` when Kafka does not take them.
    """
    producer = Producer(
        kafka.client() | {"enable.idempotence": True, "message.timeout.ms": int(_SEND_SECONDS * 1000), "log_level": 0}
    )
    failed: list[str] = []
    name = POLICY.name(kafka.prefix)
    admin, metadata = connect(kafka)
    require_topics(kafka, admin, metadata, [name], "Write")
    now = time.time_ns() // 1000
    count = 0
    for key, value in entries:
        record = PolicyEntry(
            id=digest("policy", key, now, value), time=now, key=key, value=value, author=author, comment=comment
        )
        envelope = Envelope(POLICY.schema, _WRITER, "live", 0, 0, 1)
        producer.produce(
            name,
            encode([record]),
            key.encode(),
            partition=0,
            headers=envelope.headers(),  # type: ignore[arg-type]
            on_delivery=lambda error, _: (
                failed.append(refused(kafka, error, "Write", name)) if error is not None else None
            ),
        )
        count += 1
    left = producer.flush(_SEND_SECONDS)
    if failed or left:
        why = failed[0] if failed else f"no answer within {_SEND_SECONDS:.0f} s"
        raise TaplineError(f"Kafka at {kafka.bootstrap} did not take the policy: {why}: see `tapline status`")
    return count
