"""The templates and policies by which Elasticsearch makes and keeps the data streams, as their bodies."""

from __future__ import annotations

import hashlib
from typing import Any, Final, get_args

import msgspec

from exporters.elasticsearch.documents import CURRENT, DOCUMENTS, data_stream, index_name
from exporters.elasticsearch.fields import Common, Conversation
from exporters.elasticsearch.mappings import dynamic_templates, properties
from exporters.elasticsearch.settings import ElasticsearchSettings, Kept, LifecycleSettings
from topics.catalog import ALERT, COUNTER, NOTIFICATION

VERSION: Final = 1
"""Version of the mappings: to be raised with every release in which they are other than in the one before.

A program leaves alone what one with a higher version has put.
"""

PRIORITY: Final = 500
"""Above the templates for ``logs-*-*`` and ``metrics-*-*`` that a full Elasticsearch brings along (100)."""

MOST_FIELDS: Final = 1000
"""How many fields an index may have. Of meters beyond it the values are kept and shown, but cannot be searched."""

_SETTINGS: Final = "tapline-settings"
_COMMON: Final = "tapline-common"
_CONVERSATION: Final = "tapline-conversation"
_MANAGED_BY: Final = "tapline"
_FIXED: Final[dict[str, Any]] = {
    # Said outright, as newer servers would otherwise choose another mode for data streams named logs-*.
    "mode": "standard",
    # What is asked for is nearly always the newest, so a search may stop early.
    "sort": {"field": ["@timestamp"], "order": ["desc"]},
    "mapping": {"total_fields": {"limit": MOST_FIELDS, "ignore_dynamic_beyond_limit": True}},
}
"""Settings that an index has from its beginning."""


def component_templates(settings: ElasticsearchSettings) -> dict[str, dict[str, Any]]:
    """The component templates by name, as their bodies."""
    index = _FIXED | {
        "number_of_shards": settings.shards,
        "number_of_replicas": settings.replicas,
        "refresh_interval": "5s",
    }
    return {
        _SETTINGS: _marked({"template": {"settings": {"index": index}}}),
        _COMMON: _marked({"template": {"mappings": _common()}}),
        _CONVERSATION: _marked({"template": {"mappings": {"properties": _conversation()}}}),
    }


def index_templates(*, lifecycle: bool = False) -> dict[str, dict[str, Any]]:
    """The index templates by name, as their bodies: one for each kind of document.

    With ``lifecycle`` each data stream is under the policy of the same name.
    """
    return {template_name(kind): _index_template(kind, lifecycle=lifecycle) for kind in DOCUMENTS}


def policies(settings: LifecycleSettings) -> dict[str, dict[str, Any]]:
    """The lifecycle policies by name, as their bodies: one for each data stream."""
    return {policy_name(kind): _policy(settings, kind) for kind in get_args(Kept)}


def mapping(kind: str) -> dict[str, Any]:
    """The whole mapping of the documents of one kind, with the mark that says of which version it is."""
    document = DOCUMENTS[kind]
    whole = _common() | {"properties": properties(document)}
    if kind == COUNTER.kind:
        whole["dynamic_templates"] = dynamic_templates()
    return whole | {"_meta": _mark({"mappings": whole, "index": _FIXED})}


def template_name(kind: str) -> str:
    """The name of the index template of one kind of document."""
    if is_current(kind):
        return f"tapline-{kind}"
    stream = data_stream(kind)
    return f"{stream.type}-{stream.dataset}"


def policy_name(kept: str) -> str:
    """The name of the lifecycle policy of a data stream."""
    return f"tapline-{kept}"


def kept_kind(kind: str) -> str:
    """Under which name the settings of the lifecycle know the data stream of one kind of document."""
    return ALERT.kind if kind == NOTIFICATION.kind else kind


def is_current(kind: str) -> bool:
    """True where the documents of a kind are in one index that says how things stand, not in a data stream."""
    return any(topic.kind == kind for topic in CURRENT)


def is_newer(found: dict[str, Any]) -> bool:
    """True where this mark (the ``_meta`` of a template, policy or mapping) is that of a later version than ours."""
    version = found.get("version")
    return found.get("managed_by") == _MANAGED_BY and isinstance(version, int) and version > VERSION


def _common() -> dict[str, Any]:
    return {
        "dynamic": False,
        "date_detection": False,
        "numeric_detection": False,
        "properties": properties(Common),
    }


def _conversation() -> dict[str, Any]:
    common = properties(Common)
    return {name: field for name, field in properties(Conversation).items() if name not in common}


def _index_template(kind: str, *, lifecycle: bool) -> dict[str, Any]:
    document = DOCUMENTS[kind]
    shared = properties(Conversation if issubclass(document, Conversation) else Common)
    whole = mapping(kind)
    own: dict[str, Any] = {name: field for name, field in whole.items() if name in ("_meta", "dynamic_templates")}
    own["properties"] = {name: field for name, field in whole["properties"].items() if name not in shared}
    conversation = [_CONVERSATION] if issubclass(document, Conversation) else []
    template: dict[str, Any] = {"mappings": own}
    if lifecycle and not is_current(kind):
        template["settings"] = {"index": {"lifecycle": {"name": policy_name(kept_kind(kind))}}}
    body = {
        "index_patterns": [index_name(kind, "*")],
        "composed_of": [_SETTINGS, _COMMON, *conversation],
        "template": template,
        "priority": PRIORITY,
    }
    return _marked(body if is_current(kind) else body | {"data_stream": {}})


def _policy(settings: LifecycleSettings, kept: str) -> dict[str, Any]:
    size = f"{settings.rollover_gigabytes}gb"
    phases: dict[str, Any] = {
        "hot": {
            "min_age": "0ms",
            "actions": {"rollover": {"max_age": f"{settings.rollover_days}d", "max_primary_shard_size": size}},
        }
    }
    if settings.warm_days is not None:
        phases["warm"] = {
            "min_age": f"{settings.warm_days}d",
            "actions": {"readonly": {}, "forcemerge": {"max_num_segments": 1}},
        }
    delete_days = settings.delete_days_for(kept)
    if delete_days is not None:
        phases["delete"] = {"min_age": f"{delete_days}d", "actions": {"delete": {}}}
    return _marked({"phases": phases})


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"_meta": _mark(body)}


def _mark(body: dict[str, Any]) -> dict[str, Any]:
    """Version and a digest of the content: servers give a template back in another form than it was put."""
    digest = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
    return {"managed_by": _MANAGED_BY, "version": VERSION, "digest": digest}
