"""Flow records as lines of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from console.data.flows import FlowRecord

MOST_EXPORTED: Final = 1_000_000
"""Most records of one export."""

COLUMNS: Final = (
    "time",
    "start",
    "seconds",
    "record",
    "transport",
    "source_ip",
    "source_port",
    "destination_ip",
    "destination_port",
    "destination_domain",
    "application",
    "source_bytes",
    "destination_bytes",
    "source_packets",
    "destination_packets",
    "total_bytes",
    "total_packets",
    "state",
    "end_reason",
    "score",
    "reasons",
    "risks",
    "tags",
    "source_country",
    "destination_country",
    "community_id",
    "flow",
    "node",
    "stream",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(flows: Iterator[FlowRecord]) -> Iterator[str]:
    """A heading and a line for each record (RFC 4180); the first is asked for before this returns."""
    return _written(_ahead(flows))


def json_lines(flows: Iterator[FlowRecord]) -> Iterator[str]:
    """One JSON object a line; the first is asked for before this returns."""
    return (f"{flow.model_dump_json()}\n" for flow in _ahead(flows))


def _ahead(flows: Iterator[FlowRecord]) -> Iterator[FlowRecord]:
    first = next(flows, None)
    return chain([] if first is None else [first], flows)


def _written(flows: Iterator[FlowRecord]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for flow in flows:
        writer.writerow([_safe(value) for value in _row(flow)])
        if line.tell() > 64 * 1024:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _row(flow: FlowRecord) -> list[Any]:
    source, destination = flow.source, flow.destination
    return [
        flow.time.isoformat() if flow.time else "",
        flow.start.isoformat() if flow.start else "",
        flow.seconds,
        flow.record,
        flow.transport,
        source.ip,
        source.port,
        destination.ip,
        destination.port,
        destination.domain,
        flow.application,
        source.bytes,
        destination.bytes,
        source.packets,
        destination.packets,
        flow.total_bytes,
        flow.total_packets,
        flow.state,
        flow.end_reason,
        flow.score,
        "; ".join(flow.reasons),
        "; ".join(flow.risks),
        "; ".join(flow.tags),
        source.country,
        destination.country,
        flow.community_id,
        flow.flow,
        flow.node,
        flow.stream,
    ]


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, so that it does not: traffic chooses what it says."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
