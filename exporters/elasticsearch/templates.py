"""The templates by which Elasticsearch makes the data streams, and putting them there."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, NotFoundError
from msgspec import Struct

from exporters.elasticsearch.connection import describe
from exporters.elasticsearch.documents import CURRENT, DOCUMENTS, data_stream, index_name
from exporters.elasticsearch.fields import Common, Conversation
from exporters.elasticsearch.mappings import dynamic_templates, properties
from exporters.elasticsearch.settings import ElasticsearchSettings
from topics.catalog import COUNTER
from topics.errors import TaplineError

PRIORITY: Final = 500
"""Above the templates for ``logs-*-*`` and ``metrics-*-*`` that a full Elasticsearch brings along (100)."""

_SETTINGS: Final = "tapline-settings"
_COMMON: Final = "tapline-common"
_CONVERSATION: Final = "tapline-conversation"


class Change(Struct, frozen=True):
    """What :func:`setup` did with one template."""

    name: str
    kind: Literal["component template", "index template"]
    action: Literal["created", "updated"]


def component_templates(settings: ElasticsearchSettings) -> dict[str, dict[str, Any]]:
    """The component templates by name, as their bodies."""
    index = {
        # Said outright, as newer servers would otherwise choose another mode for data streams named logs-*.
        "mode": "standard",
        "number_of_shards": settings.shards,
        "number_of_replicas": settings.replicas,
        "refresh_interval": "5s",
        "mapping": {"total_fields": {"limit": 1000, "ignore_dynamic_beyond_limit": True}},
    }
    common = properties(Common)
    conversation = {name: field for name, field in properties(Conversation).items() if name not in common}
    return {
        _SETTINGS: _marked({"template": {"settings": {"index": index}}}),
        _COMMON: _marked(
            {
                "template": {
                    "mappings": {
                        "dynamic": False,
                        "date_detection": False,
                        "numeric_detection": False,
                        "properties": common,
                    }
                }
            }
        ),
        _CONVERSATION: _marked({"template": {"mappings": {"properties": conversation}}}),
    }


def index_templates() -> dict[str, dict[str, Any]]:
    """The index templates by name, as their bodies: one for each kind of document."""
    return {_name(kind): _index_template(kind, document) for kind, document in DOCUMENTS.items()}


def setup(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Change]:
    """Put the templates that are missing or other than they should be; return what was changed.

    Data streams that are already there keep their mapping until they roll over.
    """
    try:
        return _put_components(client, settings) + _put_index_templates(client)
    except (ApiError, TransportError) as error:
        raise TaplineError(
            f"cannot put the index templates into Elasticsearch ({describe(error)}): see that it is healthy and that"
            " the user has the cluster privilege manage_index_templates"
        ) from error


def _put_components(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Change]:
    changes = []
    for name, body in component_templates(settings).items():
        try:
            answer = client.cluster.get_component_template(name=name)
            found = answer["component_templates"][0]["component_template"]
        except NotFoundError:
            found = None
        action = _action(found, body)
        if action is not None:
            client.cluster.put_component_template(name=name, template=body["template"], meta=body["_meta"])
            changes.append(Change(name, "component template", action))
    return changes


def _put_index_templates(client: Elasticsearch) -> list[Change]:
    changes = []
    for name, body in index_templates().items():
        try:
            answer = client.indices.get_index_template(name=name)
            found = answer["index_templates"][0]["index_template"]
        except NotFoundError:
            found = None
        action = _action(found, body)
        if action is not None:
            client.indices.put_index_template(
                name=name,
                index_patterns=body["index_patterns"],
                composed_of=body["composed_of"],
                template=body["template"],
                data_stream=body.get("data_stream"),
                priority=body["priority"],
                meta=body["_meta"],
            )
            changes.append(Change(name, "index template", action))
    return changes


def _index_template(kind: str, document: type[Common]) -> dict[str, Any]:
    shared = properties(Conversation if issubclass(document, Conversation) else Common)
    mappings: dict[str, Any] = {
        "properties": {name: field for name, field in properties(document).items() if name not in shared}
    }
    if kind == COUNTER.kind:
        mappings["dynamic_templates"] = dynamic_templates()
    conversation = [_CONVERSATION] if issubclass(document, Conversation) else []
    body = {
        "index_patterns": [index_name(kind, "*")],
        "composed_of": [_SETTINGS, _COMMON, *conversation],
        "template": {"mappings": mappings},
        "priority": PRIORITY,
    }
    return _marked(body if _is_current(kind) else body | {"data_stream": {}})


def _is_current(kind: str) -> bool:
    return any(topic.kind == kind for topic in CURRENT)


def _name(kind: str) -> str:
    if _is_current(kind):
        return f"tapline-{kind}"
    stream = data_stream(kind)
    return f"{stream.type}-{stream.dataset}"


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    """Add a digest of the content: servers give a template back in another form than it was put."""
    digest = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
    return body | {"_meta": {"managed_by": "tapline", "digest": digest}}


def _action(found: dict[str, Any] | None, body: dict[str, Any]) -> Literal["created", "updated"] | None:
    if found is None:
        return "created"
    return None if found.get("_meta", {}).get("digest") == body["_meta"]["digest"] else "updated"
