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
import statistics
import sys
import time

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from msgspec.structs import replace

from bench.flows import FIRST_WINDOW, made_flows
from bench.stand_in import server_at
from exporters.elasticsearch.bulk import Bulk, Taken, send
from exporters.elasticsearch.connection import client, connect
from exporters.elasticsearch.documents import data_stream, document
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import setup
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
