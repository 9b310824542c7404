"""What Elasticsearch holds: the questions that commands ask of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from exporters.elasticsearch.connection import connect, describe
from exporters.elasticsearch.documents import EXPORTED, index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import compare
from exporters.elasticsearch.templates import index_templates
from topics.catalog import ALERT_STATE, COUNTER, FLOW, NOTIFICATION
from topics.errors import TaplineError
from workers.counting.groups import ALERTS, CONSERVATION, CONSERVATION_METERS

_START_SECONDS: Final = 2.0
_MOST_KEYS: Final = 1000
_METER: Final = "tapline.counter.meter"


class Ranked(msgspec.Struct, frozen=True):
    """A key of a counter group and the sum of one of its meters."""

    key: str
    total: int


class Raised(msgspec.Struct, frozen=True):
    """What was told of alerts of one type: how many notifications, and the message of the first.

    Which of several alerts that repeat one another is told depends on which of their partitions is read first.
    """

    type: str
    count: int
    message: str


class Holdings:
    """Read access to the data streams; a context manager."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        # A command that only looks does not wait for a server that is not there.
        self._settings = msgspec.structs.replace(settings, start_timeout=min(settings.start_timeout, _START_SECONDS))
        self._client: Elasticsearch | None = None

    def __enter__(self) -> Self:
        self._client = connect(self._settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def documents(self, stream: str = "") -> dict[str, int]:
        """The number of documents in each data stream or index that is there, of one stream or of all."""
        found: dict[str, int] = {}
        with self._asking() as client:
            for topic in EXPORTED:
                name = self._name(topic.kind)
                if client.indices.exists(index=name):
                    found[name] = client.count(index=name, query=_of(stream))["count"]
        return found

    def missing_templates(self) -> list[str]:
        """The index templates that are not there."""
        with self._asking() as client:
            return [name for name in index_templates() if not client.indices.exists_index_template(name=name)]

    def other_templates(self) -> list[str]:
        """The templates and policies that another version of this program has put."""
        with self._asking() as client:
            changes = compare(client, self._settings)
        return [change.name for change in changes if change.kind not in ("data stream", "index")]

    def blocked(self) -> list[str]:
        """The indices of what is exported that Elasticsearch takes no writes to, as once its disk was too full."""
        names = [self._name(topic.kind) for topic in EXPORTED]
        with self._asking() as client:
            found = client.indices.get_settings(index=names, name="index.blocks.*", ignore_unavailable=True)
        blocks = {name: answer["settings"].get("index", {}).get("blocks", {}) for name, answer in found.items()}
        return [name for name, each in blocks.items() if "true" in map(str, each.values())]

    def disks(self) -> dict[str, float]:
        """How full each node's disk is, as a share."""
        with self._asking() as client:
            answer = client.nodes.stats(metric="fs", filter_path="nodes.*.name,nodes.*.fs.total")
        sizes = {node["name"]: node["fs"]["total"] for node in answer["nodes"].values() if node["fs"]["total"]}
        return {name: 1 - each["available_in_bytes"] / each["total_in_bytes"] for name, each in sizes.items()}

    def clock(self) -> float:
        """The server's time, in seconds since the epoch."""
        with self._asking() as client:
            answer = client.nodes.stats(metric="jvm", filter_path="nodes.*.timestamp")
        return max((node["timestamp"] / 1000 for node in answer["nodes"].values()), default=time.time())

    def refresh(self) -> None:
        """Make everything written so far visible to the other questions."""
        with self._asking() as client:
            client.indices.refresh(index=[self._name(topic.kind) for topic in EXPORTED], ignore_unavailable=True)

    def conservation(self, stream: str) -> dict[str, dict[str, int]]:
        """What the workers counted of a stream's records: by ``<kind>/<node>``, each meter's sum over its windows."""
        sums = {meter: {"sum": {"field": f"{_METER}.{meter}"}} for meter in CONSERVATION_METERS}
        buckets = self._keys(stream, CONSERVATION.name, sums, order={"_key": "asc"}, size=_MOST_KEYS)
        return {
            bucket["key"]: {meter: round(bucket[meter]["value"]) for meter in CONSERVATION_METERS} for bucket in buckets
        }

    def top(self, stream: str, group: str, meter: str = "bytes", size: int = 5) -> list[Ranked]:
        """The keys of a counter group with the largest sums of a meter over a stream's windows."""
        sums = {"total": {"sum": {"field": f"{_METER}.{meter}"}}}
        buckets = self._keys(stream, group, sums, order={"total": "desc"}, size=size)
        return [Ranked(bucket["key"], round(bucket["total"]["value"])) for bucket in buckets]

    def total(self, stream: str, field: str) -> int:
        """The sum of a numeric field over a stream's flow documents."""
        with self._asking() as client:
            answer = client.search(
                index=self._name(FLOW.kind),
                size=0,
                ignore_unavailable=True,
                allow_partial_search_results=False,
                query=_of(stream),
                aggs={"total": {"sum": {"field": field}}},
            )
        value: float = answer.get("aggregations", {"total": {"value": 0}})["total"]["value"]
        return round(value)

    def outcomes(self, stream: str) -> dict[str, int]:
        """What became of a stream's alerts: each meter of the group Alerts, summed over types and windows."""
        sums = {meter.name: {"sum": {"field": f"{_METER}.{meter.name}"}} for meter in ALERTS.meters}
        buckets = self._keys(stream, ALERTS.name, sums, order={"_key": "asc"}, size=_MOST_KEYS)
        found = {name: round(sum(bucket[name]["value"] for bucket in buckets)) for name in sums}
        return {name: count for name, count in found.items() if count}

    def engaged(self) -> int:
        """How many conditions are engaged now."""
        index = self._name(ALERT_STATE.kind)
        with self._asking() as client:
            if not client.indices.exists(index=index):
                return 0
            query = {"term": {"tapline.state.status": "engaged"}}
            count: int = client.count(index=index, query=query)["count"]
        return count

    def alerts(self, stream: str) -> list[Raised]:
        """What was told of a stream's alerts by type, most frequent first."""
        first = {"top_hits": {"size": 1, "sort": [{"@timestamp": "asc"}], "_source": ["message"]}}
        with self._asking() as client:
            answer = client.search(
                index=self._name(NOTIFICATION.kind),
                size=0,
                ignore_unavailable=True,
                allow_partial_search_results=False,
                query=_of(stream),
                aggs={"type": {"terms": {"field": "tapline.alert.type", "size": _MOST_KEYS}, "aggs": {"first": first}}},
            )
        return [
            Raised(
                bucket["key"],
                bucket["doc_count"],
                bucket["first"]["hits"]["hits"][0]["_source"].get("message", ""),
            )
            for bucket in _buckets(answer, "type")
        ]

    def _keys(
        self, stream: str, group: str, sums: dict[str, Any], *, order: dict[str, str], size: int
    ) -> list[dict[str, Any]]:
        terms = {"field": "tapline.counter.key", "size": size, "order": order}
        query = {"bool": {"filter": [_of(stream), {"term": {"tapline.counter.group": group}}]}}
        with self._asking() as client:
            answer = client.search(
                index=self._name(COUNTER.kind),
                size=0,
                ignore_unavailable=True,
                allow_partial_search_results=False,
                query=query,
                aggs={"key": {"terms": terms, "aggs": sums}},
            )
        return _buckets(answer, "key")

    def _name(self, kind: str) -> str:
        return index_name(kind, self._settings.namespace)

    @contextmanager
    def _asking(self) -> Iterator[Elasticsearch]:
        if self._client is None:
            raise RuntimeError("not connected")
        try:
            yield self._client
        except (ApiError, TransportError) as error:
            raise TaplineError(
                f"Elasticsearch did not answer a question ({describe(error)}): see `tapline doctor`"
            ) from error


def _of(stream: str) -> dict[str, Any]:
    return {"term": {"tapline.stream": stream}} if stream else {"match_all": {}}


def _buckets(answer: Any, name: str) -> list[dict[str, Any]]:
    """The buckets of an aggregation; none where the data stream is not there yet."""
    buckets: list[dict[str, Any]] = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return buckets
