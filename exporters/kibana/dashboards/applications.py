"""Applications: what the traffic is."""

from __future__ import annotations

from typing import Final

from exporters.kibana.data_views import METER
from exporters.kibana.definitions import (
    CHART_ROW,
    TABLE_ROW,
    Dashboard,
    Metric,
    Panel,
    Row,
    Time,
    Values,
    different,
    total,
)

_APPS: Final = 'tapline.counter.group: "Apps"'
_COUNTED: Final = total("bytes", f"{METER}.bytes", "bytes")
_BYTES: Final = total("bytes", "network.bytes", "bytes")

APPLICATIONS: Final = Dashboard(
    key="applications",
    title="Applications",
    description="What the traffic is: applications, categories, protocols and ports, and how well TCP does for them.",
    rows=(
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Bytes by application",
                    kind="area",
                    view="counter",
                    metrics=(_COUNTED,),
                    dimensions=(Time(), Values("tapline.counter.key", "application", others=True)),
                    filter=_APPS,
                    description="Exact, as counted by the workers.",
                ),
                Panel(
                    title="New flows by application",
                    kind="bars over time",
                    view="counter",
                    metrics=(total("new flows", f"{METER}.new_flows"),),
                    dimensions=(Time(), Values("tapline.counter.key", "application", others=True)),
                    filter=_APPS,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="All applications",
                    kind="table",
                    view="flow",
                    metrics=(
                        _BYTES,
                        total("packets", "network.packets"),
                        different("flows", "tapline.flow.id"),
                        different("clients", "source.ip"),
                        different("servers", "destination.ip"),
                    ),
                    dimensions=(Values("tapline.flow.application", "application", 100),),
                ),
                Panel(
                    title="Categories",
                    kind="pie",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Values("tapline.flow.application_category", "category", others=True),),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Protocols",
                    kind="pie",
                    view="counter",
                    metrics=(_COUNTED,),
                    dimensions=(Values("tapline.counter.key", "protocol", others=True),),
                    filter='tapline.counter.group: "Protocols"',
                ),
                Panel(
                    title="Ports",
                    kind="bar",
                    view="counter",
                    metrics=(_COUNTED,),
                    dimensions=(Values("tapline.counter.key", "port"),),
                    filter='tapline.counter.group: "Ports"',
                ),
                Panel(
                    title="Names of servers",
                    kind="bar",
                    view="flow",
                    metrics=(_BYTES,),
                    dimensions=(Values("destination.domain", "name"),),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Time to set up",
                    kind="table",
                    view="flow",
                    metrics=(
                        Metric("average", "average", "tapline.flow.setup_rtt_us", ""),
                        Metric("95th percentile", "percentile", "tapline.flow.setup_rtt_us", ""),
                        different("flows", "tapline.flow.id"),
                    ),
                    dimensions=(Values("tapline.flow.application", "application", 20),),
                    filter='tapline.flow.setup_rtt_us > 0 and tapline.flow.record: "final"',
                    description="From the first packet of TCP's handshake to its last.",
                ),
                Panel(
                    title="Sent again",
                    kind="table",
                    view="flow",
                    metrics=(
                        total("by destinations", "tapline.flow.destination_retransmissions"),
                        total("by sources", "tapline.flow.source_retransmissions"),
                        total("packets", "network.packets"),
                    ),
                    dimensions=(Values("tapline.flow.application", "application", 20),),
                    filter="tapline.flow.source_retransmissions > 0 or tapline.flow.destination_retransmissions > 0",
                ),
                Panel(
                    title="Programs",
                    kind="table",
                    view="flow",
                    metrics=(different("flows", "tapline.flow.id"), different("hosts", "source.ip")),
                    dimensions=(Values("user_agent.original", "user agent", 20),),
                ),
            ),
        ),
    ),
)
