"""How to reach Elasticsearch and how to write to it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0, description="Seconds.")]
Port = Annotated[int, Meta(ge=-1, le=65535, description="0 takes a free port, -1 serves nothing.")]


class ElasticsearchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``elasticsearch:`` block.

    ``hosts`` are URLs. Credentials are either ``user`` and ``password`` or ``api_key`` (its encoded
    form). ``ca_file`` is the CA that signed the servers' certificates; ``verify`` false accepts any.
    ``namespace`` is the last part of the data streams' names. A bulk is sent when it holds
    ``bulk_bytes`` or ``bulk_documents``, at the latest ``flush_seconds`` after its first document;
    one that has no answer after ``timeout`` is sent again. ``compress`` spends processor time to save
    network. ``start_timeout`` is how long to try to reach Kafka and Elasticsearch at start.
    """

    hosts: list[str] = field(default_factory=lambda: ["http://127.0.0.1:9200"])
    user: str = ""
    password: str = ""
    api_key: str = ""
    ca_file: str = ""
    verify: bool = True
    namespace: Annotated[str, Meta(pattern=r"^[a-z0-9_.]{1,100}$")] = "default"
    shards: Annotated[int, Meta(ge=1)] = 1
    replicas: Annotated[int, Meta(ge=0)] = 0
    bulk_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    bulk_documents: Annotated[int, Meta(ge=1)] = 5000
    flush_seconds: Seconds = 1.0
    timeout: Seconds = 60.0
    start_timeout: Seconds = 10.0
    compress: bool = False
    metrics_port: Port = 9103
