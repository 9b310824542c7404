"""Where the local engines live and what they may use."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535, description="A TCP port on 127.0.0.1; 0 takes a free one at every start.")]
HeapMegabytes = Annotated[int, Meta(ge=128, le=65536, description="Largest Java heap in MiB.")]
Seconds = Annotated[float, Meta(gt=0, description="Seconds.")]


class ServicesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``services:`` block: Kafka and Elasticsearch run by ``tapline up`` on this machine.

    ``folder`` holds their data, logs and process records; a relative path counts from the current
    directory. The engines themselves are kept once for a user (see ``tapline.services.cache``).
    ``start_timeout`` and ``stop_timeout`` hold for each engine; after ``stop_timeout`` it is killed.
    """

    folder: str = ".tapline"
    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    kafka_heap: HeapMegabytes = 384
    elasticsearch_port: Port = 9200
    elasticsearch_transport_port: Port = 9300
    elasticsearch_heap: HeapMegabytes = 512
    start_timeout: Seconds = 120.0
    stop_timeout: Seconds = 30.0
