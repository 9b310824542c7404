"""A stand-in for Elasticsearch, in a process of its own, that answers as one does where all is well."""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection


@contextmanager
def server_at(url: str) -> Iterator[str]:
    """The URL to send to: the one given, or that of a stand-in."""
    if url:
        yield url
        return
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=stand_in, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def stand_in(port: Connection) -> None:
    """Answer requests on a free port, which is told, each connection in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port.send(listening.getsockname()[1])
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as reader:
        while request := reader.readline():
            length = 0
            while (header := reader.readline().lower()) not in (b"\r\n", b""):
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            body = reader.read(length)
            if b"/_bulk" in request:
                # What a bulk says of each document depends on what it was asked to say.
                connection.sendall(_taken(body.count(b"\n") // 2, brief=b"filter_path" in request))
            elif b"/_security/" in request or b"/_ilm/" in request:
                # As where there is neither security nor lifecycle management.
                connection.sendall(_answer(400, {"error": "no handler found"}))
            elif request.startswith(b"GET /_nodes"):
                connection.sendall(_answer(200, {"nodes": {}}))
            elif request.startswith(b"GET /_resolve/index/"):
                connection.sendall(_answer(200, {"indices": [], "aliases": [], "data_streams": []}))
            elif request.startswith(b"GET"):
                connection.sendall(_answer(404, {}))
            elif request.startswith(b"HEAD"):
                connection.sendall(_answer(404, {}).partition(b"content-length")[0] + b"content-length: 0\r\n\r\n")
            else:
                connection.sendall(_answer(200, {"acknowledged": True}))


def _taken(documents: int, *, brief: bool) -> bytes:
    item: dict[str, object] = {"status": 201}
    if not brief:
        item = {
            "_index": ".ds-logs-tapline.flow-bench-2026.01.01-000001",
            "_id": "0" * 32,
            "_version": 1,
            "result": "created",
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "_seq_no": 123456,
            "_primary_term": 1,
            "status": 201,
        }
    whole: dict[str, object] = {"errors": False, "items": [{"create": item}] * documents}
    return _answer(200, whole if brief else {"took": 30} | whole)


def _answer(status: int, content: dict[str, object]) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status} As asked\r\nX-elastic-product: Elasticsearch\r\n"
        "content-type: application/vnd.elasticsearch+json;compatible-with=8\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
