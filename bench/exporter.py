"""What a document costs the exporter, in CPU seconds, beside ``elasticsearch.helpers.streaming_bulk``.

``ours`` begins with messages as they come from Kafka: headers and JSON are read, ECS documents made,
encoded, sent in bulks, and the answers read. ``streaming_bulk`` is given the same documents as dicts
that are ready to be sent, in bulks of the same size; making the dicts is not charged to it. Both send
to the same server, the Elasticsearch at URL or a stand-in in another process that answers success.
Runs alternate; the medians and their ratio are printed. The bar is 0.5.

    python -m bench.exporter --no-server
    python -m bench.exporter http://127.0.0.1:9200
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from msgspec.structs import replace

from bench.flows import FIRST_WINDOW, made_flows
from exporters.elasticsearch.bulk import Bulk, Taken, send
from exporters.elasticsearch.connection import client, connect
from exporters.elasticsearch.documents import data_stream, document
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import setup
from topics.catalog import FLOW
from topics.codec import Envelope, encode, open_message
from topics.partitions import digest
from topics.records import Flow

BAR = 0.5
STREAM = "file-bench"
NAMESPACE = "bench"
PER_MESSAGE = 1000

Message = tuple[list[tuple[str, bytes]], bytes]


def messages(flows: list[Flow]) -> list[Message]:
    """The flows as messages: headers and body."""
    made = []
    for first in range(0, len(flows), PER_MESSAGE):
        records = flows[first : first + PER_MESSAGE]
        envelope = Envelope(FLOW.schema, "bench", STREAM, FIRST_WINDOW, first, len(records))
        made.append((envelope.headers(), encode(records)))
    return made


def ours(server: Elasticsearch, sent: list[Message], settings: ElasticsearchSettings) -> int:
    """Export messages; the number of documents written."""
    written, bulk = 0, Bulk(NAMESPACE)
    for offset, (headers, body) in enumerate(sent):
        envelope, records = open_message(headers, body, FLOW)
        bulk.add(Taken(FLOW, FLOW.name("bench"), 0, offset, 0, envelope, body), records)
        if len(bulk) >= settings.bulk_documents or bulk.size >= settings.bulk_bytes or offset == len(sent) - 1:
            positions = range(len(bulk))
            written += len(send(server, bulk.body(positions), positions).written)
            bulk = Bulk(NAMESPACE)
    return written


def theirs(server: Elasticsearch, actions: list[dict[str, object]], settings: ElasticsearchSettings) -> int:
    """Send ready dicts with the client's helper; the number of documents written."""
    results = streaming_bulk(
        server, actions, chunk_size=settings.bulk_documents, max_chunk_bytes=settings.bulk_bytes, raise_on_error=False
    )
    return sum(fine for fine, _ in results)


def actions_of(flows: list[Flow]) -> list[dict[str, object]]:
    """The same documents as dicts."""
    name = data_stream(FLOW.kind, NAMESPACE).name
    return [
        {
            "_op_type": "create",
            "_index": name,
            "_id": flow.id,
            "_source": msgspec.json.decode(msgspec.json.encode(document(FLOW, flow, STREAM, FIRST_WINDOW, NAMESPACE))),
        }
        for flow in flows
    ]


def stand_in(port: Connection) -> None:
    """Answer bulk requests as Elasticsearch does when all is well, as far as the request asks for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port.send(listening.getsockname()[1])
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as reader:
                while request := reader.readline():
                    length = 0
                    while (header := reader.readline().lower()) not in (b"\r\n", b""):
                        if header.startswith(b"content-length:"):
                            length = int(header.partition(b":")[2])
                    documents = reader.read(length).count(b"\n") // 2
                    connection.sendall(_answer(documents, brief=b"filter_path" in request))


def _answer(documents: int, *, brief: bool) -> bytes:
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
    body = json.dumps(whole if brief else {"took": 30} | whole, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n"
        "content-type: application/vnd.elasticsearch+json;compatible-with=8\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def server_at(url: str) -> Iterator[str]:
    """The URL to send to: the one given, or that of the stand-in."""
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


def main() -> int:
    """Measure and print; 1 when the bar is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("url", nargs="?", default="", help="of an Elasticsearch to write to")
    where.add_argument("--no-server", action="store_true", help="write to a stand-in")
    parser.add_argument("--flows", type=int, default=50_000, help="a run")
    parser.add_argument("--runs", type=int, default=5, help="of each side")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"ours": [], "streaming_bulk": []}
    with server_at(arguments.url) as url:
        settings = ElasticsearchSettings(hosts=[url], namespace=NAMESPACE)
        if arguments.url:
            setup(connect(settings), settings)
        flows = made_flows(arguments.flows)
        began = time.time_ns()
        for run in range(arguments.runs):
            for side, spent in seconds.items():
                flows = [
                    replace(flow, id=digest("bench", began, run, side, number)) for number, flow in enumerate(flows)
                ]
                # The client holds the connection that the stand-in serves, one at a time.
                # What the benchmark itself keeps is no business of the collections while it measures.
                if side == "ours":
                    server, sent = client(settings), messages(flows)
                    gc.collect()
                    gc.freeze()
                    start = time.process_time()
                    written = ours(server, sent, settings)
                else:
                    server, actions = Elasticsearch(url, request_timeout=60), actions_of(flows)
                    gc.collect()
                    gc.freeze()
                    start = time.process_time()
                    written = theirs(server, actions, settings)
                spent.append((time.process_time() - start) * 100_000 / len(flows))
                server.close()
                if written != len(flows):
                    print(f"{side}: {written} of {len(flows)} documents written", file=sys.stderr)
                    return 1
    middle = {side: statistics.median(spent) for side, spent in seconds.items()}
    ratio = middle["ours"] / middle["streaming_bulk"]
    for side, spent in seconds.items():
        print(
            f"{side:15} {middle[side]:6.3f} CPU s for 100,000 documents, {100_000 / middle[side]:9,.0f} documents"
            f" a CPU s   (runs: {', '.join(f'{each:.3f}' for each in spent)})"
        )
    print(f"ratio {ratio:.2f} (bar {BAR})")
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
