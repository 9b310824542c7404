"""Dead letters: what cannot be exported goes to a topic of its own, and nothing is committed before it is there."""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from exporters.elasticsearch.bulk import Rejection
from exporters.elasticsearch.metrics import KAFKA_ERRORS
from topics.catalog import DEAD
from topics.codec import Envelope, Headers, encode
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, DeadLetter
from topics.settings import KafkaSettings

NODE: Final = "exporter-elasticsearch"
"""How the exporter names itself in the messages it publishes."""

MAX_VALUE_BYTES: Final = 4 * 1024 * 1024
"""How much of a message's value a dead letter holds; the message itself stays where it is."""

_log = logging.getLogger(__name__)


def unusable(
    topic: str,
    partition: int,
    offset: int,
    time: int,
    headers: Headers | None,
    value: bytes | None,
    why: tuple[str, str],
) -> DeadLetter:
    """The dead letter for a message that does not keep the contract; ``why`` is reason and detail."""
    return _letter(
        topic, partition, offset, time, headers, value or b"", why, digest(DEAD.kind, topic, partition, offset)
    )


def rejected(rejection: Rejection) -> DeadLetter:
    """The dead letter for one record of a message; its value is the record alone."""
    taken = rejection.taken
    return _letter(
        taken.name,
        taken.partition,
        taken.offset,
        taken.time,
        taken.envelope.headers(),
        msgspec.json.encode(rejection.record()),
        (rejection.reason, f"record {rejection.index}: {rejection.detail}"),
        digest(DEAD.kind, taken.name, taken.partition, taken.offset, rejection.index),
    )


class DeadLetters:
    """Publishes dead letters and knows which of them Kafka has not yet acknowledged."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Producer | None = None
        self._waiting: dict[str, DeadLetter] = {}
        self._failed: list[str] = []

    def start(self) -> None:
        """Make the producer; it connects when it has something to say."""
        self._producer = Producer(
            {
                "compression.type": "zstd",
                "linger.ms": 5,
                **self._kafka.client(),
                "enable.idempotence": True,
                "message.max.bytes": 8 * 1024 * 1024,
                "message.timeout.ms": 0,
                "error_cb": _note,
            },
            logger=_log,
        )

    def add(self, letter: DeadLetter) -> None:
        """Have a dead letter published."""
        self._waiting[letter.id] = letter
        self._produce(letter)

    def settle(self, seconds: float) -> bool:
        """Wait up to so long; true when Kafka has acknowledged all dead letters."""
        if not self._waiting or self._producer is None:
            return True
        failed, self._failed = self._failed, []
        for identity in failed:
            self._produce(self._waiting[identity])
        self._producer.flush(seconds)
        return not self._waiting

    def stop(self) -> None:
        """Forget the dead letters that are not acknowledged: their messages are not committed either."""
        if self._producer is not None:
            self._waiting.clear()
            self._failed.clear()
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def _produce(self, letter: DeadLetter) -> None:
        if self._producer is None:
            raise RuntimeError("not started")
        envelope = Envelope(
            schema=DEAD.schema,
            node=letter.node,
            stream="live",
            window=letter.time // 1_000_000 // WINDOW_SECONDS * WINDOW_SECONDS,
            sequence=0,
            count=1,
        )

        def acknowledge(error: KafkaError | None, _message: Any) -> None:
            self._acknowledge(letter.id, error)

        try:
            self._producer.produce(
                DEAD.name(self._kafka.prefix),
                value=encode([letter]),
                key=letter.id,
                headers=[*envelope.headers()],
                on_delivery=acknowledge,
            )
        except BufferError:
            self._failed.append(letter.id)
        except KafkaException as error:
            self._acknowledge(letter.id, error.args[0])

    def _acknowledge(self, identity: str, error: KafkaError | None) -> None:
        if error is None or identity not in self._waiting:
            self._waiting.pop(identity, None)
            return
        KAFKA_ERRORS.labels(error.name()).inc()
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._waiting[identity] = msgspec.structs.replace(self._waiting[identity], value="", headers=[])
        _log.warning("dead letter not published, trying again", extra={"reason": error.name()})
        self._failed.append(identity)


def _letter(
    topic: str,
    partition: int,
    offset: int,
    time: int,
    headers: Headers | None,
    value: bytes,
    why: tuple[str, str],
    identity: str,
) -> DeadLetter:
    reason, detail = why
    if len(value) > MAX_VALUE_BYTES:
        detail = f"{detail} (value cut from {len(value)} to {MAX_VALUE_BYTES} bytes)"
    return DeadLetter(
        id=identity,
        time=time,
        node=NODE,
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reason,
        stage=NODE,
        error=detail,
        value=b64encode(value[:MAX_VALUE_BYTES]).decode(),
        headers=[(name, b64encode(content or b"").decode()) for name, content in headers or ()],
    )


def _note(error: KafkaError) -> None:
    KAFKA_ERRORS.labels(error.name()).inc()
    _log.warning("Kafka: %s", error.str())
