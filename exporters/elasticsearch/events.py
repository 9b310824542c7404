"""Counters, flow tracker snapshots, annotations and dead letters as ECS documents."""

from __future__ import annotations

from msgspec import field

from exporters.elasticsearch.fields import (
    ECS,
    MODULE,
    Common,
    Context,
    Conversation,
    Day,
    Double,
    Event,
    Fields,
    Ip,
    Meters,
    Moment,
    Own,
    Text,
    Unindexed,
    destination_of,
    moment,
    network_of,
    observer_of,
    protocol_of,
    source_of,
    window_start,
)
from topics.records import Annotation, DeadLetter, Metric, Track, TrackEntry


class CounterFields(Fields, kw_only=True):
    """``tapline.counter``: one key's total of one window; ``meter`` holds a value a meter."""

    group: str
    key: str
    label: str = ""
    source: str = ""
    meter: Meters


class CounterOwn(Own, kw_only=True):
    """``tapline`` of a counter's document."""

    counter: CounterFields


class CounterDocument(Common, kw_only=True):
    """A window's total as a document."""

    tapline: CounterOwn


class TrackedEnd(Fields, kw_only=True):
    """One end of a tracked flow."""

    ip: Ip = ""
    port: int = 0


class TrackedFlow(Fields, kw_only=True):
    """One of the flows in a tracker's list; ``start`` is when it began."""

    id: str
    metric: Double | None
    source: TrackedEnd | None = None
    destination: TrackedEnd | None = None
    transport: str = ""
    application: str = ""
    start: Moment | None = None


class TrackFields(Fields, kw_only=True):
    """``tapline.track``: a flow tracker's list, largest first."""

    tracker: str
    bucket_seconds: int
    flow: list[TrackedFlow]


class TrackOwn(Own, kw_only=True):
    """``tapline`` of a flow tracker's document."""

    track: TrackFields


class TrackDocument(Common, kw_only=True):
    """A flow tracker's list as a document."""

    tapline: TrackOwn


class AnnotationFields(Fields, kw_only=True):
    """``tapline.annotation``: fields of :class:`topics.records.Annotation` under their own names.

    The scores are those of a status.
    """

    kind: str
    group: str = ""
    key: str = ""
    name: str = ""
    value: str = ""
    description: str = ""
    other_group: str = ""
    other_key: str = ""
    flow_id: str = ""
    script: str = ""
    score: int | None = None
    client_score: int | None = None
    server_score: int | None = None


class AnnotationOwn(Own, kw_only=True):
    """``tapline`` of an annotation's document."""

    annotation: AnnotationFields


class AnnotationDocument(Conversation, kw_only=True):
    """What a script said about a flow or a key, as a document; a flow's tag is in ``tags`` as well."""

    tapline: AnnotationOwn


class Error(Fields, kw_only=True):
    """``error``: why a message could not be used."""

    type: str
    message: Text = ""


class DeadFields(Fields, kw_only=True):
    """``tapline.dead``: where the message is; ``value`` is base64 of its bytes.

    ``letter`` is the id of the dead letter, also where the document says that it was retried or dropped
    (``state``), by whom and why.
    """

    topic: str
    partition: int | None
    offset: int | None
    state: str
    letter: str
    stage: str = ""
    author: str = ""
    comment: str = ""
    value: Unindexed = ""
    headers: list[str] = field(default_factory=list)


class DeadOwn(Own, kw_only=True):
    """``tapline`` of a dead letter's document."""

    dead: DeadFields


class DeadDocument(Common, kw_only=True):
    """A dead letter as a document."""

    error: Error
    tapline: DeadOwn


def counter_document(record: Metric, context: Context) -> CounterDocument:
    """The document of one key's window total."""
    return CounterDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(id=record.id, kind="metric", module=MODULE, dataset=context.dataset),
        observer=observer_of(record),
        tapline=CounterOwn(
            stream=record.stream or context.stream,
            window=_window(record, context),
            counter=CounterFields(
                group=record.group,
                key=record.key,
                label=record.label,
                source=record.source,
                meter=record.meters,
            ),
        ),
    )


def track_document(record: Track, context: Context) -> TrackDocument:
    """The document of one flow tracker's list."""
    return TrackDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(id=record.id, kind="metric", module=MODULE, dataset=context.dataset),
        observer=observer_of(record),
        tapline=TrackOwn(
            stream=record.stream or context.stream,
            window=_window(record, context),
            track=TrackFields(
                tracker=record.tracker,
                bucket_seconds=record.bucket_seconds,
                flow=[_tracked(entry) for entry in record.entries],
            ),
        ),
    )


def annotation_document(record: Annotation, context: Context) -> AnnotationDocument:
    """The document of one annotation."""
    network = network_of(record)
    if network is not None:
        network.protocol, network.application = protocol_of(record.application)
    is_status = record.kind == "status"
    return AnnotationDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(
            id=record.id,
            kind="enrichment",
            module=MODULE,
            dataset=context.dataset,
            action=record.kind,
            risk_score=record.score if is_status else None,
        ),
        observer=observer_of(record),
        message=record.value if is_status else "",
        tags=(record.value,) if record.kind == "tag" else (),
        source=source_of(record),
        destination=destination_of(record),
        network=network,
        tapline=AnnotationOwn(
            stream=record.stream or context.stream,
            window=_window(record, context),
            annotation=AnnotationFields(
                kind=record.kind,
                group=record.group,
                key=record.key,
                name=record.name,
                value=record.value,
                description=record.description,
                other_group=record.other_group,
                other_key=record.other_key,
                flow_id=record.flow_id,
                script=record.script,
                score=record.score if is_status else None,
                client_score=record.client_score if is_status else None,
                server_score=record.server_score if is_status else None,
            ),
        ),
    )


def dead_document(record: DeadLetter, context: Context) -> DeadDocument:
    """The document of one dead letter, or of what was done about one."""
    return DeadDocument(
        timestamp=moment(record.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(id=record.id, kind="pipeline_error", module=MODULE, dataset=context.dataset, action=record.state),
        observer=observer_of(record),
        error=Error(type=record.reason, message=record.error),
        tapline=DeadOwn(
            stream=context.stream,
            window=context.window,
            dead=DeadFields(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                state=record.state,
                letter=record.letter or record.id,
                stage=record.stage,
                author=record.author,
                comment=record.comment,
                value=record.value,
                headers=[f"{name}: {value}" for name, value in record.headers],
            ),
        ),
    )


def _tracked(entry: TrackEntry) -> TrackedFlow:
    return TrackedFlow(
        id=entry.flow_id,
        metric=entry.metric,
        source=_tracked_end(entry.source_ip, entry.source_port),
        destination=_tracked_end(entry.destination_ip, entry.destination_port),
        transport=entry.transport,
        application=entry.application,
        start=moment(entry.start) if entry.start else None,
    )


def _tracked_end(ip: str, port: int) -> TrackedEnd | None:
    return TrackedEnd(ip=ip, port=port) if ip or port else None


def _window(record: Annotation | Metric | Track, context: Context) -> Day:
    return window_start(record.window) if record.window else context.window
