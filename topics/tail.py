"""Reading a topic from where it stands, for people to look at."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, TopicPartition
from msgspec import Struct

from topics.admin import connect, require_topics
from topics.catalog import Topic
from topics.codec import BadMessage, Envelope, open_message
from topics.errors import TaplineError
from topics.refusals import refused
from topics.settings import KafkaSettings


class Tailed(Struct):
    """One message as read: where it stood, what it holds, or why it cannot be used."""

    partition: int
    offset: int
    envelope: Envelope | None
    records: list[Struct]
    problem: str = ""


def tail(
    settings: KafkaSettings, topic: Topic, *, beginning: bool = False, follow: bool = True, idle_seconds: float = 2.0
) -> Iterator[Tailed]:
    """Yield a topic's messages; without ``follow`` it ends where the topic ended when it began.

    Nothing is committed. ``idle_seconds`` bounds each wait for a message.
    """
    name = topic.name(settings.prefix)
    admin, metadata = connect(settings)
    require_topics(settings, admin, metadata, [name], "Read")
    group = f"{settings.prefix}-tail"
    consumer = Consumer(settings.client() | {"group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        start = OFFSET_BEGINNING if beginning else OFFSET_END
        partitions = [TopicPartition(name, number, start) for number in metadata.topics[name].partitions]
        ends = {p.partition: consumer.get_watermark_offsets(p, timeout=10.0)[1] for p in partitions}
        consumer.assign(partitions)
        waiting = {number for number, end in ends.items() if end > 0 and beginning}
        deadline = time.monotonic() + 10 * idle_seconds
        while follow or (waiting and time.monotonic() < deadline):
            message = consumer.poll(idle_seconds)
            if message is None:
                continue
            problem = message.error()
            if problem is not None:
                if problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
                    continue
                why = refused(settings, problem, "Read", name, f"Describe on the group {group}")
                raise TaplineError(f"cannot read topic {name}: {why}")
            number, offset = message.partition() or 0, message.offset() or 0
            deadline = time.monotonic() + 10 * idle_seconds
            if offset >= ends[number] - 1:
                waiting.discard(number)
            try:
                envelope, records = open_message(message.headers(), message.value(), topic)  # type: ignore[arg-type]
                yield Tailed(number, offset, envelope, records)
            except BadMessage as error:
                yield Tailed(number, offset, None, [], str(error))
    finally:
        consumer.close()
