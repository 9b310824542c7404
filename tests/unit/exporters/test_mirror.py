"""The messages of the mirror."""

import json

import msgspec
import pytest

from exporters.mirror.messages import headers_of, key_of, value_of
from exporters.mirror.settings import MirrorSettings
from tests.unit.exporters.samples import SAMPLES, counter, flow
from topics.catalog import FLOW
from topics.codec import Envelope

ENVELOPE = Envelope("flow/1", "node-1", "live", 60, 0, 1)


@pytest.mark.parametrize(("topic", "record"), SAMPLES, ids=lambda each: getattr(each, "kind", ""))
def test_a_value_is_the_record(topic, record) -> None:
    value = value_of(topic, record, ENVELOPE, MirrorSettings())
    assert msgspec.json.decode(value, type=topic.record) == record


def test_a_value_can_be_the_document_that_elasticsearch_has() -> None:
    document = json.loads(value_of(FLOW, flow(7), ENVELOPE, MirrorSettings(form="ecs")))
    assert document["event"]["id"] == flow(7).id
    assert document["source"]["ip"] == "10.0.0.7"


def test_a_key_is_the_id_where_a_record_has_nothing_else() -> None:
    record = flow(7, community_id="1:abc=")
    assert key_of(record, "id") == record.id
    assert key_of(record, "flow_id") == record.flow_id
    assert key_of(record, "community_id") == "1:abc="
    assert key_of(flow(7, community_id=""), "community_id") == record.id
    assert key_of(counter(), "flow_id") == counter().id


def test_headers_say_where_a_record_comes_from() -> None:
    assert dict(headers_of(ENVELOPE, "tapline.flow.v1", 2, 77, 3)) == {
        "schema": b"flow/1",
        "stream": b"live",
        "window": b"60",
        "origin": b"tapline.flow.v1/2/77/3",
    }
