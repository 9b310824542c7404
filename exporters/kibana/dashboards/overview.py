"""Overview: how much, of what, between whom, and what was found wrong with it."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.links import TO_ALERTS, TO_FLOWS
from exporters.kibana.definitions import (
    CHART_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Dashboard,
    Panel,
    Row,
    Time,
    Values,
    different,
    documents,
    total,
)

_BYTES: Final = total("bytes", "network.bytes", "bytes")

OVERVIEW: Final = Dashboard(
    key="overview",
    title="Overview",
    description="How much traffic there is, what it is, between whom, and what was found wrong with it.",
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(title="Traffic", kind="metric", view="flow", metrics=(_BYTES,)),
                Panel(title="Flows", kind="metric", view="flow", metrics=(different("flows", "tapline.flow.id"),)),
                Panel(title="Hosts", kind="metric", view="flow", metrics=(different("sources", "source.ip"),)),
                Panel(title="Resources", kind="metric", view="resource", metrics=(documents("resources"),)),
                Panel(title="Alerts", kind="metric", view="alert", metrics=(documents("alerts"),)),
                Panel(title="Dead letters", kind="metric", view="dead", metrics=(documents("dead letters"),)),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Traffic by application",
                    kind="area",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Time(), Values("tapline.flow.application", "application", others=True)),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Largest sources",
                    kind="bar",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Values("source.ip", "source"),),
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="Largest destinations",
                    kind="bar",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Values("destination.ip", "destination"),),
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="Applications",
                    kind="pie",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Values("tapline.flow.application", "application", others=True),),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Alerts over time",
                    kind="bars over time",
                    view="alert",
                    metrics=(documents("alerts"),),
                    dimensions=(Time(), Values("tapline.alert.type", "type", others=True)),
                ),
                Panel(
                    title="Hosts with alerts",
                    kind="table",
                    view="alert",
                    metrics=(documents("alerts"), different("types", "tapline.alert.type")),
                    dimensions=(Values("source.ip", "source"),),
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
            ),
        ),
    ),
)
