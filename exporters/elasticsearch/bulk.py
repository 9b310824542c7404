"""Bulk requests: their body, sending them, and what the server said of each document."""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from elastic_transport import ConnectionTimeout, SerializationError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from msgspec import Struct

from exporters.elasticsearch.connection import describe
from exporters.elasticsearch.documents import CURRENT, MAKERS, context, index_name
from topics.catalog import Topic
from topics.codec import Envelope, decode
from topics.records import Record

MAX_ID_BYTES: Final = 512
"""Longest ``_id`` that Elasticsearch takes; a longer one would have the whole bulk refused."""

_SHORT_ID: Final = MAX_ID_BYTES // 4
"""Characters that are never more bytes than an id may have."""

_PATH: Final = (
    "/_bulk?require_data_stream=true"
    "&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
)
_HEADERS: Final = {"accept": "application/json", "content-type": "application/x-ndjson"}
_COMPRESSED: Final = _HEADERS | {"content-encoding": "gzip", "accept-encoding": "gzip"}
_GZIP: Final = 31
"""What zlib makes gzip of."""

_CREATED: Final = (200, 201)
_DUPLICATE: Final = 409
_BUSY: Final = (429, 502, 503, 504)
_CONTENT_TOO_LARGE: Final = 413
_PASSING: Final = frozenset(
    {
        "cluster_block_exception",
        "circuit_breaking_exception",
        "es_rejected_execution_exception",
        "no_shard_available_action_exception",
        "process_cluster_event_timeout_exception",
        "unavailable_shards_exception",
        "node_closed_exception",
    }
)
"""Errors of single documents that say something about the server and nothing about the document."""

_encoder = msgspec.json.Encoder()

TOO_LARGE: Final = "too_large"
"""The reason of a request that is refused for its size."""

MISSING: Final = "index_not_found_exception"
"""The error of a document whose data stream has no template to make it by."""


class Unavailable(Exception):
    """The server did not take the request now; the same request can be sent again.

    ``reason`` is a short word to count it by.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Refused(Exception):
    """The server will never take this request as it is; smaller ones may pass.

    ``reason`` is a short word to count it by.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Taken(Struct, frozen=True):
    """A message of which records are in a bulk; ``time`` is Kafka's, in microseconds since the epoch.

    ``value`` is kept rather than the records, which would be thousands of objects to go through at
    every garbage collection.
    """

    topic: Topic
    name: str
    partition: int
    offset: int
    time: int
    envelope: Envelope
    value: bytes


class Rejection(Struct, frozen=True):
    """A record that will not become a document: its message, its index in there, and why."""

    taken: Taken
    index: int
    reason: str
    detail: str

    def record(self) -> Record:
        """The record itself, read from its message again."""
        return decode(self.taken.topic.record, self.taken.value)[self.index]  # type: ignore[return-value]


class Verdict(Struct):
    """What the server said of some documents of a bulk, given by their positions in it.

    ``again`` are those to send again, as position and reason; ``undecided`` those that failed in a
    way which may lie with the server or with the document, as position, reason and detail.
    """

    written: list[int]
    duplicate: list[int]
    again: list[tuple[int, str]]
    undecided: list[tuple[int, str, str]]
    refused: list[tuple[int, str, str]]


class Create(Struct, rename={"index": "_index", "id": "_id"}, gc=False):
    """Where a document goes, and its id there."""

    index: str
    id: str


class Action(Struct, gc=False):
    """The line before a document."""

    create: Create


class Place(
    Struct,
    rename={"index": "_index", "id": "_id"},
    gc=False,
    kw_only=True,
):
    """Where the one document of a key is: a newer ``version`` takes its place, an older one is a conflict."""

    index: str
    id: str
    version: int
    version_type: str = "external_gte"
    require_data_stream: bool = False


class Replacement(Struct, gc=False):
    """The line before a document that takes the place of another."""

    index: Place


