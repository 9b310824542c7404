"""Flows: who spoke with whom, how much and for how long."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.controls import ends
from exporters.kibana.dashboards.links import TO_ALERTS
from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Control,
    Dashboard,
    Metric,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    largest,
    total,
)

_BYTES: Final = total("bytes", "network.bytes", "bytes")
_FLOWS: Final = different("flows", "tapline.flow.id")
_ENDED: Final = 'tapline.flow.record: "final"'

FLOWS: Final = Dashboard(
    key="flows",
    title="Flows",
    description="Who spoke with whom, how much and for how long. Bytes and packets are those of the time looked at.",
    controls=(
        *ends("flow"),
        Control("tapline.flow.application", "Application", "flow"),
        Control("network.transport", "Transport", "flow"),
    ),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(title="Flows", kind="metric", view="flow", metrics=(_FLOWS,)),
                Panel(title="Bytes", kind="metric", view="flow", metrics=(_BYTES,)),
                Panel(title="Packets", kind="metric", view="flow", metrics=(total("packets", "network.packets"),)),
                Panel(
                    title="Duration",
                    kind="metric",
                    view="flow",
                    metrics=(Metric("average duration", "average", "event.duration", ""),),
                    filter=_ENDED,
                    description="Of the flows that have ended.",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Bytes by transport",
                    kind="area",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Time(), Values("network.transport", "transport", others=True)),
                ),
                Panel(
                    title="Sent and received",
                    kind="line",
                    view="flow",
                    metrics=(
                        total("by sources", "source.bytes", "bytes"),
                        total("by destinations", "destination.bytes", "bytes"),
                    ),
                    dimensions=(Time(),),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Conversations",
                    kind="table",
                    view="flow",
                    metrics=(_BYTES, total("packets", "network.packets"), _FLOWS),
                    dimensions=(Values("source.ip", "source", 20), Values("destination.ip", "destination", 5)),
                    drilldowns=(TO_ALERTS,),
                ),
                Panel(
                    title="Longest flows",
                    kind="table",
                    view="flow",
                    metrics=(
                        largest("duration", "event.duration"),
                        largest("bytes", "tapline.flow.total_bytes", "bytes"),
                    ),
                    dimensions=(
                        Values("tapline.flow.id", "flow", 20),
                        Values("source.ip", "source", 1),
                        Values("destination.ip", "destination", 1),
                        Values("tapline.flow.application", "application", 1),
                    ),
                    filter=_ENDED,
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Ports",
                    kind="bar",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(
                        Values("destination.port", "destination port"),
                        Values("network.transport", "transport", 3),
                    ),
                ),
                Panel(
                    title="States of TCP",
                    kind="pie",
                    view="flow",
                    metrics=(_FLOWS,),
                    dimensions=(Values("tapline.flow.state", "state", others=True),),
                    filter=f"{_ENDED} and tapline.flow.state: *",
                ),
                Panel(
                    title="Risks",
                    kind="bar",
                    view="flow",
                    metrics=(_FLOWS,),
                    dimensions=(Values("tapline.flow.risks", "risk"),),
                    description="What the engine found unusual about flows.",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Between sites",
                    kind="table",
                    view="flow",
                    metrics=(_BYTES, _FLOWS),
                    dimensions=(Values("source.geo.name", "from"), Values("destination.geo.name", "to")),
                    description="Needs capture.enrichment.sites.",
                ),
                Panel(
                    title="Direction",
                    kind="area",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Time(), Values("network.direction", "direction")),
                    description="Needs capture.enrichment.local_networks.",
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List",
                    view="flow",
                    columns=(
                        "source.ip",
                        "source.port",
                        "destination.ip",
                        "destination.port",
                        "destination.domain",
                        "tapline.flow.application",
                        "network.bytes",
                        "event.duration",
                        "network.community_id",
                    ),
                ),
            ),
        ),
    ),
)
