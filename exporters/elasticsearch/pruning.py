"""Retention where the server has no lifecycle management: rolling over, and deleting whole indices that are old."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, Literal

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from msgspec import Struct
from msgspec.structs import replace

from exporters.elasticsearch.connection import describe
from exporters.elasticsearch.documents import DOCUMENTS, index_name
from exporters.elasticsearch.server import backing_indices
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import is_current, kept_kind
from topics.errors import TaplineError

_DAY: Final = 86_400.0
_GIGABYTE: Final = 1 << 30


class Pruned(Struct, frozen=True, kw_only=True):
    """What became of one index of a data stream, or would.

    ``newest`` is the time of its newest document and ``closed`` when it was rolled over, both in seconds since the
    epoch; ``None`` where it has none, or is not rolled over.
    """

    data_stream: str
    index: str
    action: Literal["rolled over", "deleted", "kept"]
    documents: int
    size: int
    newest: float | None
    closed: float | None


def prune(
    client: Elasticsearch, settings: ElasticsearchSettings, *, dry: bool = False, now: float | None = None
) -> Iterator[Pruned]:
    """Roll over and delete as ``lifecycle`` of the settings says, one index after the other, oldest first.

    A data stream is rolled over when its newest index holds something and is old or large enough. An index is deleted
    when both its newest document and the time it was rolled over are older than ``delete_days``: a capture of last
    year that was read yesterday stays as long as what was captured yesterday. The index that is written to is never
    deleted. With ``dry`` nothing is changed. ``now`` is in seconds since the epoch.
    """
    moment = time.time() if now is None else now
    names = {index_name(kind, settings.namespace): kept_kind(kind) for kind in DOCUMENTS if not is_current(kind)}
    try:
        for name, indices in backing_indices(client, names).items():
            yield from _prune_stream(client, settings, name, indices, names[name], moment, dry=dry)
    except (ApiError, TransportError) as error:
        raise TaplineError(
            f"cannot prune ({describe(error)}): see that Elasticsearch is healthy and that the user may read, roll"
            " over and delete"
        ) from error


def _prune_stream(
    client: Elasticsearch,
    settings: ElasticsearchSettings,
    name: str,
    indices: list[str],
    kind: str,
    now: float,
    *,
    dry: bool,
) -> Iterator[Pruned]:
    # What was written last has to be seen too.
    client.indices.refresh(index=name)
    began = _creation_times(client, indices)
    days = settings.lifecycle.delete_days_for(kind)
    oldest_kept = now - days * _DAY if days is not None else None
    for index, successor in pairwise(indices):
        found = _describe(client, name, index, began[successor])
        if oldest_kept is None or began[successor] >= oldest_kept or (found.newest or 0.0) >= oldest_kept:
            yield found
            continue
        if not dry:
            client.indices.delete(index=index)
        yield replace(found, action="deleted")
    newest = _describe(client, name, indices[-1], None)
    if _is_full(client, settings, newest, began[newest.index], now):
        if not dry:
            client.indices.rollover(alias=name)
        yield replace(newest, action="rolled over")
    else:
        yield newest


def _is_full(client: Elasticsearch, settings: ElasticsearchSettings, index: Pruned, began: float, now: float) -> bool:
    """True for an index that holds something and is as old or as large as the settings allow."""
    if not index.documents:
        return False
    settled = client.indices.get_settings(index=index.index, name="index.number_of_shards", flat_settings=True)
    shards = int(settled[index.index]["settings"]["index.number_of_shards"])
    lifecycle = settings.lifecycle
    return now - began >= lifecycle.rollover_days * _DAY or index.size >= (
        lifecycle.rollover_gigabytes * _GIGABYTE * shards
    )


def _creation_times(client: Elasticsearch, indices: list[str]) -> dict[str, float]:
    found = client.indices.get_settings(index=",".join(indices), name="index.creation_date", flat_settings=True)
    return {index: int(found[index]["settings"]["index.creation_date"]) / 1000 for index in indices}


def _describe(client: Elasticsearch, stream: str, index: str, closed: float | None) -> Pruned:
    stats = client.indices.stats(index=index, metric="docs,store")["_all"]["primaries"]
    # The age is that of what may be deleted: a shard that does not answer must not make it look older.
    answer: Any = client.search(
        index=index,
        size=0,
        allow_partial_search_results=False,
        aggregations={"newest": {"max": {"field": "@timestamp"}}},
    )
    value = answer["aggregations"]["newest"]["value"]
    return Pruned(
        data_stream=stream,
        index=index,
        action="kept",
        documents=stats["docs"]["count"],
        size=stats["store"]["size_in_bytes"],
        newest=None if value is None else value / 1000,
        closed=closed,
    )
