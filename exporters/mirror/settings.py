"""Which records are mirrored, and what the messages look like."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Kind = Literal["flow", "resource", "document", "alert", "notification", "counter", "track", "annotation", "dead"]


class MirrorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``mirror:`` block: what ``tapline export mirror`` copies.

    The topic of a kind is ``prefix`` and the kind, as ``tapline.mirror.flow``; without a ``prefix`` it is that of
    ``kafka`` and ``.mirror``. A missing topic is made with as many partitions as its source has. ``key`` is the
    message's key: the record's own ``id``, or the ``flow_id`` or ``community_id`` of a record that has one, which
    brings what is of one flow into one partition. ``form`` is ``record`` (as in the topics) or ``ecs`` (as in
    Elasticsearch). Several processes share the work, each with an ``instance`` of its own.
    """

    prefix: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{0,200}$")] = ""
    kinds: list[Kind] = field(default_factory=lambda: ["flow", "resource", "document", "notification"])
    key: Literal["id", "flow_id", "community_id"] = "id"
    form: Literal["record", "ecs"] = "record"
    instance: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = "1"
    metrics_port: Annotated[int, Meta(ge=-1, le=65_535, description="0 takes a free port, -1 serves nothing.")] = 9107
