"""The topics that are mirrored to: made where they are missing, and how large a message each takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from topics.catalog import Topic
from topics.errors import TaplineError
from topics.refusals import refused
from topics.settings import KafkaSettings

TIMEOUT: Final = 30.0
_PAUSE: Final = 0.2
MAX_BYTES: Final = 8 * 1024 * 1024
"""The largest message of a topic made here, and of any: what is larger is not mirrored."""

_LIMIT: Final = "max.message.bytes"


def create(
    kafka: KafkaSettings,
    admin: AdminClient,
    targets: Mapping[str, Topic],
    partitions: Mapping[str, int],
    existing: set[str],
) -> None:
    """Make those of the targets that do not exist, each with its source's retention and so many ``partitions``.

    :class:`TaplineError` where Kafka refuses that.
    """
    wanted = [
        NewTopic(
            name,
            num_partitions=partitions[name],
            replication_factor=kafka.replication,
            config={_LIMIT: str(MAX_BYTES), "retention.ms": str(source.retention_ms)},
        )
        for name, source in targets.items()
        if name not in existing
    ]
    for name, future in (admin.create_topics(wanted, operation_timeout=TIMEOUT) if wanted else {}).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                why = refused(kafka, error.args[0], "Create", name)
                raise TaplineError(f"cannot create topic {name}: {why}") from error


def largest_messages(admin: AdminClient, names: Iterable[str]) -> dict[str, int]:
    """How many bytes a message of each topic may have, at most ``MAX_BYTES``.

    A topic that somebody else has made may take less than the others, and a broker may hear of one that was just
    made a moment later than its controller. :class:`TaplineError` where Kafka does not tell.
    """
    found: dict[str, int] = {}
    wanted = list(names)
    deadline = time.monotonic() + TIMEOUT
    while wanted:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
        wanted = []
        for resource, future in admin.describe_configs(resources, request_timeout=TIMEOUT).items():
            try:
                found[resource.name] = min(MAX_BYTES, int(future.result()[_LIMIT].value))
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART and time.monotonic() < deadline:
                    wanted.append(resource.name)
                    continue
                raise TaplineError(
                    f"cannot see how large a message of topic {resource.name} may be ({error.args[0].str()}):"
                    " let the user describe its configuration"
                ) from error
        if wanted:
            time.sleep(_PAUSE)
    return found
