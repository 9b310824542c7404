"""Documents: what of a record ends up where, and that ECS knows the names."""

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporters.elasticsearch import DOCUMENTS, EXPORTED, encode_document
from exporters.elasticsearch.mappings import properties
from exporters.elasticsearch.resources import split_host
from tests.unit.exporters.samples import SAMPLES, STREAM, TIME, WINDOW, dns, flow, status, tag
from topics.catalog import ANNOTATION, COUNTER, FLOW, RESOURCE, Topic
from topics.records import Certificate, Metric, Record, Resource

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden/elasticsearch_documents.jsonl"
ECS_FIELDS = ROOT.parent / "shared/ecs/fields.csv"

COMPATIBLE = {
    "constant_keyword": {"keyword"},
    "wildcard": {"keyword"},
    "match_only_text": {"text"},
    "date": {"date", "date_nanos"},
}
"""Types that may stand for a type of ECS; of the same family where a server may lack it, or finer."""


def read(topic: Topic, record: Record) -> dict[str, Any]:
    return json.loads(encode_document(topic, record, STREAM, WINDOW))


def leaves(fields: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found = {}
    for name, field in fields.items():
        if "properties" in field:
            found |= leaves(field["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = field["type"]
    return found


def paths(document: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in document.items():
        for each in value if isinstance(value, list) else [value]:
            found |= paths(each, f"{prefix}{name}.") if isinstance(each, dict) else {prefix + name}
    return found


def test_documents_are_those_agreed_on() -> None:
    golden = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    assert [read(topic, record) for topic, record in SAMPLES] == golden


def test_every_exported_topic_has_a_document() -> None:
    assert {topic.kind for topic, _ in SAMPLES} == {topic.kind for topic in EXPORTED} == set(DOCUMENTS)


def test_samples_use_every_field_of_every_document() -> None:
    for kind, document in DOCUMENTS.items():
        used = set[str]().union(*(paths(read(topic, record)) for topic, record in SAMPLES if topic.kind == kind))
        # Fields that all documents share are not all of use to each kind; scripts name meters and attributes.
        unused = {path for path in leaves(properties(document)) if path not in used}
        shared = set(leaves(properties(DOCUMENTS["dead"]))) | set(leaves(properties(DOCUMENTS["document"])))
        assert unused - shared <= {"tapline.counter.meter", "tapline.alert.attributes"}, kind


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_fields_are_those_of_ecs(kind: str) -> None:
    if not ECS_FIELDS.is_file():
        pytest.skip(f"the list of ECS fields is not there: {ECS_FIELDS}")
    with ECS_FIELDS.open(encoding="utf-8") as lines:
        types = {row["Field"]: row["Type"] for row in csv.DictReader(lines)}
    for path, kind_of_field in leaves(properties(DOCUMENTS[kind])).items():
        if path.startswith("tapline."):
            continue
        assert path in types, f"{path} is no field of ECS"
        wanted = types[path]
        assert kind_of_field == wanted or kind_of_field in COMPATIBLE.get(wanted, set()), f"{path} is {wanted} in ECS"


@pytest.fixture(scope="module")
def ecs_fields() -> dict[str, dict[str, str]]:
    """The rows of the list of ECS fields, by the field."""
    if not ECS_FIELDS.is_file():
        pytest.skip(f"the list of ECS fields is not there: {ECS_FIELDS}")
    with ECS_FIELDS.open(encoding="utf-8") as lines:
        return {row["Field"]: row for row in csv.DictReader(lines)}


def lists(document: dict[str, Any], prefix: str = "") -> set[str]:
    """The fields of a document whose values are lists."""
    found = set()
    for name, value in document.items():
        if isinstance(value, dict):
            found |= lists(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found.add(prefix + name)
    return found


def test_what_is_written_is_mapped_and_of_ecs(ecs_fields: dict[str, dict[str, str]]) -> None:
    """Also what ECS has as one value is one, and what it has as a list is a list."""
    for topic, record in SAMPLES:
        document = read(topic, record)
        mapped = leaves(properties(DOCUMENTS[topic.kind]))
        open_ended = tuple(f"{path}." for path, kind in mapped.items() if kind in {"flattened", "object"})
        for path in paths(document):
            assert path in mapped or path.startswith(open_ended), path
            assert path.startswith("tapline.") or path in ecs_fields or path.startswith(open_ended), path
        written = lists(document)
        for path in paths(document) - written:
            if path in ecs_fields and not any(path.startswith(f"{each}.") for each in written):
                assert ecs_fields[path]["Normalization"] != "array", f"{path} is a list in ECS"
        for path in written:
            if not path.startswith("tapline."):
                assert ecs_fields[path]["Normalization"] == "array", f"{path} is one value in ECS"


CATEGORIES = {
    "kind": {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"},
    "category": {
        *("api", "authentication", "configuration", "database", "driver", "email", "file", "host", "iam", "library"),
        *("intrusion_detection", "malware", "network", "package", "process", "registry", "session", "threat"),
        *("vulnerability", "web"),
    },
    "type": {
        *("access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "device", "end"),
        *("error", "group", "indicator", "info", "installation", "protocol", "start", "user"),
    },
}
"""The values that ECS 8.17 allows in ``event``; its list of fields does not have them."""


def test_events_are_categorised_by_the_words_of_ecs() -> None:
    for topic, record in SAMPLES:
        event = read(topic, record)["event"]
        for name, allowed in CATEGORIES.items():
            values = event.get(name, [])
            assert set([values] if isinstance(values, str) else values) <= allowed, (topic.kind, name)


def test_bytes_of_an_updated_flow_add_up_to_its_total() -> None:
    deltas = [(100, 2, 3000, 4), (0, 0, 1500, 1), (60, 1, 0, 0)]
    totals = [0, 0, 0, 0]
    documents = []
    for sequence, (up, up_packets, down, down_packets) in enumerate(deltas):
        totals = [a + b for a, b in zip(totals, (up, up_packets, down, down_packets), strict=True)]
        record = flow(
            record="final" if sequence == 2 else "update",
            sequence=sequence,
            delta_source_bytes=up,
            delta_source_packets=up_packets,
            delta_destination_bytes=down,
            delta_destination_packets=down_packets,
            total_source_bytes=totals[0],
            total_source_packets=totals[1],
            total_destination_bytes=totals[2],
            total_destination_packets=totals[3],
        )
        documents.append(read(FLOW, record))
    assert sum(each["network"]["bytes"] for each in documents) == 4660
    assert sum(each["network"]["packets"] for each in documents) == 8
    assert sum(each["source"]["bytes"] for each in documents) == 160
    assert sum(each["destination"]["bytes"] for each in documents) == 4500
    assert documents[-1]["tapline"]["flow"]["total_bytes"] == 4660
    assert [each["event"]["type"] for each in documents] == [
        ["connection", "start"],
        ["connection", "info"],
        ["connection", "end"],
    ]


def test_a_record_may_be_bare() -> None:
    """Nothing but what a record must have: no empty fields in the document."""
    document = read(RESOURCE, Resource(id="1", time=0, group="dns"))
    assert document["@timestamp"] == "1970-01-01T00:00:00Z"
    assert not {"source", "destination", "network", "observer"} & set(document)
    assert document["tapline"] == {"stream": STREAM, "window": "2023-11-14T22:14:00Z", "resource": {"group": "dns"}}


def test_window_zero_is_a_window() -> None:
    document = json.loads(encode_document(FLOW, flow(), STREAM, 0))
    assert document["tapline"]["window"] == "1970-01-01T00:00:00Z"


def test_a_counter_names_its_own_stream_and_window() -> None:
    record = Metric(id="1", time=0, group="Hosts", key="h", meters={"bytes": 2**53}, stream="file-a", window=60)
    document = json.loads(encode_document(COUNTER, record, "live", 0))
    assert document["tapline"]["stream"] == "file-a"
    assert document["tapline"]["window"] == "1970-01-01T00:01:00Z"
    assert document["tapline"]["counter"]["meter"] == {"bytes": 2**53}


def test_the_scores_of_a_status_are_numbers_one_can_sum() -> None:
    fields = leaves(properties(DOCUMENTS[ANNOTATION.kind]))
    for name in ("score", "client_score", "server_score"):
        assert fields[f"tapline.annotation.{name}"] == "long"
    document = read(ANNOTATION, status())
    assert (document["event"]["action"], document["event"]["risk_score"]) == ("status", 100)
    assert document["tapline"]["annotation"]["server_score"] == 0, "a share of nothing is one too"
    assert "score" not in read(ANNOTATION, tag())["tapline"]["annotation"]


@pytest.mark.parametrize("time", [2**62, -(2**62)])
def test_a_time_beyond_the_calendar_is_kept_as_milliseconds(time: int) -> None:
    record = msgspec.structs.replace(dns(), time=time)
    assert read(RESOURCE, record)["@timestamp"] == time // 1000


def test_what_json_cannot_hold_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        encode_document(FLOW, flow(server_name="\udcff"), STREAM, WINDOW)


def test_a_certificate_of_any_year_has_its_dates() -> None:
    certificate = Certificate(subject="O=no common name", not_before=-(10**16), not_after=10**18)
    record = Resource(id="1", time=TIME, group="x509", x509=certificate)
    server = read(RESOURCE, record)["tls"]["server"]
    assert server["not_before"] == "1653-02-10T06:13:20Z"
    assert server["x509"]["not_after"] == 10**15
    assert "common_name" not in server["x509"]["subject"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org", ("example.org", 0)),
        ("example.org:8080", ("example.org", 8080)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("example.org:port", ("example.org:port", 0)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("", ("", 0)),
    ],
)
def test_host_headers(host: str, expected: tuple[str, int]) -> None:
    assert split_host(host) == expected
