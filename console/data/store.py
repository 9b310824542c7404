"""Elasticsearch, asked by the console."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError, Elasticsearch
from msgspec.structs import replace

from console.data.shared_answers import SharedAnswers
from console.errors import Mistake, Unavailable
from exporters.elasticsearch.connection import client, describe
from exporters.elasticsearch.documents import index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from topics.catalog import COUNTER

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_ANSWERS: Final = 500
_ASKED_AT_ONCE: Final = 8

T = TypeVar("T")
P = ParamSpec("P")


class Store:
    """Read access to what the exporter has written; safe to use from many threads."""

    def __init__(self, settings: ElasticsearchSettings, timeout: float) -> None:
        self._settings = replace(settings, timeout=timeout)
        self._client: Elasticsearch | None = None
        self._answers = SharedAnswers(_MOST_ANSWERS)
        self._askers = ThreadPoolExecutor(_ASKED_AT_ONCE, "ask")

    def start(self) -> None:
        """Make the client; nothing is asked yet, so the console starts also while Elasticsearch is away."""
        self._client = client(self._settings)

    def close(self) -> None:
        """Ask no more, and close the connections."""
        self._answers.close()
        self._askers.shutdown(cancel_futures=True)
        if self._client is not None:
            self._client.close()
            self._client = None

    def search(self, kind: str, **question: Any) -> dict[str, Any]:
        """The answer to a search over the documents of a kind of topic; none where there is no such index yet.

        :class:`Unavailable` when Elasticsearch does not answer, or not all of it.
        """
        return self._ask(
            "search",
            index=index_name(kind, self._settings.namespace),
            ignore_unavailable=True,
            allow_no_indices=True,
            allow_partial_search_results=False,
            **question,
        )

    def buckets(self, kind: str, query: dict[str, Any], aggregation: dict[str, Any]) -> list[dict[str, Any]]:
        """The buckets of one aggregation over what fits a query."""
        answer = self.search(kind, size=0, track_total_hits=False, query=query, aggs={"it": aggregation})
        found: list[dict[str, Any]] = answer.get("aggregations", {}).get("it", {}).get("buckets", [])
        return found

    def count(self, kind: str, query: dict[str, Any]) -> int:
        """How many documents fit a query."""
        answer = self.search(kind, size=0, track_total_hits=True, query=query)
        return int(answer["hits"].get("total", {}).get("value", 0))

    def sampled_buckets(
        self, kind: str, query: dict[str, Any], aggregation: dict[str, Any], share: float
    ) -> list[dict[str, Any]]:
        """The buckets of one aggregation over a share of what fits a query, the same share each time."""
        sample = {"random_sampler": {"probability": share, "seed": 1}, "aggs": {"it": aggregation}}
        answer = self.search(kind, size=0, track_total_hits=False, query=query, aggs={"sample": sample})
        found: list[dict[str, Any]] = answer.get("aggregations", {}).get("sample", {}).get("it", {}).get("buckets", [])
        return found

    def shared(self, question: Hashable, ask: Callable[[], T]) -> T:
        """An answer that others may have been given before, as :class:`SharedAnswers` has it.

        It has to say of when it is, as a :class:`~console.data.model.Period` does.
        """
        return self._answers.of(question, ask)

    def later(self, ask: Callable[P, T], *given: P.args, **named: P.kwargs) -> Future[T]:
        """Ask something while other things are asked; what is asked may not call this itself, nor :meth:`shared`."""
        return self._askers.submit(ask, *given, **named)

    def begin_reading(self, kind: str) -> str:
        """A point in time of a kind's documents, which stay as they are for whoever reads on within two minutes."""
        answer = self._ask(
            "open_point_in_time",
            index=index_name(kind, self._settings.namespace),
            keep_alive="2m",
            ignore_unavailable=True,
        )
        return str(answer["id"])

    def read_on(self, point: str, **question: Any) -> dict[str, Any]:
        """The answer to a search at a point in time."""
        return self._ask("search", pit={"id": point, "keep_alive": "2m"}, track_total_hits=False, **question)

    def end_reading(self, point: str) -> None:
        """Give a point in time back."""
        self._ask("close_point_in_time", id=point)

    def newest(self) -> datetime | None:
        """When the newest window of counters began, as known some seconds ago; ``None`` before the first."""
        answer = self._answers.of(
            "newest",
            lambda: self.search(
                COUNTER.kind,
                size=0,
                track_total_hits=False,
                query={"term": {"tapline.counter.group": "Aggregates"}},
                aggs={"newest": {"max": {"field": "tapline.window"}}},
            ),
        )
        value = answer.get("aggregations", {}).get("newest", {}).get("value")
        return None if value is None else _EPOCH + timedelta(milliseconds=value)

    def problem(self) -> str:
        """Why Elasticsearch cannot be asked; empty when it can."""
        try:
            self.search(COUNTER.kind, size=0)
        except Unavailable as error:
            return str(error)
        return ""

    def _ask(self, what: str, **question: Any) -> dict[str, Any]:
        if self._client is None:
            raise RuntimeError("it has not been started")
        try:
            return dict(getattr(self._client, what)(**question).body)
        except ConnectionTimeout as error:
            raise Unavailable(
                f"Elasticsearch has not answered within {self._settings.timeout:g} s: ask for a shorter time"
            ) from error
        except ApiError as error:
            if error.status_code == 400:
                raise Mistake(f"Elasticsearch cannot answer this question ({describe(error)})") from error
            raise Unavailable(f"Elasticsearch does not answer ({describe(error)}): see `tapline doctor`") from error
        except TransportError as error:
            raise Unavailable(
                f"Elasticsearch cannot be reached ({describe(error)}): this page is back when it is"
            ) from error


def every(*filters: dict[str, Any]) -> dict[str, Any]:
    """A query that all of these fit."""
    return {"bool": {"filter": list(filters)}}


def sums(**fields: str) -> dict[str, Any]:
    """Sums of fields, by name."""
    return {name: {"sum": {"field": field}} for name, field in fields.items()}


def value_of(bucket: dict[str, Any], name: str) -> int:
    """A sum of a bucket as a whole number."""
    return round(bucket[name]["value"] or 0)


def inner(document: dict[str, Any], path: str, default: Any = "") -> Any:
    """What a document holds at a dotted path."""
    found: Any = document
    for step in path.split("."):
        if not isinstance(found, dict) or step not in found:
            return default
        found = found[step]
    return found


def moment_of(text: str) -> datetime | None:
    """A time as a document holds it."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
