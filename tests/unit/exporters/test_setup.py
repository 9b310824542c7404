"""What setup brings about, against a stand-in that has lifecycle management: no server of the tests has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from elasticsearch import Elasticsearch

from exporters.elasticsearch.connection import client
from exporters.elasticsearch.documents import DOCUMENTS
from exporters.elasticsearch.settings import ElasticsearchSettings, Kept, LifecycleSettings
from exporters.elasticsearch.setup import Change, apply, compare, setup
from exporters.elasticsearch.templates import (
    VERSION,
    component_templates,
    index_templates,
    is_current,
    kept_kind,
    mapping,
    policies,
    template_name,
)
from tests.unit.exporters.stand_in import Asked, StandIn, serving
from topics.errors import TaplineError

NO_HANDLER = (400, {"error": "no handler found for uri", "status": 400})


class Server:
    """Keeps templates and policies as Elasticsearch does; with ``forbids``, only to those who may."""

    def __init__(self, *, lifecycle: bool = True) -> None:
        self.lifecycle = lifecycle
        self.kept: dict[str, Any] = {}
        self.forbids: tuple[int, Any] | None = None
        self.lacks: dict[str, bool] | None = None

    def answer(self, asked: Asked) -> tuple[int, Any]:
        path = asked.path.partition("?")[0]
        if path.startswith("/_ilm/") and not self.lifecycle:
            return NO_HANDLER
        if path == "/_ilm/status":
            return 200, {"operation_mode": "RUNNING"}
        if path == "/_security/user/_has_privileges":
            return self._privileges(asked.json)
        if path.startswith("/_resolve/index/"):
            return 200, {"indices": [], "aliases": [], "data_streams": []}
        found = re.fullmatch(r"/(_component_template|_index_template|_ilm/policy)/([a-z.-]+)", path)
        if found is None:
            return 404, {}
        if self.forbids is not None:
            return self.forbids
        if asked.method == "PUT":
            self.kept[path] = asked.json
            return 200, {"acknowledged": True}
        return self._kept(path, found[1], found[2])

    def _kept(self, path: str, kind: str, name: str) -> tuple[int, Any]:
        if path not in self.kept:
            return 404, {"error": {"type": "resource_not_found_exception"}, "status": 404}
        body = self.kept[path]
        if kind == "_ilm/policy":
            return 200, {name: {"version": 1} | body}
        single = kind.removeprefix("_")
        return 200, {f"{single}s": [{"name": name, single: body}]}

    def _privileges(self, wanted: Any) -> tuple[int, Any]:
        if self.lacks is None:
            return NO_HANDLER
        lacks = self.lacks
        index: dict[str, dict[str, bool]] = {}
        for each in wanted["index"]:
            for name in each["names"]:
                index[name] = {privilege: privilege not in lacks for privilege in each["privileges"]}
        cluster = {privilege: privilege not in lacks for privilege in wanted["cluster"]}
        return 200, {"cluster": cluster, "index": index}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def reached(server: Server) -> Iterator[Elasticsearch]:
    with serving(StandIn(server.answer)) as stand_in, client(ElasticsearchSettings(hosts=[stand_in.url])) as made:
        yield made


def names(changes: list[Change], kind: str) -> dict[str, str]:
    return {each.name: each.action for each in changes if each.kind == kind}


def test_each_data_stream_gets_a_policy_with_the_phases_that_are_set(server: Server, reached: Elasticsearch) -> None:
    lifecycle = LifecycleSettings(
        rollover_days=3, rollover_gigabytes=20, warm_days=10, delete_days=90, delete_days_of={"flow": 30}
    )
    settings = ElasticsearchSettings(lifecycle=lifecycle)
    planned = compare(reached, settings)
    assert server.kept == {}, "looking changes nothing"
    assert apply(reached, settings) == planned
    assert names(planned, "lifecycle policy") == {f"tapline-{kind}": "created" for kind in get_args(Kept)}
    assert server.kept["/_ilm/policy/tapline-flow"]["policy"]["phases"] == {
        "hot": {
            "min_age": "0ms",
            "actions": {"rollover": {"max_age": "3d", "max_primary_shard_size": "20gb"}},
        },
        "warm": {"min_age": "10d", "actions": {"readonly": {}, "forcemerge": {"max_num_segments": 1}}},
        "delete": {"min_age": "30d", "actions": {"delete": {}}},
    }
    others = [server.kept[f"/_ilm/policy/tapline-{kind}"]["policy"] for kind in get_args(Kept) if kind != "flow"]
    assert {each["phases"]["delete"]["min_age"] for each in others} == {"90d"}
    for kind in DOCUMENTS:
        body = index_templates(lifecycle=True)[template_name(kind)]
        named = body["template"].get("settings", {}).get("index", {}).get("lifecycle", {}).get("name")
        assert named == (None if is_current(kind) else f"tapline-{kept_kind(kind)}")
    assert server.kept["/_index_template/logs-tapline.flow"]["template"]["settings"] == {
        "index": {"lifecycle": {"name": "tapline-flow"}}
    }


def test_without_an_age_nothing_is_deleted() -> None:
    for body in policies(LifecycleSettings()).values():
        assert set(body["phases"]) == {"hot"}


def test_doing_it_again_changes_nothing_and_another_age_changes_that_policy(
    server: Server, reached: Elasticsearch
) -> None:
    settings = ElasticsearchSettings()
    apply(reached, settings)
    assert apply(reached, settings) == compare(reached, settings) == []
    other = ElasticsearchSettings(lifecycle=LifecycleSettings(delete_days_of={"dead": 14}))
    assert apply(reached, other) == [Change("tapline-dead", "lifecycle policy", "updated")]
    assert server.kept["/_ilm/policy/tapline-dead"]["policy"]["phases"]["delete"]["min_age"] == "14d"


def test_without_lifecycle_management_no_template_names_a_policy(server: Server, reached: Elasticsearch) -> None:
    server.lifecycle = False
    changes = apply(reached, ElasticsearchSettings(lifecycle=LifecycleSettings(delete_days=5)))
    assert not names(changes, "lifecycle policy")
    assert "lifecycle" not in msgspec.json.encode(server.kept).decode()


def test_what_a_later_version_has_put_is_left_as_it_is(server: Server, reached: Elasticsearch) -> None:
    settings = ElasticsearchSettings()
    apply(reached, settings)
    later = server.kept["/_index_template/logs-tapline.flow"]
    later["_meta"] |= {"version": VERSION + 1, "digest": "another"}
    expected = Change(
        "logs-tapline.flow", "index template", "kept", f"it is of version {VERSION + 1}, later than this program's"
    )
    assert compare(reached, settings) == apply(reached, settings) == [expected]
    assert server.kept["/_index_template/logs-tapline.flow"] is later


def test_who_may_write_but_put_no_templates_leaves_them_to_others(server: Server, reached: Elasticsearch) -> None:
    reason = "action [cluster:admin/component_template/get] is unauthorized, granted by [manage_index_templates]"
    server.forbids = (403, {"error": {"type": "security_exception", "reason": reason}, "status": 403})
    server.lacks = {}
    assert setup(reached, ElasticsearchSettings()) == []
    with pytest.raises(TaplineError, match=r"^cannot put .*manage_index_templates.*: give the user's role"):
        apply(reached, ElasticsearchSettings())


def test_who_may_not_write_is_told_which_privileges_are_missing(server: Server, reached: Elasticsearch) -> None:
    server.lacks = {"create_doc": True, "monitor": True}
    with pytest.raises(TaplineError) as caught:
        setup(reached, ElasticsearchSettings())
    text = str(caught.value)
    assert "monitor (cluster), create_doc (on " in text
    assert "logs-tapline.flow-default" in text
    assert "auto_configure" not in text
    assert "alert-state" not in text, "there the privilege is another one"
    assert server.kept == {}


def test_all_that_is_kept_is_a_data_stream_of_ours() -> None:
    assert set(get_args(Kept)) == {kept_kind(kind) for kind in DOCUMENTS if not is_current(kind)}


def test_templates_compute_nothing_at_search_and_leave_no_field_to_chance() -> None:
    for name, body in (component_templates(ElasticsearchSettings()) | index_templates()).items():
        text = msgspec.json.encode(body).decode()
        assert '"runtime"' not in text, name
    for kind in DOCUMENTS:
        whole = mapping(kind)
        assert whole["dynamic"] is False
        for path, field in _leaves(whole["properties"]):
            if field["type"] == "keyword" and field.get("index", True):
                assert 0 < field["ignore_above"] <= 8191, f"{kind}: {path} could be too long for a term"


def _leaves(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in fields.items():
        if "properties" in each:
            yield from _leaves(each["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, each


def test_all_parts_of_a_template_make_the_whole_mapping() -> None:
    components = component_templates(ElasticsearchSettings())
    for kind in DOCUMENTS:
        body = index_templates()[template_name(kind)]
        made: dict[str, Any] = {}
        for part in [*(components[name] for name in body["composed_of"]), body]:
            given = part["template"].get("mappings", {})
            made = made | given | {"properties": made.get("properties", {}) | given.get("properties", {})}
        assert made == mapping(kind)


@pytest.mark.parametrize(
    "given", [{"warm_days": 7, "delete_days": 7}, {"warm_days": 7, "delete_days": 30, "delete_days_of": {"dead": 1}}]
)
def test_what_is_deleted_before_it_is_closed_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="warm_days"):
        msgspec.convert(given, LifecycleSettings)
