"""What each component may do in Kafka: as few rights as it needs, given as access lists, and looked up at its start.

A right that follows from another is not named: who may read or write a topic may describe it, who may read as a
group may describe that, and who may write under a transactional id too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from msgspec import Struct
from msgspec.structs import replace

from topics.admin import Operation, allowed_on, allowed_to, connect
from topics.catalog import (
    ALERT_STATE,
    CAPTURED,
    CATALOG,
    COUNTER,
    DEAD,
    MESSAGE,
    NOTIFICATION,
    POLICY,
    UNMARKED,
    Topic,
)
from topics.dead_letters import EXPORTER, FILES, MIRROR, RECIPIENT
from topics.errors import TaplineError
from topics.refusals import who
from topics.resending import SENT_AGAIN
from topics.settings import KafkaSettings

Kind = Literal["topic", "group", "transactional id"]

PROMETHEUS: Final = "exporter-prometheus"
"""The group of the exporter to Prometheus, after the prefix of the topics."""

_TIMEOUT: Final = 20.0
_OPERATIONS: Final = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
_KINDS: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}


class Right(Struct, frozen=True):
    """What may be done with one topic, group or transactional id, or, where ``prefixed``, with all that begin so."""

    kind: Kind
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{' and '.join(self.operations)} on the {self.kind} {self.name}{'*' if self.prefixed else ''}"


def of_setup(kafka: KafkaSettings) -> list[Right]:
    """Those of `tapline topics create` and `verify`."""
    operations: tuple[Operation, ...] = ("Create", "Describe", "DescribeConfigs")
    return [Right("topic", f"{kafka.prefix}.", operations, prefixed=True), _looking(f"{kafka.prefix}-admin")]


def of_capture(kafka: KafkaSettings, topics: Sequence[Topic] = (*CAPTURED, *UNMARKED)) -> list[Right]:
    """Those of a capture node: it may write, and nothing else."""
    return _on(kafka, topics, "Write")


def of_capture_reading_back(kafka: KafkaSettings) -> list[Right]:
    """Those of a capture node that sees after a restart what the one before has published: live, or following files."""
    return [*_on(kafka, (*CAPTURED, *UNMARKED), "Read", "Write"), _looking(f"{kafka.prefix}-read-back")]


def of_worker(kafka: KafkaSettings, group: str) -> list[Right]:
    """Those of a worker whose consumer groups begin with ``group``: all topics are its, but it sets no policy."""
    written = [topic for topic in CATALOG if topic is not POLICY]
    own = [f"{kafka.prefix}-{name}" for name in ("message", "policy", "store")]
    return [
        *_on(kafka, written, "Read", "Write", "DescribeConfigs"),
        *_on(kafka, [POLICY], "Read", "DescribeConfigs"),
        Right("group", group, ("Read",), prefixed=True),
        *map(_looking, own),
    ]


def of_exporter(kafka: KafkaSettings, name: str, topics: Iterable[Topic]) -> list[Right]:
    """Those of an exporter that reads these topics as the group ``name`` and writes dead letters."""
    read = [topic for topic in topics if topic is not DEAD]
    return [
        *_on(kafka, read, "Read"),
        Right("topic", DEAD.name(kafka.prefix), ("Read", "Write") if DEAD in topics else ("Write",)),
        Right("group", f"{kafka.prefix}-{name}", ("Read",)),
    ]


def of_elasticsearch(kafka: KafkaSettings, topics: Iterable[Topic]) -> list[Right]:
    """Those of the exporter to Elasticsearch."""
    return of_exporter(kafka, EXPORTER, list(topics))


def of_files(kafka: KafkaSettings, topics: Iterable[Topic]) -> list[Right]:
    """Those of the exporter to files."""
    return of_exporter(kafka, FILES, list(topics))


def of_mirror(kafka: KafkaSettings, topics: Iterable[Topic], prefix: str, instance: str) -> list[Right]:
    """Those of the mirror, whose own topics begin with ``prefix``."""
    return [
        *of_exporter(kafka, MIRROR, list(topics)),
        Right("topic", f"{prefix}.", ("Create", "Write", "DescribeConfigs"), prefixed=True),
        Right("transactional id", f"{kafka.prefix}-{MIRROR}-{instance}", ("Write",)),
    ]


def of_prometheus(kafka: KafkaSettings) -> list[Right]:
    """Those of the exporter to Prometheus, which commits nothing."""
    return [*_on(kafka, [COUNTER], "Read"), _looking(f"{kafka.prefix}-{PROMETHEUS}")]


def of_recipients(kafka: KafkaSettings, names: Iterable[str] = ()) -> list[Right]:
    """Those of the recipients of alerts, each a group of its own; of all that there may be where none is named."""
    group = f"{kafka.prefix}-{RECIPIENT}"
    return [
        *_on(kafka, [NOTIFICATION, POLICY], "Read"),
        *_on(kafka, [DEAD], "Write"),
        *(
            [Right("group", group + name, ("Read",)) for name in names]
            or [Right("group", group, ("Read",), prefixed=True)]
        ),
        _looking(f"{kafka.prefix}-pools"),
    ]


def of_console(kafka: KafkaSettings, group: str) -> list[Right]:
    """Those of the console, which acknowledges, excludes, releases and sends dead letters again, and shows the rest."""
    read = (ALERT_STATE, DEAD, MESSAGE, NOTIFICATION, POLICY)
    # Releases go to the alerts, which are sent again as well.
    written = (POLICY, *SENT_AGAIN)
    return [
        *_on(kafka, [topic for topic in CATALOG if topic not in (*read, *written)], "Describe"),
        *_on(kafka, [topic for topic in read if topic not in written], "Read"),
        *_on(kafka, [topic for topic in written if topic not in read], "Write"),
        *_on(kafka, [topic for topic in read if topic in written], "Read", "Write"),
        Right("group", f"{kafka.prefix}-", ("Describe",), prefixed=True),
        Right("group", group, ("Describe",), prefixed=True),
    ]


def of_reader(kafka: KafkaSettings, group: str) -> list[Right]:
    """Those of a person who looks: topics, lag, alerts, dead letters."""
    return [
        Right("topic", f"{kafka.prefix}.", ("Read", "DescribeConfigs"), prefixed=True),
        Right("group", f"{kafka.prefix}-", ("Describe",), prefixed=True),
        Right("group", group, ("Describe",), prefixed=True),
    ]


def of_operator(kafka: KafkaSettings, group: str) -> list[Right]:
    """Those of a person who also sets the policy, releases alerts, sends dead letters again and backfills."""
    return [
        Right("topic", f"{kafka.prefix}.", ("Read", "Write", "DescribeConfigs"), prefixed=True),
        Right("group", f"{kafka.prefix}-", ("Describe",), prefixed=True),
        Right("group", group, ("Describe",), prefixed=True),
    ]


def require(kafka: KafkaSettings, component: str, rights: Sequence[Right]) -> None:
    """See at the start of a component that it has these rights; :class:`TaplineError` names each that is missing.

    Who is nobody to Kafka, without a password and a certificate, is not looked up. What Kafka does not tell
    beforehand, as rights on transactional ids and to create, is told when it is used.
    """
    if not kafka.has_password and not (kafka.has_tls and kafka.certificate_file):
        return
    admin, _ = connect(kafka)
    missing = list(_missing(admin, rights))
    if missing:
        raise TaplineError(
            f"{who(kafka)} lacks rights of {component}: {', '.join(map(str, missing))}: have Kafka's"
            f" administrator run `tapline topics rights --grant {component}={_principal(kafka)}`"
        )


def grant(kafka: KafkaSettings, rights: Iterable[tuple[str, Right]]) -> int:
    """Give users, as ``User:name``, these rights, and wait until Kafka has them; how many operations were given.

    What they had stays. :class:`TaplineError` where one may not do that, or the cluster has no access lists.
    """
    admin, _ = connect(kafka)
    bindings = [
        AclBinding(
            _KINDS[right.kind],
            right.name,
            ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
            user,
            "*",
            _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for user, right in rights
        for operation in right.operations
    ]
    for future in admin.create_acls(bindings, request_timeout=_TIMEOUT).values():
        try:
            future.result()
        except KafkaException as error:
            raise TaplineError(_not_granted(kafka, error.args[0])) from error
    return len(bindings)


def _on(kafka: KafkaSettings, topics: Iterable[Topic], *operations: Operation) -> list[Right]:
    return [Right("topic", topic.name(kafka.prefix), operations) for topic in topics]


def _looking(group: str) -> Right:
    """A consumer that joins no group asks for one nevertheless."""
    return Right("group", group, ("Describe",))


def _missing(admin: AdminClient, rights: Sequence[Right]) -> Iterator[Right]:
    """What of these rights Kafka says this user has not."""
    topics = [right.name for right in rights if right.kind == "topic" and not right.prefixed]
    groups = [right.name for right in rights if right.kind == "group"]
    allowed = {"topic": allowed_on(admin, topics), "group": allowed_to(admin, groups)}
    for right in rights:
        may = allowed.get(right.kind, {}).get(right.name)
        missing = tuple(each for each in right.operations if may is not None and each not in may)
        if missing:
            yield replace(right, operations=missing)


def _principal(kafka: KafkaSettings) -> str:
    return f"User:{kafka.username}" if kafka.has_password else "User:NAME"


def _not_granted(kafka: KafkaSettings, error: KafkaError) -> str:
    if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
        return f"{who(kafka)} may not give rights: it has no right to Alter on the cluster: be Kafka's administrator"
    if error.code() == KafkaError.SECURITY_DISABLED:
        return (
            f"Kafka at {kafka.bootstrap} has no access lists: set authorizer.class.name in the brokers' configuration"
        )
    return f"Kafka at {kafka.bootstrap} does not give the rights: {error.str()}"
