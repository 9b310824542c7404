"""How much of what is in Kafka has not been worked on yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from topics.admin import connect
from topics.catalog import Topic
from topics.errors import TaplineError
from topics.settings import KafkaSettings

_TIMEOUT: Final = 10.0
_BETWEEN_TRIES: Final = 0.2


class Backlog(Struct, frozen=True):
    """What a consumer group has before it in one topic.

    ``messages`` are in the topic, ``waiting`` of them after what the group has committed. Workers commit
    a window when it is closed, so that of a window that is going on there is always something waiting.
    """

    group: str
    topic: str
    messages: int
    waiting: int


def backlog(settings: KafkaSettings, group: str, topics: Sequence[Topic]) -> list[Backlog]:
    """The backlog of a group in each of these topics; topics that do not exist have none."""
    _, metadata = connect(settings)
    names = [topic.name(settings.prefix) for topic in topics if topic.name(settings.prefix) in metadata.topics]
    # A consumer that never joins is asked: the admin client's ListOffsets crashes on new topics (confluent-kafka 2.16).
    consumer = Consumer(settings.client() | {"group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        return [_of_topic(consumer, group, name, list(metadata.topics[name].partitions)) for name in names]
    finally:
        consumer.close()


def _of_topic(consumer: Consumer, group: str, name: str, numbers: Sequence[int]) -> Backlog:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            messages = waiting = 0
            for each in consumer.committed([TopicPartition(name, number) for number in numbers], timeout=_TIMEOUT):
                first, end = consumer.get_watermark_offsets(each, timeout=_TIMEOUT)
                messages += end - first
                waiting += max(end - max(each.offset, first), 0)
        except KafkaException as error:
            # A broker that has just started, or a topic just made, has to be asked more than once.
            if time.monotonic() >= deadline:
                reason = error.args[0].str()
                raise TaplineError(f"cannot read the offsets of {group} ({reason}): see `tapline doctor`") from error
            time.sleep(_BETWEEN_TRIES)
        else:
            return Backlog(group=group, topic=name, messages=messages, waiting=waiting)
