"""Bringing what Elasticsearch has to what this program needs: policies, templates, and what was made by older ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError
from msgspec import Struct

from exporters.elasticsearch.connection import describe
from exporters.elasticsearch.documents import DOCUMENTS, index_name
from exporters.elasticsearch.privileges import check_writing
from exporters.elasticsearch.server import backing_indices, has_lifecycle
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import (
    component_templates,
    index_templates,
    is_current,
    is_newer,
    mapping,
    policies,
)
from topics.errors import TaplineError

_FORBIDDEN: Final = 403

_log = logging.getLogger(__name__)

Kind = Literal["lifecycle policy", "component template", "index template", "data stream", "index"]


class Change(Struct, frozen=True):
    """What was done with one thing in Elasticsearch, or would be.

    A data stream is ``rolled over`` where its newest index has another mapping than the template; the older
    indices stay as they are. What stands in the one index of how conditions stand is ``extended``. What another
    version of this program has put, or what cannot be changed in place, is ``kept``, with the reason.
    """

    name: str
    kind: Kind
    action: Literal["created", "updated", "rolled over", "extended", "kept"]
    reason: str = ""


_Act = Callable[[], str]
"""Makes a change; returns why it could not be made, "" where it was."""
_Step = tuple[Change, _Act]


def compare(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Change]:
    """What :func:`apply` would do; nothing is changed."""
    try:
        return [change for change, _ in _steps(client, settings)]
    except (ApiError, TransportError) as error:
        raise _failed("look at", error) from error


def apply(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Change]:
    """Put what is missing or other than it should be, roll over what an older version made; return what was done.

    Doing it again changes nothing. What a later version of this program has put is left as it is.
    """
    done = []
    try:
        for change, act in _steps(client, settings):
            reason = act()
            done.append(Change(change.name, change.kind, "kept", reason) if reason else change)
    except (ApiError, TransportError) as error:
        raise _failed("put", error) from error
    return done


def setup(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Change]:
    """What an exporter does before it writes: see that it may, and :func:`apply`.

    A user who may write but not put templates leaves them to `tapline export setup`.
    """
    check_writing(client, settings)
    try:
        return apply(client, settings)
    except TaplineError as error:
        if not isinstance(error.__cause__, ApiError) or error.__cause__.status_code != _FORBIDDEN:
            raise
        _log.info("index templates are left to `tapline export setup`", extra={"reason": describe(error.__cause__)})
        return []


def _steps(client: Elasticsearch, settings: ElasticsearchSettings) -> Iterator[_Step]:
    lifecycle = has_lifecycle(client)
    if lifecycle:
        yield from _policy_steps(client, settings)
    yield from _component_steps(client, settings)
    yield from _index_template_steps(client, lifecycle=lifecycle)
    yield from _data_stream_steps(client, settings)
    yield from _index_steps(client, settings)


def _policy_steps(client: Elasticsearch, settings: ElasticsearchSettings) -> Iterator[_Step]:
    for name, body in policies(settings.lifecycle).items():
        try:
            found = client.ilm.get_lifecycle(name=name)[name]["policy"]
        except NotFoundError:
            found = None

        def put(name: str = name, body: dict[str, Any] = body) -> str:
            client.ilm.put_lifecycle(name=name, policy=body)
            return ""

        yield from _difference(name, "lifecycle policy", found, body, put)


def _component_steps(client: Elasticsearch, settings: ElasticsearchSettings) -> Iterator[_Step]:
    for name, body in component_templates(settings).items():
        try:
            answer = client.cluster.get_component_template(name=name)
            found = answer["component_templates"][0]["component_template"]
        except NotFoundError:
            found = None

        def put(name: str = name, body: dict[str, Any] = body) -> str:
            client.cluster.put_component_template(name=name, template=body["template"], meta=body["_meta"])
            return ""

        yield from _difference(name, "component template", found, body, put)


def _index_template_steps(client: Elasticsearch, *, lifecycle: bool) -> Iterator[_Step]:
    for name, body in index_templates(lifecycle=lifecycle).items():
        try:
            found = client.indices.get_index_template(name=name)["index_templates"][0]["index_template"]
        except NotFoundError:
            found = None

        def put(name: str = name, body: dict[str, Any] = body) -> str:
            client.indices.put_index_template(
                name=name,
                index_patterns=body["index_patterns"],
                composed_of=body["composed_of"],
                template=body["template"],
                data_stream=body.get("data_stream"),
                priority=body["priority"],
                meta=body["_meta"],
            )
            return ""

        yield from _difference(name, "index template", found, body, put)


def _difference(
    name: str, kind: Kind, found: dict[str, Any] | None, body: dict[str, Any], put: _Act
) -> Iterator[_Step]:
    if found is None:
        yield Change(name, kind, "created"), put
        return
    mark = found.get("_meta", {})
    if is_newer(mark):
        yield _newer(name, kind, mark)
    elif mark.get("digest") != body["_meta"]["digest"]:
        yield Change(name, kind, "updated"), put


def _data_stream_steps(client: Elasticsearch, settings: ElasticsearchSettings) -> Iterator[_Step]:
    names = {index_name(kind, settings.namespace): kind for kind in DOCUMENTS if not is_current(kind)}
    for name, indices in backing_indices(client, names).items():
        digest = mapping(names[name])["_meta"]["digest"]

        def roll_over(name: str = name, digest: str = digest) -> str:
            made = client.indices.simulate_index_template(name=name)["template"].get("mappings", {})
            if made.get("_meta", {}).get("digest") != digest:
                return "another index template stands above ours: a new index would not have our mapping either"
            client.indices.rollover(alias=name)
            return ""

        yield from _outdated(client, indices[-1], digest, Change(name, "data stream", "rolled over"), roll_over)


def _index_steps(client: Elasticsearch, settings: ElasticsearchSettings) -> Iterator[_Step]:
    for kind in filter(is_current, DOCUMENTS):
        name, whole = index_name(kind, settings.namespace), mapping(kind)
        if not client.indices.exists(index=name):
            continue

        def extend(name: str = name, whole: dict[str, Any] = whole) -> str:
            try:
                client.indices.put_mapping(index=name, properties=whole["properties"], meta=whole["_meta"])
            except BadRequestError as error:
                return f"its mapping cannot be changed in place ({describe(error)}): it has to be indexed anew"
            return ""

        yield from _outdated(client, name, whole["_meta"]["digest"], Change(name, "index", "extended"), extend)


def _outdated(client: Elasticsearch, index: str, digest: str, change: Change, act: _Act) -> Iterator[_Step]:
    """The step where an index has another mapping than ours."""
    mark = client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
    if is_newer(mark):
        yield _newer(change.name, change.kind, mark)
    elif mark.get("digest") != digest:
        yield change, act


def _newer(name: str, kind: Kind, mark: dict[str, Any]) -> _Step:
    reason = f"it is of version {mark['version']}, later than this program's"
    return Change(name, kind, "kept", reason), lambda: reason


def _failed(verb: str, error: ApiError | TransportError) -> TaplineError:
    if isinstance(error, ApiError) and error.status_code == _FORBIDDEN:
        hint = "give the user's role what is said there"
    else:
        hint = "see that it is healthy"
    return TaplineError(
        f"cannot {verb} the index templates, policies and data streams in Elasticsearch ({describe(error)}): {hint}"
    )
