"""Flows for an index of one's own, made by a script rather than by the exporter.

A document is the exporter's own ECS document with the flat fields beside it that Trisul's Elasticsearch
scripts write. Flows are counted by what came since their previous record, so that sums over the index
are right although a long flow has a document in each window.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from exporters.elasticsearch.documents import document
from exporters.elasticsearch.flows import FlowDocument
from exporters.elasticsearch.mappings import properties
from topics.catalog import FLOW
from topics.records import Flow

_DATE: Final = {"type": "date", "format": "epoch_millis"}
_ADDRESS: Final = {"type": "ip"}
_NUMBER: Final = {"type": "long"}
_FIELDS: Final[dict[str, dict[str, str]]] = {
    "date": _DATE,
    "protocol": {"type": "keyword"},
    "source_ip": _ADDRESS,
    "source_port": _NUMBER,
    "dest_ip": _ADDRESS,
    "dest_port": _NUMBER,
    "fwd_bytes": _NUMBER,
    "rev_bytes": _NUMBER,
    "total_bytes": _NUMBER,
    "start_time": _DATE,
    "end_time": _DATE,
    "duration": {"type": "double"},
}


def index_mappings() -> dict[str, Any]:
    """The ``mappings`` of an index for these documents."""
    ecs = {name: field for name, field in properties(FlowDocument).items() if name != "data_stream"}
    return {"dynamic": False, "date_detection": False, "properties": ecs | _FIELDS}


def index_document(flow: Flow, stream: str, window: int, date: int) -> bytes:
    """A flow of a window (epoch seconds) as one line of JSON; ``date`` is when it is exported, in microseconds.

    ``protocol`` is the IP protocol number as two hexadecimal digits. Forward is from the side that sent
    the first packet; dates are in milliseconds, ``duration`` in seconds. An address that is missing is
    left out. :class:`ValueError` when a text cannot be written as JSON.
    """
    ecs: dict[str, Any] = msgspec.to_builtins(document(FLOW, flow, stream, window))
    del ecs["data_stream"]  # it is where the exporter puts it
    flat = {
        "date": date // 1000,
        "protocol": f"{flow.protocol_number:02X}",
        "source_ip": flow.source_ip or None,
        "source_port": flow.source_port,
        "dest_ip": flow.destination_ip or None,
        "dest_port": flow.destination_port,
        "fwd_bytes": flow.delta_source_bytes,
        "rev_bytes": flow.delta_destination_bytes,
        "total_bytes": flow.delta_bytes,
        "start_time": flow.start // 1000,
        "end_time": flow.end // 1000,
        "duration": flow.duration,
    }
    return msgspec.json.encode(ecs | {name: value for name, value in flat.items() if value is not None})
