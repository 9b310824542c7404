"""Hosts: what each sent and received, with how many others, and how it scores."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.links import TO_ALERTS, TO_FLOWS
from exporters.kibana.data_views import METER
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
    largest,
    total,
)

_HOSTS: Final = 'tapline.counter.group: "Hosts"'
_SCORES: Final = 'tapline.counter.group: "Scores"'
_HOST: Final = Values("tapline.counter.key", "host")

HOSTS: Final = Dashboard(
    key="hosts",
    title="Hosts",
    description="What each host sent and received, with how many others, and how it scores. A click leads on.",
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Hosts",
                    kind="metric",
                    view="counter",
                    metrics=(different("hosts", "tapline.counter.key"),),
                    filter=_HOSTS,
                ),
                Panel(title="Clients", kind="metric", view="flow", metrics=(different("sources", "source.ip"),)),
                Panel(
                    title="Servers", kind="metric", view="flow", metrics=(different("destinations", "destination.ip"),)
                ),
                Panel(
                    title="Hosts with a score",
                    kind="metric",
                    view="counter",
                    metrics=(different("hosts", "tapline.counter.key"),),
                    filter=f"{_SCORES} and {METER}.score > 0",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Bytes by host",
                    kind="line",
                    view="counter",
                    metrics=(total("bytes", f"{METER}.bytes", "bytes"),),
                    dimensions=(Time(), _HOST),
                    filter=_HOSTS,
                ),
                Panel(
                    title="Score by host",
                    kind="line",
                    view="counter",
                    metrics=(largest("score", f"{METER}.score", "number"),),
                    dimensions=(Time(), _HOST),
                    filter=_SCORES,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="As client",
                    kind="table",
                    view="flow",
                    metrics=(
                        total("sent", "source.bytes", "bytes"),
                        total("received", "destination.bytes", "bytes"),
                        different("flows", "tapline.flow.id"),
                        different("servers", "destination.ip"),
                        different("ports", "destination.port"),
                    ),
                    dimensions=(Values("source.ip", "host", 50),),
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="As server",
                    kind="table",
                    view="flow",
                    metrics=(
                        total("sent", "destination.bytes", "bytes"),
                        total("received", "source.bytes", "bytes"),
                        different("flows", "tapline.flow.id"),
                        different("clients", "source.ip"),
                        different("ports", "destination.port"),
                    ),
                    dimensions=(Values("destination.ip", "host", 50),),
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Totals",
                    kind="table",
                    view="counter",
                    metrics=(
                        total("bytes", f"{METER}.bytes", "bytes"),
                        total("received", f"{METER}.bytes_in", "bytes"),
                        total("sent", f"{METER}.bytes_out", "bytes"),
                        total("new flows", f"{METER}.new_flows"),
                    ),
                    dimensions=(Values("tapline.counter.key", "host", 50),),
                    filter=_HOSTS,
                    description="Exact, as counted by the workers.",
                ),
                Panel(
                    title="Networks",
                    kind="bar",
                    view="counter",
                    metrics=(total("bytes", f"{METER}.bytes", "bytes"),),
                    dimensions=(Values("tapline.counter.key", "network"),),
                    filter='tapline.counter.group: "Subnets"',
                ),
                Panel(
                    title="What was found about hosts",
                    kind="table",
                    view="annotation",
                    metrics=(documents("flows"), largest("score", "tapline.annotation.score", "number")),
                    dimensions=(
                        Values("source.ip", "source", 20),
                        Values("tapline.annotation.name", "check", 5),
                    ),
                    filter='tapline.annotation.kind: "status"',
                ),
            ),
        ),
    ),
)
