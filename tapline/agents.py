"""What plain Faust agents are given: Tapline's topics, with messages decoded into records."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from topics.catalog import CATALOG, Topic
from topics.codec import BadMessage, open_message

if TYPE_CHECKING:
    import faust
    from faust.types import AppT, CodecArg, Message, TopicT

_log = logging.getLogger(__name__)
_records = Counter("tapline_agent_records", "Records given to plain Faust agents.", ["topic"])
_unusable = Counter("tapline_agent_unusable_messages", "Messages that agents do not get.", ["topic", "reason"])


class Topics:
    """Tapline's topics for Faust agents, by their kind: ``topics.flow``, ``topics.alert``, ``topics.counter`` ….

    The value of a message is a list of records, as :class:`topics.records.Flow`; of the markers that
    end windows it is empty, and of what cannot be decoded (the monitors put that among the dead letters).
    """

    flow: TopicT
    metric: TopicT
    resource: TopicT
    document: TopicT
    alert: TopicT
    counter: TopicT
    track: TopicT
    annotation: TopicT
    message: TopicT

    def __init__(self, app: faust.App, prefix: str) -> None:
        for topic in CATALOG:
            if topic.kind in type(self).__annotations__:
                made = app.topic(topic.name(prefix), schema=_schema(topic))
                setattr(self, topic.kind, made)


def _schema(topic: Topic) -> faust.Schema[bytes, list[Any]]:
    """Decodes the messages of a topic for Faust."""
    import faust  # noqa: PLC0415 - loaded only where agents run

    class Records(faust.Schema[bytes, list[Any]]):
        def loads_key(
            self,
            app: AppT,  # noqa: ARG002 - Faust's signature, as the others
            message: Message,
            *,
            loads: Callable[..., Any] | None = None,  # noqa: ARG002
            serializer: CodecArg | None = None,  # noqa: ARG002
        ) -> Any:
            return message.key

        def loads_value(
            self,
            app: AppT,  # noqa: ARG002
            message: Message,
            *,
            loads: Callable[..., Any] | None = None,  # noqa: ARG002
            serializer: CodecArg | None = None,  # noqa: ARG002
        ) -> Any:
            return _records_of(topic, message)

    return Records(key_serializer="raw", value_serializer="raw")


def _records_of(topic: Topic, message: Message) -> list[Any]:
    """The records of a message, none where it is a marker or cannot be used."""
    headers: Any = message.headers or ()
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    try:
        envelope, records = open_message(pairs, message.value, topic)
    except BadMessage as error:
        _unusable.labels(topic.kind, error.reason).inc()
        _log.warning("agents do not get a message of %s: %s", message.topic, error)
        return []
    if envelope.is_snapshot:
        return []
    _records.labels(topic.kind).inc(len(records))
    return records