class Bulk:
    """The documents of some messages, as the body of a request."""

    def __init__(self, namespace: str = "default") -> None:
        self._namespace = namespace
        self._chunks: list[bytes] = []
        self._runs: list[tuple[Taken, int]] = []
        self._starts: list[int] = []
        self._count = 0
        self._size = 0
        self._lines: list[bytes] = []

    def __len__(self) -> int:
        """Number of documents."""
        return self._count

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self._size

    def add(self, taken: Taken, records: list[Any]) -> list[Rejection]:
        """Add a message's records; those of which no document can be made are returned."""
        try:
            self._append(taken, 0, len(records), _encoder.encode_lines(self._lines_of(taken, records)))
        except Exception:  # noqa: BLE001 - whatever it is, it must not stop the partition
            return self._add_one_by_one(taken, records)
        return []

    def origin(self, position: int) -> tuple[Taken, int]:
        """The message of the document at this position, and the index of its record in there."""
        run = bisect_right(self._starts, position) - 1
        taken, begin = self._runs[run]
        return taken, begin + position - self._starts[run]

    def kinds(self, positions: Sequence[int]) -> dict[str, int]:
        """How many of the documents at these positions, in rising order, are of which kind."""
        found: dict[str, int] = {}
        starts, done = self._starts, 0
        while done < len(positions):
            run = bisect_right(starts, positions[done]) - 1
            end = bisect_left(positions, starts[run + 1], done) if run + 1 < len(starts) else len(positions)
            kind = self._runs[run][0].topic.kind
            found[kind] = found.get(kind, 0) + end - done
            done = end
        return found

    def body(self, positions: Sequence[int]) -> bytes:
        """The body of a request with the documents at these positions, in rising order."""
        whole = b"".join(self._chunks)
        if len(positions) == self._count:
            return whole
        # Seldom needed, and JSON has no line ends of its own: the lines are found when they are asked for.
        if len(self._lines) < 2 * self._count:
            self._lines = whole.split(b"\n")
        lines = self._lines
        return b"".join(b"%s\n%s\n" % (lines[2 * each], lines[2 * each + 1]) for each in positions)

    def _add_one_by_one(self, taken: Taken, records: list[Any]) -> list[Rejection]:
        rejections = []
        for index, record in enumerate(records):
            try:
                chunk = _encoder.encode_lines(self._lines_of(taken, [record]))
            except ValueError as error:
                rejections.append(Rejection(taken, index, "document", str(error)))
            except Exception as error:  # noqa: BLE001 - as above
                rejections.append(Rejection(taken, index, "document", repr(error)))
            else:
                self._append(taken, index, 1, chunk)
        return rejections

    def _lines_of(self, taken: Taken, records: list[Any]) -> list[Struct]:
        """Of each record what to do with its document, and the document."""
        topic, envelope = taken.topic, taken.envelope
        make = MAKERS[topic.kind]
        shared = context(topic, envelope.stream, envelope.window, self._namespace)
        index = index_name(topic.kind, self._namespace)
        lines: list[Struct] = []
        if topic in CURRENT:
            for record in records:
                lines.append(Replacement(Place(index=index, id=_checked(record.id), version=taken.time)))
                lines.append(make(record, shared))
            return lines
        add = lines.append
        for record in records:
            identity = record.id
            # Most ids are so short that their characters need not be counted in bytes.
            add(Action(Create(index, identity if 0 < len(identity) <= _SHORT_ID else _checked(identity))))
            add(make(record, shared))
        return lines

    def _append(self, taken: Taken, begin: int, count: int, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._starts.append(self._count)
        self._runs.append((taken, begin))
        self._count += count


def send(client: Elasticsearch, body: bytes, positions: Sequence[int], *, compress: bool = False) -> Verdict:
    """Send the documents at these positions and sort them by what the server said.

    ``compress`` has the body compressed. :class:`Unavailable` when it said nothing or is busy,
    :class:`Refused` when it refuses all.
    """
    headers = _HEADERS
    if compress:
        # The client's own compression is the slowest there is.
        body, headers = zlib.compress(body, level=1, wbits=_GZIP), _COMPRESSED
    try:
        answer = client.perform_request("POST", _PATH, headers=headers, body=body).body
    except ApiError as error:
        if error.status_code in (400, _CONTENT_TOO_LARGE):
            reason = TOO_LARGE if error.status_code == _CONTENT_TOO_LARGE else str(error.message)
            raise Refused(reason, _detail(error)) from error
        raise Unavailable(str(error.status_code), describe(error)) from error
    except (SerializationError, UnsupportedProductError) as error:
        raise Unavailable("answer", describe(error)) from error
    except TransportError as error:
        raise Unavailable(
            "timeout" if isinstance(error, ConnectionTimeout) else "connection", describe(error)
        ) from error
    if not isinstance(answer, dict) or "errors" not in answer:
        raise Unavailable("answer", "the answer to a bulk request is none")
    if not answer["errors"]:
        return Verdict(list(positions), [], [], [], [])
    items = answer.get("items", ())
    if len(items) != len(positions):
        raise Unavailable("answer", f"{len(items)} answers to {len(positions)} documents")
    return _sort(items, positions)


def _sort(items: Sequence[dict[str, Any]], positions: Sequence[int]) -> Verdict:
    verdict = Verdict([], [], [], [], [])
    for position, item in zip(positions, items, strict=True):
        (result,) = item.values()
        status = result["status"]
        if status in _CREATED:
            verdict.written.append(position)
        elif status == _DUPLICATE:
            verdict.duplicate.append(position)
        else:
            error = result.get("error", {})
            reason = error.get("type", str(status))
            if status in _BUSY or reason in _PASSING or reason == MISSING:
                verdict.again.append((position, reason))
            else:
                kept = verdict.undecided if status >= 500 else verdict.refused
                kept.append((position, reason, _explain(error)))
    return verdict


def _explain(error: dict[str, Any]) -> str:
    reasons = [error.get("reason"), (error.get("caused_by") or {}).get("reason")]
    return ": ".join(str(each) for each in reasons if each)


def _detail(error: ApiError) -> str:
    body = error.body.get("error") if isinstance(error.body, dict) else None
    return _explain(body) if isinstance(body, dict) else describe(error)


def _checked(identity: str) -> str:
    """The id; :class:`ValueError` when Elasticsearch would refuse the whole bulk for it."""
    if not 0 < len(identity.encode()) <= MAX_ID_BYTES:
        raise ValueError(f"an id is 1 to {MAX_ID_BYTES} bytes long, not {len(identity.encode())}")
    return identity
