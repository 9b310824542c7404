"""What Elasticsearch keeps, how, and for how long: mappings that grow older, sorted and pruned indices."""

import time
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from exporters.elasticsearch.documents import encode_document
from exporters.elasticsearch.pruning import Pruned, prune
from exporters.elasticsearch.server import backing_indices
from exporters.elasticsearch.settings import LifecycleSettings
from exporters.elasticsearch.setup import Change, setup
from exporters.elasticsearch.templates import MOST_FIELDS, index_templates, mapping
from tapline.commands import cli
from tests.integration.exporters.lab import Lab
from tests.unit.exporters.samples import STREAM, TIME, WINDOW, alert_state, counter, flow
from topics.catalog import ALERT_STATE, COUNTER, FLOW
from topics.records import Record

DAY = 86_400.0
TEMPLATE = "logs-tapline.flow"


def run(lab: Lab, *arguments: str, **environment: str) -> Result:
    """A command of `tapline export` with the lab's Elasticsearch and names."""
    settings = {
        "TAPLINE_CONFIG": "",
        "TAPLINE_ELASTICSEARCH__HOSTS": f"{lab.settings.hosts}",
        "TAPLINE_ELASTICSEARCH__NAMESPACE": lab.settings.namespace,
    }
    return CliRunner().invoke(cli, ["export", *arguments], env=settings | environment)


def indices(lab: Lab) -> list[str]:
    """The indices behind the data stream of flows, oldest first."""
    name = lab.stream_name(FLOW)
    return backing_indices(lab.client, [name]).get(name, [])


def put_older_template(lab: Lab) -> None:
    """The template of flows as an older version may have put it: without a field, and with another type."""
    body = index_templates()[TEMPLATE]
    template = msgspec.json.decode(msgspec.json.encode(body["template"]))
    own = template["mappings"]
    own["_meta"] |= {"version": 0, "digest": "older"}
    del own["properties"]["tapline"]["properties"]["flow"]["properties"]["application"]
    own["properties"]["tapline"]["properties"]["flow"]["properties"]["sequence"] = {"type": "keyword"}
    lab.client.indices.put_index_template(
        name=TEMPLATE,
        index_patterns=body["index_patterns"],
        composed_of=body["composed_of"],
        template=template,
        data_stream={},
        priority=body["priority"],
        meta=body["_meta"] | {"version": 0, "digest": "older"},
    )


def write(lab: Lab, records: list[Record]) -> None:
    """Write documents as an exporter does that never looks at templates."""
    name = lab.stream_name(FLOW)
    lines = []
    for record in records:
        lines += [b'{"create":{"_index":"%s","_id":"%s"}}' % (name.encode(), record.id.encode())]
        lines += [encode_document(FLOW, record, STREAM, WINDOW, lab.settings.namespace)]
    answer = lab.client.bulk(body=b"\n".join(lines) + b"\n", refresh=True)
    assert not answer["errors"], answer


def found(lab: Lab, **term: Any) -> int:
    return int(lab.client.count(index=lab.stream_name(FLOW), query={"term": term})["count"])


def create_without_template(lab: Lab, name: str, mappings: dict[str, Any]) -> None:
    """An index that has this mapping and nothing of a template."""
    lab.client.indices.put_index_template(name=name, index_patterns=[name], priority=1000)
    try:
        lab.client.indices.create(index=name, mappings=mappings)
    finally:
        lab.client.indices.delete_index_template(name=name)


