"""How much of what is in Kafka has not been worked on yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct
from msgspec.structs import replace

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
_LOOKING: Final = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    # One message of a partition is all that is wanted.
    "fetch.message.max.bytes": 1,
    "queued.min.messages": 1,
    "log_level": 0,
}


class Backlog(Struct, frozen=True):
    """What a consumer group has before it in one topic.

    ``messages`` are in the topic, ``waiting`` of them after what the group has committed. Workers commit
    a window when it is closed, so that of a window that is going on there is always something waiting.
    ``begun`` is false where the group has never committed anything of the topic. ``oldest_seconds`` is how long ago
    Kafka took the oldest message that waits, ``None`` where none does, or where that was not asked for.
    """

    group: str
    topic: str
    messages: int
    waiting: int
    begun: bool
    oldest_seconds: float | None = None


class _Found(Struct):
    """A topic's backlog, and the first message that waits in each partition where one does."""

    backlog: Backlog
    firsts: list[TopicPartition]


def backlog(settings: KafkaSettings, group: str, topics: Sequence[Topic], *, ages: bool = False) -> list[Backlog]:
    """The backlog of a group in each of these topics; topics that do not exist have none.

    With ``ages`` the oldest message that waits is looked at, which takes longer and needs the right to read the topic.
    """
    _, metadata = connect(settings)
    names = [topic.name(settings.prefix) for topic in topics if topic.name(settings.prefix) in metadata.topics]
    # A consumer that never joins is asked: the admin client's ListOffsets crashes on new topics (confluent-kafka 2.16).
    consumer = Consumer(settings.client() | {"group.id": group, **_LOOKING})
    try:
        found = [_of_topic(consumer, group, name, list(metadata.topics[name].partitions)) for name in names]
        taken = _taken(consumer, [first for each in found for first in each.firsts]) if ages else {}
    finally:
        consumer.close()
    now = time.time()
    return [
        replace(each.backlog, oldest_seconds=max(0.0, now - taken[each.backlog.topic]))
        if each.backlog.topic in taken
        else each.backlog
        for each in found
    ]


def whole_backlog(configuration: Configuration, *, ages: bool = False) -> list[Backlog]:
    """The backlog of all that read for us: workers, the exporters to Elasticsearch, files and mirror, recipients.

    The exporter to Prometheus commits nothing: it has its lag in its own metrics alone.
    """
    kafka = configuration.kafka
    others = [
        backlog(kafka, f"{kafka.prefix}-{group}", [BY_KIND[kind] for kind in dict.fromkeys(kinds)], ages=ages)
        for group, kinds in ((FILES, configuration.files.kinds), (MIRROR, configuration.mirror.kinds))
    ]
    return [
        *backlog(kafka, configuration.workers.group, topics_of(()), ages=ages),
        *backlog(kafka, f"{kafka.prefix}-{GROUP}", EXPORTED, ages=ages),
        *(
            each
            for recipient in configuration.recipients.send_to
            for each in backlog(kafka, group_of(kafka, recipient.name), [NOTIFICATION], ages=ages)
        ),
        # Everybody has settings for these: they are shown where they were at work.
        *(each for found in others if any(each.begun for each in found) for each in found),
    ]


def _of_topic(consumer: Consumer, group: str, name: str, numbers: Sequence[int]) -> _Found:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            messages = waiting = 0
            begun = False
            firsts = []
            for each in consumer.committed([TopicPartition(name, number) for number in numbers], timeout=_TIMEOUT):
                first, end = consumer.get_watermark_offsets(each, timeout=_TIMEOUT)
                messages += end - first
                begins = max(each.offset, first)
                waiting += max(end - begins, 0)
                begun |= each.offset >= 0
                if begins < end:
                    firsts.append(TopicPartition(name, each.partition, begins))
        except KafkaException as error:
            # A broker that has just started, or a topic just made, has to be asked more than once.
            if time.monotonic() >= deadline:
                reason = error.args[0].str()
                raise TaplineError(f"cannot read the offsets of {group} ({reason}): see `tapline doctor`") from error
            time.sleep(_BETWEEN_TRIES)
        else:
            found = Backlog(group=group, topic=name, messages=messages, waiting=waiting, begun=begun)
            return _Found(found, firsts)


def _taken(consumer: Consumer, firsts: list[TopicPartition]) -> dict[str, float]:
    """When Kafka took the oldest of these messages, by topic, in epoch seconds; topics that do not answer lack."""
    taken: dict[str, float] = {}
    open_places = {(each.topic, each.partition) for each in firsts}
    consumer.assign(firsts)
    deadline = time.monotonic() + _TIMEOUT
    while open_places and (left := deadline - time.monotonic()) > 0:
        message = consumer.poll(left)
        if message is None:
            continue
        name, error = message.topic() or "", message.error()
        if error is None:
            taken[name] = min(taken.get(name, inf), message.timestamp()[1] / 1000)
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public constant
            # The end is told where all that waits is what transactions leave behind.
            open_places.discard((name, message.partition()))
        else:
            # As where one may see how many messages there are, and not read them.
            open_places = {place for place in open_places if place[0] != name}
    return taken
