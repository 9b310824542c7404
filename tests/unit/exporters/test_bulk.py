"""Bulk requests: what they hold, and what becomes of each document by the server's answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from elasticsearch import Elasticsearch

from exporters.elasticsearch.bulk import Bulk, Refused, Rejection, Taken, Unavailable, Verdict, send
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.settings import ElasticsearchSettings
from tests.unit.exporters.samples import STREAM, TIME, WINDOW, counter, flow
from topics.catalog import COUNTER, FLOW, Topic
from topics.codec import Envelope, encode
from topics.records import Record


def taken(topic: Topic, offset: int, records: list[Record]) -> Taken:
    envelope = Envelope(topic.schema, "node-1", STREAM, WINDOW, 0, len(records))
    return Taken(topic, topic.name("tapline"), 0, offset, TIME, envelope, encode(records))


def add(bulk: Bulk, topic: Topic, offset: int, records: list[Record]) -> Taken:
    message = taken(topic, offset, records)
    assert bulk.add(message, records) == []
    return message


def lines(body: bytes) -> list[tuple[dict, dict]]:
    decoded = [json.loads(line) for line in body.splitlines()]
    return list(zip(decoded[::2], decoded[1::2], strict=True))


@contextmanager
def answering(status: int, body: bytes | None) -> Iterator[Elasticsearch]:
    """A client of a server that gives this one answer, or hangs up when there is none."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if body is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made = client(ElasticsearchSettings(hosts=[f"http://127.0.0.1:{server.server_port}"]))
    try:
        yield made
    finally:
        made.close()
        server.shutdown()
        server.server_close()
        thread.join()


def items(*results: tuple[int, str]) -> bytes:
    return json.dumps(
        {
            "errors": True,
            "items": [
                {"create": {"status": status} | ({"error": {"type": kind, "reason": "why"}} if kind else {})}
                for status, kind in results
            ],
        }
    ).encode()


def test_a_body_names_data_stream_and_id_of_each_document() -> None:
    bulk = Bulk("lab")
    add(bulk, FLOW, 0, [flow(0), flow(1)])
    add(bulk, COUNTER, 7, [counter(0)])
    found = lines(bulk.body(range(3)))
    assert [action["create"] for action, _ in found] == [
        {"_index": "logs-tapline.flow-lab", "_id": flow(0).id},
        {"_index": "logs-tapline.flow-lab", "_id": flow(1).id},
        {"_index": "metrics-tapline.counter-lab", "_id": counter(0).id},
    ]
    assert [each["event"]["id"] for _, each in found] == [flow(0).id, flow(1).id, counter(0).id]
    assert len(bulk) == 3
    assert bulk.size == len(bulk.body(range(3)))
    assert bulk.kinds(range(3)) == {"flow": 2, "counter": 1}


def test_a_part_of_a_body_is_the_documents_asked_for() -> None:
    bulk = Bulk()
    add(bulk, FLOW, 0, [flow(number) for number in range(4)])
    assert [each["event"]["id"] for _, each in lines(bulk.body([0, 2, 3]))] == [flow(n).id for n in (0, 2, 3)]
    assert bulk.kinds([0, 2]) == {"flow": 2}


@pytest.mark.parametrize("identity", ['with "quotes"', "line\nbreak", "Ω", "x" * 512])
def test_any_id_is_written_so_that_it_is_read_back(identity: str) -> None:
    bulk = Bulk()
    add(bulk, FLOW, 0, [flow(id=identity)])
    assert lines(bulk.body([0]))[0][0]["create"]["_id"] == identity


@pytest.mark.parametrize("broken", [{"id": ""}, {"id": "x" * 513}, {"id": "Ω" * 257}, {"server_name": "\udcff"}])
def test_a_record_that_makes_no_document_leaves_the_others(broken: dict[str, str]) -> None:
    bulk = Bulk()
    records = [flow(0), flow(1, **broken), flow(2), flow(3, **broken), flow(4)]
    message = taken(FLOW, 5, [])
    rejections = bulk.add(message, records)
    assert [(each.taken, each.index, each.reason) for each in rejections] == [
        (message, 1, "document"),
        (message, 3, "document"),
    ]
    assert [each["event"]["id"] for _, each in lines(bulk.body(range(3)))] == [flow(n).id for n in (0, 2, 4)]
    assert [bulk.origin(position) for position in range(3)] == [(message, n) for n in (0, 2, 4)]


def test_a_document_knows_its_message_and_its_record() -> None:
    bulk = Bulk()
    first = add(bulk, FLOW, 0, [flow(0), flow(1)])
    second = add(bulk, COUNTER, 9, [counter(0), counter(1)])
    assert [bulk.origin(position) for position in range(4)] == [(first, 0), (first, 1), (second, 0), (second, 1)]
    assert Rejection(*bulk.origin(1), "reason", "detail").record() == flow(1)
    assert Rejection(*bulk.origin(2), "reason", "detail").record() == counter(0)


def test_an_answer_without_errors_means_all_are_written() -> None:
    with answering(200, b'{"errors":false}') as made:
        assert send(made, b"{}\n", [3, 5]) == Verdict([3, 5], [], [], [], [])


def test_each_document_is_judged_by_its_own_result() -> None:
    answer = items(
        (201, ""),
        (409, "version_conflict_engine_exception"),
        (429, "es_rejected_execution_exception"),
        (403, "cluster_block_exception"),
        (404, "index_not_found_exception"),
        (400, "document_parsing_exception"),
        (500, "illegal_state_exception"),
    )
    with answering(200, answer) as made:
        verdict = send(made, b"{}\n", [0, 2, 4, 6, 8, 10, 12])
    assert verdict == Verdict(
        written=[0],
        duplicate=[2],
        again=[
            (4, "es_rejected_execution_exception"),
            (6, "cluster_block_exception"),
            (8, "index_not_found_exception"),
        ],
        undecided=[(12, "illegal_state_exception", "why")],
        refused=[(10, "document_parsing_exception", "why")],
    )


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (429, b"{}", "429"),
        (503, b'{"error":{"type":"cluster_block_exception","reason":"no master"}}', "503"),
        (500, b"{}", "500"),
        (401, b"{}", "401"),
        (200, b"[]", "answer"),
        (200, b"{", "answer"),
        (200, b'{"errors":true,"items":[]}', "answer"),
        (200, None, "connection"),
    ],
)
def test_a_request_without_a_verdict_is_to_be_sent_again(status: int, body: bytes | None, reason: str) -> None:
    with answering(status, body) as made, pytest.raises(Unavailable) as caught:
        send(made, b"{}\n", [0])
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (413, b"", "too_large"),
        (400, b'{"error":{"type":"illegal_argument_exception","reason":"bad"}}', "illegal_argument_exception"),
    ],
)
def test_a_request_refused_as_a_whole_is_told_apart(status: int, body: bytes, reason: str) -> None:
    with answering(status, body) as made, pytest.raises(Refused) as caught:
        send(made, b"{}\n", [0])
    assert caught.value.reason == reason