def test_a_new_version_rolls_over_what_an_older_one_made(lab: Lab) -> None:
    setup(lab.client, lab.settings)
    put_older_template(lab)
    try:
        write(lab, [flow(number) for number in range(3)])
    finally:
        would = run(lab, "check", "--json")
        changed = run(lab, "setup", "--json")
    stream = lab.stream_name(FLOW)
    expected = [
        {"name": TEMPLATE, "kind": "index template", "action": "updated", "reason": ""},
        {"name": stream, "kind": "data stream", "action": "rolled over", "reason": ""},
    ]
    assert (would.exit_code, changed.exit_code) == (1, 0), would.output + changed.output
    assert msgspec.json.decode(would.output)["differences"] == expected
    assert msgspec.json.decode(changed.output)["changes"] == expected

    old, new = indices(lab)
    lab.publish(FLOW, [flow(number) for number in range(3, 5)])
    lab.export()
    assert lab.count(FLOW) == 5
    assert (int(lab.client.count(index=old)["count"]), int(lab.client.count(index=new)["count"])) == (3, 2)
    made = lab.client.indices.get_mapping(index=new)[new]["mappings"]
    assert made["_meta"] == mapping(FLOW.kind)["_meta"]
    assert made["properties"]["tapline"]["properties"]["flow"]["properties"]["sequence"] == {"type": "long"}
    assert found(lab, **{"tapline.flow.application": flow().application}) == 2, "the old index cannot be asked for it"

    assert setup(lab.client, lab.settings) == []
    clean = run(lab, "check")
    assert clean.exit_code == 0
    assert "has no lifecycle management (ILM): run `tapline export prune` every day" in clean.output
    assert clean.output.endswith("Everything is as it should be.\n")
    assert indices(lab) == [old, new]


def test_what_stands_in_one_index_gets_the_new_fields_there(lab: Lab) -> None:
    name = lab.stream_name(ALERT_STATE)
    whole = mapping(ALERT_STATE.kind)
    properties = {each: field for each, field in whole["properties"].items() if each != "rule"}
    create_without_template(lab, name, whole | {"properties": properties, "_meta": {"digest": "older"}})
    assert setup(lab.client, lab.settings) == [Change(name, "index", "extended")]
    lab.publish(ALERT_STATE, [alert_state()])
    lab.export()
    (made,) = lab.client.indices.get_mapping(index=name).values()
    assert made["mappings"]["properties"]["rule"] == whole["properties"]["rule"]
    assert setup(lab.client, lab.settings) == []


def test_a_mapping_that_cannot_be_extended_is_told_of_and_stops_nothing(lab: Lab) -> None:
    name = lab.stream_name(ALERT_STATE)
    create_without_template(lab, name, {"properties": {"event": {"type": "keyword"}}})
    result = run(lab, "setup")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith(name)]
    assert "kept: its mapping cannot be changed in place (400 " in line
    lab.publish(FLOW, [flow()])
    lab.export()
    assert lab.count(FLOW) == 1


def test_a_template_of_somebody_else_that_stands_above_does_not_roll_over_for_ever(lab: Lab) -> None:
    stream = lab.stream_name(FLOW)
    lab.client.indices.put_index_template(
        name=stream, index_patterns=[stream], data_stream={}, priority=1000, template={"mappings": {"dynamic": False}}
    )
    try:
        write(lab, [flow()])
        (change,) = setup(lab.client, lab.settings)
        assert (change.name, change.action) == (stream, "kept")
        assert "another index template stands above ours" in change.reason
        assert len(indices(lab)) == 1
    finally:
        lab.client.indices.delete_index_template(name=stream)


def test_documents_lie_newest_first(lab: Lab) -> None:
    times = [TIME + 1_000_000 * number for number in (3, 1, 4, 0, 2)]
    lab.publish(FLOW, [flow(number, time=each) for number, each in enumerate(times)])
    lab.export()
    lab.client.indices.forcemerge(index=lab.stream_name(FLOW), max_num_segments=1)
    hits = lab.client.search(index=lab.stream_name(FLOW), sort="_doc", source=["@timestamp"])["hits"]["hits"]
    lie = [hit["_source"]["@timestamp"] for hit in hits]
    assert len(set(lie)) == len(times)
    assert lie == sorted(lie, reverse=True)


