"""How much of what is in Kafka has not been worked on yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from exporters.elasticsearch.documents import EXPORTED
from exporters.elasticsearch.exporter import GROUP
from exporters.recipients.reading import group_of
from tapline.configuration import Configuration
from topics.admin import connect
from topics.catalog import BY_KIND, NOTIFICATION, Topic
from topics.dead_letters import FILES, MIRROR
from topics.errors import TaplineError
from topics.settings import KafkaSettings
from workers.stages import topics_of

_TIMEOUT: Final = 10.0
_BETWEEN_TRIES: Final = 0.2


class Backlog(Struct, frozen=True):
    """What a consumer group has before it in one topic.

    ``messages`` are in the topic, ``waiting`` of them after what the group has committed. Workers commit
    a window when it is closed, so that of a window that is going on there is always something waiting.
    ``begun`` is false where the group has never committed anything of the topic.
    """

    group: str
    topic: str
    messages: int
    waiting: int
    begun: bool


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


def whole_backlog(configuration: Configuration) -> list[Backlog]:
    """The backlog of all that read for us: workers, the exporters to Elasticsearch, files and mirror, recipients."""
    kafka = configuration.kafka
    others = [
        backlog(kafka, f"{kafka.prefix}-{group}", [BY_KIND[kind] for kind in dict.fromkeys(kinds)])
        for group, kinds in ((FILES, configuration.files.kinds), (MIRROR, configuration.mirror.kinds))
    ]
    return [
        *backlog(kafka, configuration.workers.group, topics_of(())),
        *backlog(kafka, f"{kafka.prefix}-{GROUP}", EXPORTED),
        *(
            each
            for recipient in configuration.recipients.send_to
            for each in backlog(kafka, group_of(kafka, recipient.name), [NOTIFICATION])
        ),
        # Everybody has settings for these: they are shown where they were at work.
        *(each for found in others if any(each.begun for each in found) for each in found),
    ]


def _of_topic(consumer: Consumer, group: str, name: str, numbers: Sequence[int]) -> Backlog:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            messages = waiting = 0
            begun = False
            for each in consumer.committed([TopicPartition(name, number) for number in numbers], timeout=_TIMEOUT):
                first, end = consumer.get_watermark_offsets(each, timeout=_TIMEOUT)
                messages += end - first
                waiting += max(end - max(each.offset, first), 0)
                begun |= each.offset >= 0
        except KafkaException as error:
            # A broker that has just started, or a topic just made, has to be asked more than once.
            if time.monotonic() >= deadline:
                reason = error.args[0].str()
                raise TaplineError(f"cannot read the offsets of {group} ({reason}): see `tapline doctor`") from error
            time.sleep(_BETWEEN_TRIES)
        else:
            return Backlog(group=group, topic=name, messages=messages, waiting=waiting, begun=begun)
