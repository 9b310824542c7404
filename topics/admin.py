"""Creating and checking the topics in Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, NewTopic, ResourceType
from msgspec import Struct

from topics.catalog import CATALOG, Topic
from topics.errors import TaplineError
from topics.refusals import is_final, lacking, refused, unreachable
from topics.settings import KafkaSettings

_TIMEOUT: Final = 10.0
_TRY_TIMEOUT: Final = 2.5
_GROUPS_TIMEOUT: Final = 3.0
"""A refusal comes at once; on a cluster that never had a group everything else waits until the first one is made."""

_REFUSALS: Final = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
_SERVED_TIMEOUT: Final = 60.0
_BETWEEN_TRIES: Final = 0.1


Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
"""What may be done with a topic, as Kafka calls it."""


class TopicState(Struct, kw_only=True):
    """One topic as it should be and as it is; ``problem`` is empty when they agree."""

    name: str
    purpose: str
    exists: bool
    partitions: int
    replication: int
    problem: str = ""


def connect(settings: KafkaSettings) -> tuple[AdminClient, ClusterMetadata]:
    """Reach the cluster, or say in one line what to do."""
    errors: list[KafkaError] = []
    try:
        admin = AdminClient({**settings.client(), "log_level": "0", "error_cb": errors.append})  # type: ignore[dict-item]
    except KafkaException as error:
        raise TaplineError(f"the settings of kafka: cannot be used: {error.args[0].str()}") from error
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return admin, admin.list_topics(timeout=_TRY_TIMEOUT)
        except KafkaException as error:
            # Only while it is polled does the client tell why it has no connection.
            admin.poll(0)
            if is_final(errors) or time.monotonic() > deadline:
                reason = error.args[0].str() if error.args else str(error)
                raise TaplineError(unreachable(settings, reason, errors)) from error


def require_topics(
    settings: KafkaSettings,
    admin: AdminClient,
    metadata: ClusterMetadata,
    names: Iterable[str],
    operation: Operation = "Describe",
) -> None:
    """Raise :class:`TaplineError` where one of these topics is not there, or this may not be done with it."""
    wanted = list(names)
    missing = [name for name in wanted if name not in metadata.topics]
    if not missing:
        # What is in the list may be described.
        asked = wanted if operation != "Describe" else []
        refusing = [name for name, allowed in allowed_on(admin, asked).items() if operation not in allowed]
        if refusing:
            raise TaplineError(lacking(settings, f"{operation} on the topic {', '.join(refusing)}"))
        return
    # Topics that one has no right to are left out of the list; asked for by name, Kafka says which they are.
    hidden = [name for name in missing if is_hidden(admin, name)]
    if hidden:
        raise TaplineError(lacking(settings, f"Describe on the topic {', '.join(hidden)}"))
    raise TaplineError(f"Kafka has no topic {', '.join(missing)}: run `tapline topics create`")


def allowed_on(admin: AdminClient, names: Sequence[str]) -> dict[str, list[str]]:
    """What this user may do with each of these topics; those that Kafka says nothing of are left out."""
    if not names:
        return {}
    asked = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_TIMEOUT
    )
    return {name: allowed for name, future in asked.items() if (allowed := _allowed(future)) is not None}


def allowed_to(admin: AdminClient, groups: Sequence[str]) -> dict[str, list[str]]:
    """What this user may do as each of these consumer groups; those that Kafka says nothing of are left out."""
    if not groups:
        return {}
    asked = admin.describe_consumer_groups(
        list(groups), include_authorized_operations=True, request_timeout=_GROUPS_TIMEOUT
    )
    return {name: allowed for name, future in asked.items() if (allowed := _allowed(future)) is not None}


def _allowed(future: Future[Any]) -> list[str] | None:
    try:
        allowed = future.result().authorized_operations
    except KafkaException as error:
        # A topic that is not there, or a broker that is not: whoever uses it says so.
        return [] if error.args[0].code() in _REFUSALS else None
    # Kafka before 2.3 does not tell.
    return [operation.name.title().replace("_", "") for operation in allowed] if allowed else None


def is_hidden(admin: AdminClient, name: str) -> bool:
    """Whether a topic, be it there or not, may not even be seen by this user."""
    problem = admin.list_topics(name, timeout=_TIMEOUT).topics[name].error
    return problem is not None and problem.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def wanted_partitions(topic: Topic, settings: KafkaSettings) -> int:
    """How many partitions a topic should have under these settings."""
    return topic.partitions or settings.partitions


def partition_counts(settings: KafkaSettings) -> dict[str, int]:
    """How many partitions the topic of each kind has in the cluster; topics that are missing are left out."""
    _, metadata = connect(settings)
    names = {topic.kind: topic.name(settings.prefix) for topic in CATALOG}
    return {kind: len(metadata.topics[name].partitions) for kind, name in names.items() if name in metadata.topics}


def create(settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing and return their names; those that exist are left as they are."""
    admin, metadata = connect(settings)
    missing = [topic for topic in CATALOG if topic.name(settings.prefix) not in metadata.topics]
    if not missing:
        return []
    futures: dict[str, Future[None]] = admin.create_topics(
        [
            NewTopic(
                topic.name(settings.prefix),
                num_partitions=wanted_partitions(topic, settings),
                replication_factor=settings.replication,
                config=configuration_of(topic),
            )
            for topic in missing
        ],
        operation_timeout=_TIMEOUT,
    )
    created = []
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise TaplineError(
                    f"cannot create topic {name}: {refused(settings, error.args[0], 'Create', name)}"
                ) from error
        else:
            created.append(name)
    _wait_until_served(settings, {topic.name(settings.prefix): wanted_partitions(topic, settings) for topic in missing})
    return created