def test_meters_without_end_are_kept_though_not_all_can_be_searched(lab: Lab) -> None:
    meters = {f"meter_{number}": number for number in range(MOST_FIELDS + 100)}
    lab.publish(COUNTER, [counter(0, **meters)])
    lab.export()
    assert lab.dead_letters() == []
    name = lab.stream_name(COUNTER)
    lab.client.indices.refresh(index=name)
    (hit,) = lab.client.search(index=name)["hits"]["hits"]
    assert hit["_source"]["tapline"]["counter"]["meter"] == meters
    ignored = {each.rpartition(".")[2] for each in hit["_ignored"]}
    assert len(ignored) >= 100
    searchable = next(each for each in meters if each not in ignored)
    query = {"term": {f"tapline.counter.meter.{searchable}": meters[searchable]}}
    assert lab.client.count(index=name, query=query)["count"] == 1


def pruned(lab: Lab, days: float, *, dry: bool = False, **lifecycle: Any) -> list[tuple[str, str, int]]:
    """What becomes of the indices of flows so many days from now: index, action, number of documents."""
    settings = lab.with_settings(lifecycle=LifecycleSettings(**lifecycle))
    done: list[Pruned] = list(prune(lab.client, settings, dry=dry, now=time.time() + days * DAY))
    assert {each.data_stream for each in done} == {lab.stream_name(FLOW)}
    return [(each.index, each.action, each.documents) for each in done]


def test_indices_are_rolled_over_and_deleted_when_all_in_them_is_old(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0), flow(1)])
    lab.export()
    (first,) = indices(lab)
    limits = {"rollover_days": 5, "delete_days": 30, "delete_days_of": {"counter": 1}}

    assert pruned(lab, 4, **limits) == [(first, "kept", 2)]
    assert pruned(lab, 6, dry=True, **limits) == [(first, "rolled over", 2)]
    assert indices(lab) == [first]
    assert pruned(lab, 6, **limits) == [(first, "rolled over", 2)]
    _, second = indices(lab)

    # An empty index is not rolled over, however old.
    assert pruned(lab, 29, **limits) == [(first, "kept", 2), (second, "kept", 0)]
    late = round((time.time() + 10 * DAY) * 1_000_000)
    lab.publish(FLOW, [flow(2), flow(3, time=late)])
    lab.export()
    assert pruned(lab, 29, **limits) == [(first, "kept", 2), (second, "rolled over", 2)]
    third = indices(lab)[-1]

    assert pruned(lab, 31, dry=True, **limits)[0] == (first, "deleted", 2)
    assert indices(lab) == [first, second, third]
    # The second holds a document that is ten days younger than its index.
    assert pruned(lab, 31, **limits) == [(first, "deleted", 2), (second, "kept", 2), (third, "kept", 0)]
    assert indices(lab) == [second, third]
    assert lab.count(FLOW) == 2
    assert pruned(lab, 41, **limits) == [(second, "deleted", 2), (third, "kept", 0)]
    assert pruned(lab, 30_000, **limits) == [(third, "kept", 0)], "the newest is never deleted"
    lab.publish(FLOW, [flow(4)])
    lab.export()
    assert lab.count(FLOW) == 1


def test_without_an_age_nothing_is_deleted(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.export()
    assert [action for _, action, _ in pruned(lab, 10_000)] == ["rolled over"]
    assert [action for _, action, _ in pruned(lab, 20_000)] == ["kept", "kept"]


def test_prune_says_what_it_did(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.export()
    told = run(lab, "prune", "--dry-run")
    assert told.exit_code == 0, told.output
    (line,) = [line.split() for line in told.output.splitlines() if line.startswith(".ds-")]
    assert (line[0], line[1], line[-1]) == (indices(lab)[0], "1", "kept")
    assert "0 of 1 indices would be deleted, 0 would be rolled over." in told.output
    assert "Nothing is deleted before elasticsearch.lifecycle.delete_days is set." in told.output
    said = msgspec.json.decode(run(lab, "prune", "--json", TAPLINE_ELASTICSEARCH__LIFECYCLE__DELETE_DAYS="1").output)
    assert (said["dry"], said["lifecycle"], said["problem"]) == (False, False, "")
    (only,) = said["indices"]
    assert (only["action"], only["documents"], only["closed"]) == ("kept", 1, None)
    assert only["newest"] == pytest.approx(flow(0).time / 1_000_000, abs=0.01)
