"""The exporter against a real Kafka and a real Elasticsearch: what goes in comes out, counted."""

import base64

import msgspec
import pytest

from exporters.elasticsearch.documents import EXPORTED
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.setup import setup
from exporters.elasticsearch.templates import component_templates, index_templates
from tests.integration.exporters.lab import Lab, Outcomes
from tests.unit.exporters.samples import SAMPLES, STREAM, WINDOW, alert, alert_state, counter, dns, document, flow
from topics.catalog import ALERT_STATE, COUNTER, DEAD, DOCUMENT, FLOW, NOTIFICATION, RESOURCE
from topics.codec import Envelope, encode
from topics.errors import TaplineError


def test_every_record_becomes_one_document_and_no_more_when_sent_again(lab: Lab) -> None:
    sent = {FLOW: 3000, RESOURCE: 40, DOCUMENT: 7, NOTIFICATION: 5, COUNTER: 60}
    makers = {FLOW: flow, RESOURCE: dns, DOCUMENT: document, NOTIFICATION: alert, COUNTER: counter}
    octets = sum(21_000 + number for number in range(sent[FLOW]))
    for times in (1, 2):
        outcomes = Outcomes()
        for topic, number in sent.items():
            records = [makers[topic](each) for each in range(number)]
            for start in range(0, number, 700):
                lab.publish(topic, records[start : start + 700], partition=start // 700 % 2)
            lab.mark(topic, 0)
            lab.mark(topic, 1)
        lab.export()
        for topic, number in sent.items():
            assert lab.count(topic) == number
            assert outcomes.of(topic) == {
                "read": number,
                "written": number if times == 1 else 0,
                "duplicate": 0 if times == 1 else number,
                "rejected": 0,
            }
        assert lab.total(FLOW, "network.bytes") == octets
    assert lab.dead_letters() == []


def test_every_sample_is_taken_as_it_is(lab: Lab) -> None:
    """Each field of each kind of document passes the mapping, and comes back as it was written."""
    for topic, record in SAMPLES:
        lab.publish(topic, [record])
    lab.export()
    for topic in EXPORTED:
        expected = sorted(record.id for kind, record in SAMPLES if kind is topic)
        assert sorted(each["event"]["id"] for each in lab.documents(topic)) == expected
    assert lab.dead_letters() == [record for topic, record in SAMPLES if topic is DEAD]


def test_a_condition_is_one_document_that_says_how_it_stands(lab: Lab) -> None:
    released = alert_state()
    engaged = msgspec.structs.replace(released, status="engaged", alert=alert(), acknowledged="")
    other = msgspec.structs.replace(engaged, id="other")
    stored = msgspec.structs.replace(engaged, id="stored", status="stored")
    lab.publish(ALERT_STATE, [engaged])
    lab.publish(ALERT_STATE, [other])
    lab.export()
    standing = {each["event"]["id"]: each["tapline"]["state"]["status"] for each in lab.documents(ALERT_STATE)}
    assert standing == {engaged.id: "engaged", "other": "engaged"}
    outcomes = Outcomes()
    lab.publish(ALERT_STATE, [released])
    lab.publish(ALERT_STATE, [stored])
    lab.send(ALERT_STATE, None, Envelope(ALERT_STATE.schema, "~alert/0", "", 0, 0, 1).headers(), key="other")
    lab.export()
    standing = {each["event"]["id"]: each["tapline"]["state"]["status"] for each in lab.documents(ALERT_STATE)}
    assert standing == {released.id: "released", "other": "engaged"}, "what the worker needs no more stays as it was"
    assert outcomes.of(ALERT_STATE) == {"read": 2, "written": 1, "duplicate": 0, "rejected": 0}
    assert lab.dead_letters() == []


def test_fields_can_be_searched_by_their_types(lab: Lab) -> None:
    for topic, record in SAMPLES:
        lab.publish(topic, [record])
    lab.export()
    queries = {
        FLOW: [
            {"term": {"source.ip": "10.0.0.0/24"}},
            {"term": {"tapline.flow.application": "TLS.Google"}},
            {"range": {"@timestamp": {"gte": "2023-11-14T22:14:10.123456Z", "lte": "2023-11-14T22:14:10.123456Z"}}},
            {"range": {"event.duration": {"gte": 2_500_000_000}}},
            {"term": {"tapline.window": WINDOW * 1000}},
        ],
        RESOURCE: [
            {"term": {"dns.resolved_ip": "192.0.2.0/30"}},
            {"term": {"related.hash": "ab" * 20}},
            {"range": {"tls.server.x509.not_before": {"lte": "1970-01-01"}}},
            {"prefix": {"url.path": "/sea"}},
        ],
        DOCUMENT: [{"match": {"message": "example.org"}}],
        NOTIFICATION: [
            {"term": {"tapline.alert.attributes.client": "OpenSSH"}},
            {"range": {"event.severity": {"gte": 5}}},
        ],
        COUNTER: [{"range": {"tapline.counter.meter.share": {"gt": 0.4, "lt": 0.6}}}],
    }
    for topic, each in queries.items():
        lab.client.indices.refresh(index=lab.stream_name(topic))
        for query in each:
            assert lab.client.count(index=lab.stream_name(topic), query=query)["count"] > 0, query


def test_templates_are_put_once(lab: Lab) -> None:
    setup(lab.client, lab.settings)
    assert setup(lab.client, lab.settings) == []
    for name in component_templates(lab.settings):
        assert lab.client.cluster.exists_component_template(name=name)
    for name in index_templates():
        assert lab.client.indices.exists_index_template(name=name)
    other = lab.with_settings(replicas=1)
    assert [(each.name, each.action) for each in setup(lab.client, other)] == [("tapline-settings", "updated")]
    assert [(each.name, each.action) for each in setup(lab.client, lab.settings)] == [("tapline-settings", "updated")]


def broken_header(name: str, value: bytes) -> list[tuple[str, bytes]]:
    return [*HEADERS, (name, value)]


HEADERS = Envelope(FLOW.schema, "node-1", STREAM, WINDOW, 0, 1).headers()
BROKEN = {
    "no headers": (encode([flow(0)]), None, "headers"),
    "a header missing": (encode([flow(0)]), HEADERS[:-1], "headers"),
    "a header that is no number": (encode([flow(0)]), broken_header("window", b"now"), "headers"),
    "a header that is no text": (encode([flow(0)]), broken_header("node", b"\xff"), "headers"),
    "another schema": (encode([dns(0)]), broken_header("schema", b"metric/1"), "schema"),
    "a later version": (encode([flow(0)]), broken_header("schema", b"flow/2"), "schema"),
    "no body": (None, HEADERS, "empty"),
    "an empty body": (b"", HEADERS, "undecodable"),
    "no JSON": (b"\x00\x01", HEADERS, "undecodable"),
    "half a JSON": (encode([flow(0)])[:-5], HEADERS, "undecodable"),
    "a field of another type": (b'[{"id":"1","time":"noon"}]', HEADERS, "undecodable"),
    "fewer records than said": (encode([flow(0)]), broken_header("count", b"2"), "count"),
    "a marker that is none": (encode([flow(0)]), broken_header("schema", b"snapshot/1"), "undecodable"),
}


def test_a_broken_message_is_a_dead_letter_and_the_others_pass(lab: Lab) -> None:
    outcomes = Outcomes()
    for number, (value, headers, _) in enumerate(BROKEN.values()):
        lab.send(FLOW, value, headers)
        lab.publish(FLOW, [flow(number)])
    for topic in EXPORTED:
        if topic is not FLOW:
            lab.send(topic, b"broken", None)
    lab.export()
    assert lab.count(FLOW) == len(BROKEN)
    assert outcomes.of(FLOW) == {
        "read": 2 * len(BROKEN),
        "written": len(BROKEN),
        "duplicate": 0,
        "rejected": len(BROKEN),
    }
    letters = lab.dead_letters()
    of_flows = sorted((each for each in letters if each.topic == FLOW.name(lab.kafka.prefix)), key=lambda it: it.offset)
    assert [each.reason for each in of_flows] == [reason for _, _, reason in BROKEN.values()]
    assert [base64.b64decode(each.value) for each in of_flows] == [value or b"" for value, _, _ in BROKEN.values()]
    assert all(each.error and each.stage == "exporter-elasticsearch" for each in letters)
    assert {each.topic for each in letters} == {topic.name(lab.kafka.prefix) for topic in EXPORTED}
    assert lab.count(DEAD) == len(letters) == len(BROKEN) + len(EXPORTED) - 1
    assert {each["error"]["type"] for each in lab.documents(DEAD)} == {reason for _, _, reason in BROKEN.values()}


def test_a_document_that_the_mapping_refuses_is_a_dead_letter_and_the_rest_is_written(lab: Lab) -> None:
    outcomes = Outcomes()
    good = [flow(number) for number in range(200)]
    bad = {7: flow(7, source_ip="not an address"), 100: flow(100, end=2**70), 199: flow(199, id="")}
    lab.publish(FLOW, [bad.get(number, record) for number, record in enumerate(good)])
    lab.publish(COUNTER, [counter(0, bytes=1)])
    lab.publish(COUNTER, [counter(1, **{"bytes.in": 1})])
    lab.export()
    assert lab.count(FLOW) == 197
    assert outcomes.of(FLOW) == {"read": 200, "written": 197, "duplicate": 0, "rejected": 3}
    assert outcomes.of(COUNTER) == {"read": 2, "written": 1, "duplicate": 0, "rejected": 1}
    letters = {(each.topic, each.error.partition(":")[0]): each for each in lab.dead_letters()}
    flows, counters = FLOW.name(lab.kafka.prefix), COUNTER.name(lab.kafka.prefix)
    assert set(letters) == {(flows, "record 7"), (flows, "record 100"), (flows, "record 199"), (counters, "record 0")}
    assert letters[flows, "record 7"].reason == "document_parsing_exception"
    assert "not an address" in letters[flows, "record 7"].error
    assert letters[flows, "record 199"].reason == "document"
    assert msgspec.json.decode(base64.b64decode(letters[flows, "record 7"].value), type=FLOW.record) == bad[7]


def test_a_dead_letter_that_is_refused_is_not_sent_round_again(lab: Lab) -> None:
    letter = next(record for topic, record in SAMPLES if topic is DEAD)
    lab.publish(DEAD, [msgspec.structs.replace(letter, time=2**70)])
    outcomes = Outcomes()
    lab.export()
    assert outcomes.of(DEAD) == {"read": 1, "written": 0, "duplicate": 0, "rejected": 1}
    assert len(lab.dead_letters()) == 1


def test_nothing_is_left_of_a_bulk_too_large_for_one_request(lab: Lab) -> None:
    """Requests that are refused for their size are halved until they pass."""
    lab.publish(FLOW, [flow(number) for number in range(900)])
    lab.export(lab.with_settings(bulk_bytes=1024))
    assert lab.count(FLOW) == 900


def test_topics_that_are_missing_are_named(lab: Lab) -> None:
    kafka = msgspec.structs.replace(lab.kafka, prefix="nothing-here")
    with pytest.raises(
        TaplineError, match=r"^Kafka has no topic nothing-here\.flow\.v1, .*: run `tapline topics create`"
    ):
        Exporter(kafka, lab.settings).start()


def test_a_kafka_that_is_not_there_is_named(lab: Lab) -> None:
    kafka = msgspec.structs.replace(lab.kafka, bootstrap="127.0.0.1:1")
    with pytest.raises(TaplineError, match=r"^cannot reach Kafka at 127\.0\.0\.1:1 .*`tapline up`"):
        Exporter(kafka, lab.settings).start()


def test_until_ends_the_run_with_everything_committed(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.flush()
    outcomes = Outcomes()
    with Exporter(lab.kafka, lab.with_settings(flush_seconds=30.0)) as exporter:
        exporter.run(until=lambda: outcomes.of(FLOW)["read"] == 1)
    assert lab.count(FLOW) == 1
    assert lab.waiting() == 0


def test_headers_of_a_dead_letter_are_those_of_the_message(lab: Lab) -> None:
    lab.send(FLOW, b"broken", HEADERS)
    lab.export()
    (letter,) = lab.dead_letters()
    assert [(name, base64.b64decode(value)) for name, value in letter.headers] == HEADERS