def _wait_until_served(settings: KafkaSettings, wanted: dict[str, int]) -> None:
    """Wait until every partition of new topics answers.

    A topic is there before its partitions are served. A producer that is refused at first and has
    several requests under way would then have them written out of order, or take one for a duplicate.
    """
    consumer = Consumer(settings.client() | {"group.id": f"{settings.prefix}-admin", "log_level": 0})
    deadline = time.monotonic() + _SERVED_TIMEOUT
    try:
        for name, partitions in wanted.items():
            for number in range(partitions):
                _wait_until_answered(consumer, TopicPartition(name, number), deadline)
    finally:
        consumer.close()


def _wait_until_answered(consumer: Consumer, partition: TopicPartition, deadline: float) -> None:
    while True:
        try:
            consumer.get_watermark_offsets(partition, timeout=_TIMEOUT)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TaplineError(
                    f"topic {partition.topic} was created and is not served yet ({error.args[0].str()}):"
                    " see the brokers' logs, then run `tapline topics verify`"
                ) from error
            time.sleep(_BETWEEN_TRIES)
        else:
            return


def states(settings: KafkaSettings) -> list[TopicState]:
    """Every topic of the catalog as it is in Kafka, with what is wrong with it."""
    admin, metadata = connect(settings)
    found = []
    for topic in CATALOG:
        name = topic.name(settings.prefix)
        there = metadata.topics.get(name)
        if there is None:
            found.append(
                TopicState(
                    name=name,
                    purpose=topic.purpose,
                    exists=False,
                    partitions=0,
                    replication=0,
                    problem="not to be seen by this user: see `tapline topics rights`"
                    if is_hidden(admin, name)
                    else "missing: run `tapline topics create`",
                )
            )
            continue
        partitions = len(there.partitions)
        replication = min((len(p.replicas) for p in there.partitions.values()), default=0)
        found.append(
            TopicState(
                name=name,
                purpose=topic.purpose,
                exists=True,
                partitions=partitions,
                replication=replication,
                problem=_problem(topic, settings, partitions, replication, _cleanup_policy(settings, admin, name)),
            )
        )
    return found


def verify(settings: KafkaSettings) -> None:
    """Raise :class:`TaplineError` naming the first topic that is missing or other than it should be."""
    for state in states(settings):
        if state.problem:
            raise TaplineError(f"topic {state.name} is {state.problem}")


def _problem(topic: Topic, settings: KafkaSettings, partitions: int, replication: int, cleanup: str) -> str:
    wanted = wanted_partitions(topic, settings)
    if partitions != wanted:
        return f"of {partitions} partitions, not {wanted}: set kafka.partitions to {partitions}, or see docs/how-to"
    if replication < settings.replication:
        return f"replicated {replication} times, not {settings.replication}: raise it with kafka-reassign-partitions"
    if ("compact" in cleanup) != topic.compacted:
        return f"kept with cleanup.policy={cleanup}: set it to {configuration_of(topic)['cleanup.policy']}"
    return ""


def _cleanup_policy(settings: KafkaSettings, admin: AdminClient, name: str) -> str:
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        entries = admin.describe_configs([resource], request_timeout=_TIMEOUT)[resource].result()
    except KafkaException as error:
        why = refused(settings, error.args[0], "DescribeConfigs", name)
        raise TaplineError(f"cannot see how topic {name} is kept: {why}") from error
    return str(entries["cleanup.policy"].value)


def configuration_of(topic: Topic) -> dict[str, str]:
    """How Kafka is to keep a topic, in Kafka's own names."""
    common = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(8 * 1024 * 1024)}
    if topic.compacted:
        # An older value is needed until the commit that makes it the older one; segments end so that compaction comes.
        lag = {"min.compaction.lag.ms": str(60 * 60 * 1000), "segment.ms": str(30 * 60 * 1000)}
        return common | {"cleanup.policy": "compact"} | lag
    return common | {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
