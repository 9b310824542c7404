"""From a record to the ECS document that Elasticsearch holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from exporters.elasticsearch import alerts, events, flows, resource_fields, resources
from exporters.elasticsearch.fields import Common, Context, DataStream, window_start
from topics.catalog import (
    ALERT,
    ALERT_STATE,
    ANNOTATION,
    COUNTER,
    DEAD,
    DOCUMENT,
    FLOW,
    NOTIFICATION,
    RESOURCE,
    TRACK,
    Topic,
)
from topics.records import Record

MAKERS: Final[dict[str, Callable[[Any, Context], Common]]] = {
    FLOW.kind: flows.flow_document,
    RESOURCE.kind: resources.resource_document,
    DOCUMENT.kind: resources.text_document,
    ALERT.kind: alerts.alert_document,
    NOTIFICATION.kind: alerts.alert_document,
    ALERT_STATE.kind: alerts.state_document,
    COUNTER.kind: events.counter_document,
    TRACK.kind: events.track_document,
    ANNOTATION.kind: events.annotation_document,
    DEAD.kind: events.dead_document,
}
"""What makes a document of a record, by the kind of topic it came in."""

DOCUMENTS: Final[dict[str, type[Common]]] = {
    FLOW.kind: flows.FlowDocument,
    RESOURCE.kind: resource_fields.ResourceDocument,
    DOCUMENT.kind: resource_fields.TextDocument,
    NOTIFICATION.kind: alerts.AlertDocument,
    ALERT_STATE.kind: alerts.StateDocument,
    COUNTER.kind: events.CounterDocument,
    TRACK.kind: events.TrackDocument,
    ANNOTATION.kind: events.AnnotationDocument,
    DEAD.kind: events.DeadDocument,
}
"""What the documents look like, by the kind of topic."""

EXPORTED: Final = (FLOW, RESOURCE, DOCUMENT, NOTIFICATION, ALERT_STATE, COUNTER, TRACK, ANNOTATION, DEAD)
"""The topics whose records become documents."""

CURRENT: Final = (ALERT_STATE,)
"""Of these topics each key has one document, in an index: what its newest record says."""

_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=64)
def data_stream(kind: str, namespace: str = "default") -> DataStream:
    """The data stream that holds the documents of one kind of record: of alerts, what was told of them."""
    kind = ALERT.kind if kind == NOTIFICATION.kind else kind
    return DataStream(
        type="metrics" if kind == COUNTER.kind else "logs", dataset=f"tapline.{kind}", namespace=namespace
    )


@lru_cache(maxsize=64)
def index_name(kind: str, namespace: str = "default") -> str:
    """The data stream, or the index, that holds the documents of one kind of record."""
    if any(topic.kind == kind for topic in CURRENT):
        return f"tapline-{kind}-{namespace}"
    return data_stream(kind, namespace).name


def context(topic: Topic, stream: str, window: int, namespace: str = "default") -> Context:
    """What all documents of one message have in common."""
    return Context(stream, window_start(window), data_stream(topic.kind, namespace))


def document(topic: Topic, record: Record, stream: str, window: int, namespace: str = "default") -> Common:
    """The ECS document of a record that came in ``topic`` under this stream and window.

    ``window`` is in seconds since the epoch, as in the message's header.
    """
    return MAKERS[topic.kind](record, context(topic, stream, window, namespace))


def encode_document(topic: Topic, record: Record, stream: str, window: int, namespace: str = "default") -> bytes:
    """The document as one line of JSON, without its end of line.

    :class:`ValueError` when a text cannot be written as JSON (it holds a lone surrogate).
    """
    return _encoder.encode(document(topic, record, stream, window, namespace))
