"""What `tapline doctor` looks at in Kafka."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, ResourceType

from tapline.commands.finding import Finding, problem
from tapline.configuration import Configuration
from topics.admin import configuration_of, connect, states
from topics.catalog import CATALOG
from topics.errors import TaplineError

_SECONDS: Final = 3.0
_LEAST_RETENTION_MS: Final = 3_600_000
"""Workers read windows again that were open, and those of nodes that are behind."""

_SAFE_REPLICATION: Final = 3


def kafka(configuration: Configuration) -> Iterator[Finding]:
    """Whether Kafka is there, can be reached as it says, and its topics are as they should be."""
    settings = configuration.kafka
    try:
        admin, metadata = connect(settings)
    except TaplineError as error:
        yield problem("kafka.bootstrap", error)
        return
    yield Finding("kafka.bootstrap", "ok", f"{settings.bootstrap} answers")
    unreachable = list(_brokers(metadata))
    if unreachable:
        # What is asked of them would not be answered either.
        yield from unreachable
        return
    topics = states(settings)
    wrong = [topic for topic in topics if topic.problem]
    for topic in wrong:
        finding, _, fix = topic.problem.partition(": ")
        yield Finding(f"topic {topic.name}", "problem", finding, fix)
    if not wrong:
        yield Finding("topics", "ok", f"{len(topics)}, all as they should be")
    ours = {topic.name: metadata.topics[topic.name] for topic in topics if topic.name in metadata.topics}
    headless = sum(part.leader < 0 for topic in ours.values() for part in topic.partitions.values())
    behind = sum(len(part.isrs) < len(part.replicas) for topic in ours.values() for part in topic.partitions.values())
    if headless:
        yield Finding(
            "partitions", "problem", f"{headless} have no broker that serves them", "start the broker that is missing"
        )
    elif behind:
        finding = f"{behind} have fewer copies than they should"
        yield Finding(
            "partitions", "warning", finding, "start the broker that is missing, or wait until it has caught up"
        )
    if len(metadata.brokers) >= _SAFE_REPLICATION and settings.replication == 1:
        yield Finding(
            "kafka.replication",
            "warning",
            f"1, though there are {len(metadata.brokers)} brokers: what is on one that is lost is lost",
            "set it to 3 and raise the topics' with kafka-reassign-partitions",
        )
    yield from _kept(admin, list(ours))


def _brokers(metadata: ClusterMetadata) -> Iterator[Finding]:
    """Whether the brokers can be reached at the addresses that they tell clients."""
    for number, broker in sorted(metadata.brokers.items()):
        try:
            socket.create_connection((broker.host, broker.port), _SECONDS).close()
        except OSError as error:
            yield Finding(
                f"kafka broker {number}",
                "problem",
                f"tells clients to go to {broker.host}:{broker.port}, and there it cannot be reached"
                f" ({error.strerror or error})",
                "set the broker's advertised.listeners to an address that this machine can reach",
            )


def _kept(admin: AdminClient, names: list[str]) -> Iterator[Finding]:
    """Whether Kafka keeps what the topics need."""
    if not names:
        return
    wanted = {f".{topic.kind}.v{topic.version}": configuration_of(topic) for topic in CATALOG}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    for resource, future in asked.items():
        has = {name: entry.value for name, entry in future.result(_SECONDS).items()}
        should = next(each for end, each in wanted.items() if resource.name.endswith(end))
        size, least = int(has["max.message.bytes"]), int(should["max.message.bytes"])
        if size < least:
            yield Finding(
                f"topic {resource.name}",
                "problem",
                f"takes messages of {size:,} bytes and no larger ones",
                f"set its max.message.bytes to {least}",
            )
        kept = int(has["retention.ms"])
        if "delete" in str(has["cleanup.policy"]) and 0 <= kept < _LEAST_RETENTION_MS:
            yield Finding(
                f"topic {resource.name}",
                "problem",
                f"keeps records for {kept / 60_000:.0f} minutes: workers that are behind lose them",
                f"set its retention.ms to {should.get('retention.ms', _LEAST_RETENTION_MS)}",
            )
