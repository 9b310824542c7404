"""How to reach Elasticsearch, how to write to it, and how long it keeps what was written."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0, description="Seconds.")]
Port = Annotated[int, Meta(ge=-1, le=65535, description="0 takes a free port, -1 serves nothing.")]
Days = Annotated[int, Meta(ge=1, le=36500, description="Days.")]
Kept = Literal["alert", "annotation", "counter", "dead", "document", "flow", "resource", "track"]
"""The data streams, by the part of their names after ``tapline.``."""

DEFAULT_HOSTS: Final = ("http://127.0.0.1:9200",)


class LifecycleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``elasticsearch.lifecycle:`` block: when a data stream begins a new index, and how long old ones stay.

    A new index is begun when the newest is ``rollover_days`` old or its primary shards have ``rollover_gigabytes``
    each. An index that is written to no more is made read-only and merged after ``warm_days``, and deleted after
    ``delete_days``; ``delete_days_of`` says it for single data streams, as ``flow: 30``. What is not set is not
    done: without ``delete_days`` everything is kept. Where the server has index lifecycle management, ``tapline
    export setup`` gives it this as policies; where it has not, ``tapline export prune`` rolls over and deletes, and
    there is no warm phase.
    """

    rollover_days: Days = 7
    rollover_gigabytes: Annotated[int, Meta(ge=1)] = 40
    warm_days: Days | None = None
    delete_days: Days | None = None
    delete_days_of: dict[Kept, Days] = field(default_factory=dict)

    def __post_init__(self) -> None:
        deleted = [days for days in (self.delete_days, *self.delete_days_of.values()) if days is not None]
        if self.warm_days is not None and deleted and min(deleted) <= self.warm_days:
            raise ValueError(f"warm_days ({self.warm_days}) has to be less than delete_days ({min(deleted)})")

    def delete_days_for(self, kind: str) -> int | None:
        """After how many days an index of this data stream is deleted, ``None`` for never."""
        return next((days for name, days in self.delete_days_of.items() if name == kind), self.delete_days)


class ElasticsearchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``elasticsearch:`` block.

    ``hosts`` are URLs, several of one cluster share the work; ``cloud_id`` stands in place of them. With ``sniff`` the
    cluster is asked for its other nodes. Credentials are one of ``user`` and ``password``, ``api_key`` (its encoded
    form) and ``bearer_token``; the secret may be in a file instead, as its first line: ``password_file``,
    ``api_key_file``, ``bearer_token_file``. ``ca_file`` is the CA that signed the servers' certificates,
    ``certificate_fingerprint`` the SHA-256 of the server's own certificate, in hex; ``verify`` false accepts any.
    ``namespace`` is the last part of the data streams' names. A bulk is sent when it is as large as
    the server bears, at most ``bulk_bytes`` or ``bulk_documents``, at the latest ``flush_seconds``
    after its first document; ``bulks_in_flight`` are sent at a time, and one that has no answer after
    ``timeout`` is sent again. ``compress`` spends processor time to save network. ``start_timeout``
    is how long to try to reach Kafka and Elasticsearch at start.
    """

    hosts: list[str] = field(default_factory=lambda: [*DEFAULT_HOSTS])
    cloud_id: str = ""
    sniff: bool = False
    user: str = ""
    password: str = ""
    password_file: str = ""
    api_key: str = ""
    api_key_file: str = ""
    bearer_token: str = ""
    bearer_token_file: str = ""
    ca_file: str = ""
    certificate_fingerprint: Annotated[str, Meta(pattern=r"^(([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})?$")] = ""
    verify: bool = True
    namespace: Annotated[str, Meta(pattern=r"^[a-z0-9_.]{1,100}$")] = "default"
    shards: Annotated[int, Meta(ge=1)] = 1
    replicas: Annotated[int, Meta(ge=0)] = 0
    lifecycle: LifecycleSettings = field(default_factory=LifecycleSettings)
    bulk_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    bulk_documents: Annotated[int, Meta(ge=1)] = 5000
    bulks_in_flight: Annotated[int, Meta(ge=1, le=10)] = 4
    flush_seconds: Seconds = 1.0
    timeout: Seconds = 60.0
    start_timeout: Seconds = 10.0
    compress: bool = False
    metrics_port: Port = 9103
