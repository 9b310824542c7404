"""Files: what was carried, of which kind, between whom, with which hash."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.controls import ends
from exporters.kibana.dashboards.links import TO_ALERTS, TO_FLOWS
from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Dashboard,
    Panel,
    Ranges,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
    total,
)

_FILES: Final = 'tapline.resource.group: "file"'
_SIZE: Final = total("bytes", "file.size", "bytes")

FILES: Final = Dashboard(
    key="files",
    title="Files",
    description="Which files were carried, of which kind, between whom, and their hashes.",
    controls=ends("resource"),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(title="Files", kind="metric", view="resource", metrics=(documents("files"),), filter=_FILES),
                Panel(
                    title="Different files",
                    kind="metric",
                    view="resource",
                    metrics=(different("SHA-256", "file.hash.sha256"),),
                    filter=_FILES,
                ),
                Panel(title="Bytes", kind="metric", view="resource", metrics=(_SIZE,), filter=_FILES),
                Panel(
                    title="Whole files",
                    kind="metric",
                    view="resource",
                    metrics=(documents("files"),),
                    filter=f"{_FILES} and tapline.file.complete: true",
                    description="Of the others a part is missing, and their hashes are those of what there is.",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Files over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("files"),),
                    dimensions=(Time(), Values("file.mime_type", "type", others=True)),
                    filter=_FILES,
                ),
                Panel(
                    title="Types",
                    kind="pie",
                    view="resource",
                    metrics=(_SIZE,),
                    dimensions=(Values("file.mime_type", "type", others=True),),
                    filter=_FILES,
                ),
                Panel(
                    title="Sizes",
                    kind="bar",
                    view="resource",
                    metrics=(documents("files"),),
                    dimensions=(Ranges("file.size", "bytes", (0, 1_000, 10_000, 100_000, 1_000_000)),),
                    filter=_FILES,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Largest files",
                    kind="table",
                    view="resource",
                    metrics=(_SIZE, documents("times"), different("hosts", "source.ip")),
                    dimensions=(
                        Values("file.hash.sha256", "SHA-256", 50),
                        Values("file.name", "name", 3, missing=True),
                        Values("tapline.file.format", "format", 1, missing=True),
                    ),
                    filter=_FILES,
                ),
                Panel(
                    title="By content",
                    kind="table",
                    view="resource",
                    metrics=(documents("files"), _SIZE),
                    dimensions=(
                        Values("tapline.file.format", "format by content", 20, missing=True),
                        Values("file.mime_type", "type as said", 5, missing=True),
                    ),
                    filter=_FILES,
                    description="A program that says it is an image is worth a look.",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="From clients",
                    kind="table",
                    view="resource",
                    metrics=(documents("files"), _SIZE),
                    dimensions=(Values("source.ip", "client", 20),),
                    filter=_FILES,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                    description="The side that opened the connection.",
                ),
                Panel(
                    title="From servers",
                    kind="table",
                    view="resource",
                    metrics=(documents("files"), _SIZE),
                    dimensions=(Values("destination.ip", "server", 20),),
                    filter=_FILES,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="Protocols",
                    kind="pie",
                    view="resource",
                    metrics=(documents("files"),),
                    dimensions=(Values("network.protocol", "protocol", others=True),),
                    filter=_FILES,
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List",
                    view="resource",
                    columns=(
                        "source.ip",
                        "destination.ip",
                        "network.protocol",
                        "file.name",
                        "file.mime_type",
                        "tapline.file.format",
                        "file.size",
                        "file.hash.sha256",
                    ),
                    filter=_FILES,
                ),
            ),
        ),
    ),
)
