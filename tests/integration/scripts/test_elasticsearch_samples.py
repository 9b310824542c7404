"""The two samples that send flows to Elasticsearch, against a real one."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from scripts.samples import es_curl_flow, es_socket_flow
from tapline.testing import Result, run
from tests.golden.scripts.samples import DEMO, arp_alone, facts, sample
from tests.waiting import wait_for

SAMPLES = ("es_curl_flow", "es_socket_flow")


class Index:
    """An index of a test's own."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.client = Elasticsearch(url)

    def run(self, script: str, *captures: Any, partitions: int = 2) -> Result:
        params = {"url": self.url, "index": self.name}
        return run(sample(script), *captures, params=params, partitions=partitions)

    def documents(self) -> dict[str, dict[str, Any]]:
        self.client.indices.refresh(index=self.name)
        found = self.client.search(index=self.name, size=10_000)
        return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


@pytest.fixture
def index(elasticsearch: str) -> Iterator[Index]:
    made = Index(elasticsearch, f"t{uuid.uuid4().hex[:12]}")
    yield made
    made.client.indices.delete(index=made.name, ignore_unavailable=True)
    made.client.close()


@pytest.mark.parametrize("script", SAMPLES)
def test_every_flow_of_the_capture_is_in_the_index_once(index: Index, script: str) -> None:
    told = index.run(script, DEMO)
    assert not told.errors
    assert not told.alerts
    assert sum(counter.meters["flows"] for counter in told.counters if counter.key == "written") == 1003
    documents = index.documents()
    assert len(documents) == 1003
    capture = facts(DEMO.name)
    transports = capture["transports"]
    by_transport = {"06": "tcp", "11": "udp", "01": "icmp", "3A": "icmpv6"}
    for number, name in by_transport.items():
        held = [document for document in documents.values() if document["protocol"] == number]
        assert sum(document["total_bytes"] for document in held) == transports[name]["bytes"]
        assert all(document["fwd_bytes"] + document["rev_bytes"] == document["total_bytes"] for document in held)
    session = next(flow for flow in capture["ssh_flows"] if flow["client_port"] == 40146)
    pieces = sorted(
        (document for document in documents.values() if document["source_port"] == 40146),
        key=lambda document: document["end_time"],
    )
    assert len(pieces) == session["windows"]
    assert sum(piece["total_bytes"] for piece in pieces) == session["bytes"]
    last = pieces[-1]
    assert (last["source_ip"], last["dest_ip"], last["dest_port"]) == ("10.20.1.11", "10.20.0.22", 22)
    assert last["duration"] == pytest.approx(session["duration_s"], abs=0.001)
    assert last["end_time"] - last["start_time"] == pytest.approx(session["duration_s"] * 1000, abs=1)
    assert last["date"] % 60_000 == 0
    assert last["date"] > last["end_time"]
    assert last["network"]["protocol"] == "ssh"
    assert last["tapline"]["flow"]["total_bytes"] == session["bytes"]
    assert "data_stream" not in last

    again = index.run(script, DEMO)
    assert {counter.key for counter in again.counters} == {"there already"}
    assert len(index.documents()) == 1003


def test_both_make_the_same_documents(index: Index, elasticsearch: str) -> None:
    other = Index(elasticsearch, f"{index.name}-2")
    try:
        index.run("es_curl_flow", DEMO)
        other.run("es_socket_flow", DEMO)
        assert index.documents() == other.documents()
        mappings = [each.client.indices.get_mapping(index=each.name)[each.name]["mappings"] for each in (index, other)]
        assert mappings[0] == mappings[1]
        properties = mappings[0]["properties"]
        assert {properties[name]["type"] for name in ("date", "start_time", "end_time")} == {"date"}
        assert {properties[name]["type"] for name in ("source_ip", "dest_ip")} == {"ip"}
    finally:
        other.client.indices.delete(index=other.name, ignore_unavailable=True)
        other.client.close()


@pytest.mark.parametrize("script", SAMPLES)
def test_without_flows_there_is_an_empty_index(index: Index, script: str, tmp_path: Any) -> None:
    told = index.run(script, arp_alone(tmp_path))
    assert not told.errors
    assert not told.counters
    wait_for(lambda: index.client.indices.exists(index=index.name), "the index")
    assert index.documents() == {}


@pytest.mark.parametrize("script", SAMPLES)
def test_what_elasticsearch_refuses_is_counted_and_alerted_on(index: Index, script: str) -> None:
    index.client.indices.create(index=index.name, mappings={"properties": {"source_ip": {"type": "integer"}}})
    told = index.run(script, DEMO)
    assert not told.errors
    assert {counter.key for counter in told.counters} == {"document_parsing_exception"}
    assert {(alert.type, alert.group) for alert in told.alerts} == {("flows-not-sent", "System")}
    assert sum(counter.meters["flows"] for counter in told.counters) == 1003


@pytest.mark.parametrize("script", SAMPLES)
def test_without_a_server_the_script_stays_out_of_service_and_says_so(
    script: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told = run(sample(script), DEMO, params={"url": url})
        assert es_curl_flow.send(f"{url}/trisul/_bulk", b"\n", 3, 1.0) == {"without an answer": 3}
        client = Elasticsearch(url, max_retries=0)
        assert es_socket_flow.send(client, "trisul", [{}, b"{}"] * 3) == {"without an answer": 3}
        client.close()
    assert told.called("on_flush") == 0
    assert not told.errors
    assert f"no Elasticsearch at {url}" in caplog.text
    assert "set the parameter url" in caplog.text
