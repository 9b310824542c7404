"""Bulks are delivered: in requests the server bears, several at a time, by whichever node answers."""

import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from exporters.elasticsearch.bulk import Bulk, Taken
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.delivery import Delivery
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.process.health import Component, Health
from tests.unit.exporters.samples import STREAM, TIME, WINDOW, flow
from topics.catalog import FLOW
from topics.codec import Envelope, encode

Answer = Callable[[list[str], int], tuple[int, object]]
"""From the ids in a request and its size to a status and a body."""


class Server:
    """A stand-in that keeps documents by their ids; ``answer`` may say something else."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.answer: Answer = self.take
        self.taken: list[str] = []
        self.lock = threading.Lock()

    def take(self, ids: list[str], _size: int) -> tuple[int, object]:
        """Take all documents that are not there."""
        with self.lock:
            new = [identity not in self.taken for identity in ids]
            self.taken += [identity for identity, is_new in zip(ids, new, strict=True) if is_new]
        items = [{"create": {"status": 201 if is_new else 409}} for is_new in new]
        return 200, {"errors": not all(new), "items": items}


@contextmanager
def serving() -> Iterator[tuple[str, Server]]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = zlib.decompress(body, wbits=31)
            ids = [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]
            with state.lock:
                state.requests.append(ids)
            status, answer = state.answer(ids, len(body))
            content = msgspec.json.encode(answer)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Making:
    """A delivery to servers, with what it needs."""

    def __init__(self, *hosts: str, **settings: object) -> None:
        chosen = msgspec.structs.replace(ElasticsearchSettings(hosts=[*hosts], timeout=30.0), **settings)
        self.leaving = threading.Event()
        self.health: Component = Health().component("exporter")
        self.client = client(chosen)
        self.delivery = Delivery(self.client, chosen, self.health, self.leaving)


@pytest.fixture
def server() -> Iterator[tuple[str, Server]]:
    with serving() as served:
        yield served


@contextmanager
def delivering(*hosts: str, **settings: object) -> Iterator[Making]:
    made = Making(*hosts, **settings)
    try:
        yield made
    finally:
        made.client.close()


def bulk_of(first: int, count: int) -> tuple[Bulk, list[str]]:
    bulk, flows = Bulk(), [flow(number) for number in range(first, first + count)]
    envelope = Envelope(FLOW.schema, "node-1", STREAM, WINDOW, 0, count)
    assert bulk.add(Taken(FLOW, "topic", 0, first, TIME, envelope, encode(flows)), flows) == []
    return bulk, [each.id for each in flows]


def test_a_server_that_takes_only_small_requests_gets_small_ones(server: tuple[str, Server]) -> None:
    url, state = server
    bulk, ids = bulk_of(0, 400)
    limit = bulk.size // 6
    state.answer = lambda ids, size: state.take(ids, size) if size <= limit else (429, {})
    with delivering(url, bulk_bytes=bulk.size) as made:
        before = made.delivery.pace.size
        assert made.delivery.deliver(bulk) == []
        assert made.delivery.pace.size < before
    assert sorted(state.taken) == ids


def test_what_a_proxy_calls_too_large_is_not_tried_again(server: tuple[str, Server]) -> None:
    url, state = server
    first, _ = bulk_of(0, 200)
    limit = first.size // 3
    state.answer = lambda ids, size: state.take(ids, size) if size <= limit else (413, {})
    with delivering(url, bulk_bytes=first.size * 4) as made:
        assert made.delivery.deliver(first) == []
        refused = [each for each in state.requests if len(each) > 100]
        second, ids = bulk_of(200, 200)
        state.requests.clear()
        assert made.delivery.deliver(second) == []
    assert len(refused) == 1
    assert max(len(each) for each in state.requests) <= 100
    assert sorted(state.taken)[200:] == ids


def test_a_document_that_is_refused_alone_leaves_the_others(server: tuple[str, Server]) -> None:
    url, state = server
    bulk, ids = bulk_of(0, 9)

    def answer(asked: list[str], size: int) -> tuple[int, object]:
        return (400, {"error": {"type": "bad", "reason": "why"}}) if ids[4] in asked else state.take(asked, size)

    state.answer = answer
    with delivering(url) as made:
        (rejection,) = made.delivery.deliver(bulk) or ()
    assert (rejection.index, rejection.reason, rejection.detail) == (4, "bad", "why")
    assert sorted(state.taken) == ids[:4] + ids[5:]


def test_bulks_are_on_their_way_at_the_same_time(server: tuple[str, Server]) -> None:
    url, state = server
    together = threading.Barrier(3)

    def answer(ids: list[str], size: int) -> tuple[int, object]:
        together.wait(30)
        return state.take(ids, size)

    state.answer = answer
    with delivering(url) as made:
        bulks = [bulk_of(first, 10)[0] for first in (0, 10, 20)]
        results: list[object] = []
        threads = [threading.Thread(target=lambda b=bulk: results.append(made.delivery.deliver(b))) for bulk in bulks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert results == [[], [], []]
    assert len(state.taken) == 30


def test_another_node_takes_what_a_dead_one_does_not(
    server: tuple[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, state = server
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(Delivery, "_wait", lambda *_: pytest.fail("it waited although there was another node"))
    with delivering(dead, url) as made:
        for first in range(0, 40, 10):
            assert made.delivery.deliver(bulk_of(first, 10)[0]) == []
    assert len(state.taken) == 40


def test_what_keeps_it_from_writing_is_said_until_it_is_over(server: tuple[str, Server]) -> None:
    url, state = server
    problems: list[object] = []

    def answer(ids: list[str], size: int) -> tuple[int, object]:
        problems.append(made.health.state()["problem"])
        return state.take(ids, size) if len(problems) == 3 else (503, {})

    state.answer = answer
    with delivering(url) as made:
        assert made.delivery.deliver(bulk_of(0, 3)[0]) == []
        assert made.health.state()["problem"] == ""
    assert [bool(each) for each in problems] == [False, True, True]
    assert "503" in str(problems[1])


def test_who_leaves_waits_for_nothing(server: tuple[str, Server]) -> None:
    url, state = server

    def answer(ids: list[str], size: int) -> tuple[int, object]:
        made.leaving.set()
        return 503, {}

    state.answer = answer
    with delivering(url) as made:
        assert made.delivery.deliver(bulk_of(0, 3)[0]) is None
    assert len(state.requests) == 1


def test_a_compressed_body_is_the_body(server: tuple[str, Server]) -> None:
    url, state = server
    bulk, ids = bulk_of(0, 100)
    with delivering(url, compress=True) as made:
        assert made.delivery.deliver(bulk) == []
    assert state.taken == ids
