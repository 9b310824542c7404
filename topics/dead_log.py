"""The topic of dead letters: what waits in it, and what was done about each."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Final, Literal, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct
from msgspec.structs import replace

from topics.catalog import DEAD
from topics.codec import BadMessage, encode, open_message
from topics.dead_letters import dead_envelope
from topics.errors import TaplineError
from topics.held import HeldMessages
from topics.partitions import digest
from topics.records import DeadLetter
from topics.refusals import refused
from topics.resending import Resent
from topics.settings import KafkaSettings

State = Literal["waiting", "retried", "dropped"]

_SEND_SECONDS: Final = 15.0
_WRITER: Final = "dlq"


class Standing(Struct, frozen=True):
    """A dead letter without its value and headers, and how it stands: ``mark`` is what was done about it last."""

    letter: DeadLetter
    mark: DeadLetter | None = None

    @property
    def state(self) -> State:
        """What has become of the letter."""
        return self.mark.state if self.mark is not None else "waiting"


def read_standings(kafka: KafkaSettings) -> dict[str, Standing]:
    """How each dead letter that Kafka still holds stands, by id, the oldest first.

    Values are not kept, so memory goes with how many letters there are and not with how long they are. A mark whose
    letter has been deleted by retention is left out. :class:`TaplineError` when Kafka cannot be read.
    """
    found: dict[str, Standing] = {}
    for record in _records(kafka):
        if record.letter:
            standing = found.get(record.letter)
            if standing is not None:
                found[record.letter] = Standing(standing.letter, record)
        elif record.id not in found:
            found[record.id] = Standing(replace(record, value="", headers=[]))
    return found


def read_whole(kafka: KafkaSettings, identities: Mapping[str, object]) -> Iterator[DeadLetter]:
    """The dead letters of these ids with values and headers, each once, the oldest first; one is held at a time."""
    left = set(identities)
    # The reader is closed as soon as all are found, not when it is next collected.
    with closing(_records(kafka)) as records:
        for record in records if left else ():
            if record.id in left:
                left.remove(record.id)
                yield record
                if not left:
                    return


class DeadLetterWriter:
    """Sends letters again and says what was done about letters; a context manager.

    Everything waits for Kafka's acknowledgement. :class:`TaplineError` when it does not come.
    """

    def __init__(self, kafka: KafkaSettings, author: str, comment: str = "") -> None:
        self._kafka = kafka
        self._author = author
        self._comment = comment
        self._producer: Producer | None = None
        self._failed: list[str] = []

    def __enter__(self) -> Self:
        self._producer = Producer(
            self._kafka.client()
            | {
                "enable.idempotence": True,
                "compression.type": "zstd",
                "message.max.bytes": 8 * 1024 * 1024,
                "message.timeout.ms": int(_SEND_SECONDS * 1000),
                "log_level": 0,
            }
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def send(self, resent: list[Resent]) -> None:
        """Send messages again, to the very partitions they were in."""
        for each in resent:
            self._produce(each.topic, each.partition, each.body, [*each.envelope.headers(), *each.headers])
        self._flush()

    def mark(self, letters: list[DeadLetter], state: Literal["retried", "dropped"]) -> None:
        """Say of these letters what was done about them now."""
        now = time.time_ns() // 1000
        for letter in letters:
            mark = replace(
                letter,
                id=digest(DEAD.kind, state, letter.id, now),
                time=now,
                node=_WRITER,
                value="",
                headers=[],
                state=state,
                letter=letter.id,
                author=self._author,
                comment=self._comment,
            )
            headers = dead_envelope(_WRITER, now).headers()
            self._produce(DEAD.name(self._kafka.prefix), 0, encode([mark]), headers)
        self._flush()

    def _produce(self, topic: str, partition: int, body: bytes, headers: list[tuple[str, bytes]]) -> None:
        if self._producer is None:
            raise RuntimeError("not started")
        try:
            self._producer.produce(
                topic,
                body,
                partition=partition,
                headers=headers,  # type: ignore[arg-type]
                on_delivery=self._delivered,
            )
        except KafkaException as error:
            self._failed.append(error.args[0].str())

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(refused(self._kafka, error, "Write", message.topic() or ""))

    def _flush(self) -> None:
        if self._producer is None:
            raise RuntimeError("not started")
        left = self._producer.flush(_SEND_SECONDS)
        if self._failed or left:
            why = self._failed[0] if self._failed else f"no answer within {_SEND_SECONDS:.0f} s"
            raise TaplineError(
                f"Kafka at {self._kafka.bootstrap} did not take it ({why}): see `tapline status`, then try again; what"
                " was sent is not counted twice"
            )


def _records(kafka: KafkaSettings) -> Generator[DeadLetter]:
    """Every dead letter and every mark that can be read, in the order in which they were written."""
    with HeldMessages(kafka, [DEAD], f"{kafka.prefix}-dlq") as held:
        for topic, _, headers, body in held:
            try:
                records: list[DeadLetter] = open_message(headers, body, topic)[1]
            except BadMessage:
                # What others have written there is told of by the exporter.
                continue
            yield from (record for record in records if isinstance(record, DeadLetter))
