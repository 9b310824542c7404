"""What the server is and has, asked only by what all builds of it answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from elasticsearch import ApiError, Elasticsearch

_NO_SUCH_INTERFACE: Final = (400, 405, 410)


def versions(client: Elasticsearch) -> list[str]:
    """The versions of the cluster's nodes, each once."""
    nodes = client.nodes.info(filter_path="nodes.*.version").body.get("nodes", {})
    return sorted({node["version"] for node in nodes.values()})


def has_lifecycle(client: Elasticsearch) -> bool:
    """True where the server has index lifecycle management (ILM), which some builds lack."""
    try:
        client.ilm.get_status()
    except ApiError as error:
        if error.status_code in _NO_SUCH_INTERFACE:
            return False
        raise
    return True


def backing_indices(client: Elasticsearch, names: Iterable[str]) -> dict[str, list[str]]:
    """The indices behind those of the data streams that are there, oldest first: the last is written to."""
    # Not `GET /_data_stream`, which builds without that module lack.
    found = client.indices.resolve_index(name=",".join(names), ignore_unavailable=True)
    return {each["name"]: sorted(each["backing_indices"], key=_generation) for each in found["data_streams"]}


def _generation(index: str) -> int:
    """The number at the end of the name, as 2 of ``.ds-logs-tapline.flow-default-2026.11.29-000002``."""
    number = index.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
