"""The topics: their names, what they carry, and how Kafka keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from topics import records

_HOUR_MS: Final = 60 * 60 * 1000
_DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """One topic of the contract.

    ``kind`` is the record kind and the stem of the name, ``version`` the major version of its
    schema: a reader of version 1 reads whatever a later 1.x wrote. ``captured`` says that capture
    nodes publish to it and mark its windows. ``partitions`` is ``None`` where the configured number
    applies.
    """

    kind: str
    record: type[Struct]
    purpose: str
    version: int = 1
    captured: bool = False
    partitions: int | None = None
    retention_ms: int = 3 * _DAY_MS
    compacted: bool = False

    @property
    def schema(self) -> str:
        """The schema header of a message of this topic, as ``flow/1``."""
        return f"{self.kind}/{self.version}"

    def name(self, prefix: str) -> str:
        """The topic's name in Kafka, as ``tapline.flow.v1``."""
        return f"{prefix}.{self.kind}.v{self.version}"


FLOW = Topic("flow", records.Flow, "flows, once a window and at their end", captured=True)
METRIC = Topic("metric", records.Metric, "samples of counters, by group and key", captured=True)
RESOURCE = Topic("resource", records.Resource, "DNS, URLs, TLS, certificates, files", captured=True)
DOCUMENT = Topic("document", records.Document, "full text: headers, chains, dumps", captured=True)
ALERT = Topic("alert", records.Alert, "alerts of nodes and scripts", captured=True, retention_ms=14 * _DAY_MS)
PARTIAL = Topic("partial", records.Partial, "window totals per source partition, between workers")
RANKING = Topic("ranking", records.Ranking, "top lists per source partition, between workers")
COUNTER = Topic("counter", records.Metric, "window totals per group and key", retention_ms=7 * _DAY_MS)
TRACK = Topic("track", records.Track, "flow tracker snapshots", retention_ms=7 * _DAY_MS)
ANNOTATION = Topic(
    "annotation", records.Annotation, "tags, labels, attributes and edges set by scripts, labels of SNMP"
)
MESSAGE = Topic("message", records.Message, "what scripts tell each other, what workers report", retention_ms=_HOUR_MS)
NOTIFICATION = Topic(
    "notification", records.Alert, "what became of alerts: stored, raised, changed, released", retention_ms=14 * _DAY_MS
)
ALERT_STATE = Topic("alert-state", records.AlertState, "how every condition stands", compacted=True)
POLICY = Topic("policy", records.PolicyEntry, "settings of checks, rules and exclusions", partitions=1, compacted=True)
STORE = Topic("store", records.Stored, "what scripts and counters keep from one window to the next", compacted=True)
DEAD = Topic("dead", records.DeadLetter, "messages that could not be used", partitions=1, retention_ms=14 * _DAY_MS)

CATALOG: Final = (
    FLOW,
    METRIC,
    RESOURCE,
    DOCUMENT,
    ALERT,
    PARTIAL,
    RANKING,
    COUNTER,
    TRACK,
    ANNOTATION,
    MESSAGE,
    NOTIFICATION,
    ALERT_STATE,
    POLICY,
    STORE,
    DEAD,
)
"""Every topic, in the order in which the data runs."""

CAPTURED: Final = tuple(topic for topic in CATALOG if topic.captured)
"""The topics capture nodes publish to; a node marks the windows of all of them."""

UNMARKED: Final = (ANNOTATION, DEAD)
"""Topics that capture nodes publish to as well, without marking windows in them."""

BY_KIND: Final = {topic.kind: topic for topic in CATALOG}
