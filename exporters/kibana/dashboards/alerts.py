"""Alerts: what was told, about whom, by what, and how conditions stand."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.controls import ends
from exporters.kibana.dashboards.links import TO_FLOWS
from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Control,
    Dashboard,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
    largest,
)

_ALERTS: Final = documents("alerts")
_TYPE: Final = "tapline.alert.type"

ALERTS: Final = Dashboard(
    key="alerts",
    title="Alerts",
    description="What was told, about whom, by which script, rule or check, and how the conditions stand.",
    controls=(Control(_TYPE, "Type", "alert"), *ends("alert")),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(title="Alerts", kind="metric", view="alert", metrics=(_ALERTS,)),
                Panel(title="Types", kind="metric", view="alert", metrics=(different("types", _TYPE),)),
                Panel(title="Sources", kind="metric", view="alert", metrics=(different("sources", "source.ip"),)),
                Panel(
                    title="Severe",
                    kind="metric",
                    view="alert",
                    metrics=(documents("severity 5 and above"),),
                    filter="event.severity >= 5",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="By type",
                    kind="bars over time",
                    view="alert",
                    metrics=(_ALERTS,),
                    dimensions=(Time(), Values(_TYPE, "type", others=True)),
                ),
                Panel(
                    title="By severity",
                    kind="bars over time",
                    view="alert",
                    metrics=(_ALERTS,),
                    dimensions=(Time(), Values("event.severity", "severity", others=True)),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Sources of alerts",
                    kind="table",
                    view="alert",
                    metrics=(_ALERTS, different("types", _TYPE), largest("severity", "event.severity", "number")),
                    dimensions=(Values("source.ip", "source", 50),),
                    drilldowns=(TO_FLOWS,),
                ),
                Panel(
                    title="Destinations of alerts",
                    kind="table",
                    view="alert",
                    metrics=(_ALERTS, different("types", _TYPE), largest("severity", "event.severity", "number")),
                    dimensions=(Values("destination.ip", "destination", 50),),
                    drilldowns=(TO_FLOWS,),
                ),
                Panel(
                    title="All types",
                    kind="table",
                    view="alert",
                    metrics=(
                        _ALERTS,
                        different("entities", "tapline.alert.entity"),
                        largest("severity", "event.severity", "number"),
                    ),
                    dimensions=(
                        Values(_TYPE, "type", 50),
                        Values("tapline.alert.script", "raised by", 3, missing=True),
                    ),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Conditions",
                    kind="table",
                    view="alert-state",
                    metrics=(documents("conditions"),),
                    dimensions=(Values("tapline.state.status", "status", 5), Values(_TYPE, "type", 20)),
                    description="How each stands now; of the time looked at are those that changed in it.",
                ),
                Panel(
                    title="Categories",
                    kind="pie",
                    view="alert",
                    metrics=(_ALERTS,),
                    dimensions=(Values("tapline.alert.category", "category", others=True, missing=True),),
                ),
                Panel(
                    title="What became of them",
                    kind="pie",
                    view="alert",
                    metrics=(_ALERTS,),
                    dimensions=(Values("event.action", "event", others=True),),
                ),
                Panel(
                    title="Scores",
                    kind="bar",
                    view="alert",
                    metrics=(largest("score", "event.risk_score", "number"),),
                    dimensions=(Values("tapline.alert.entity", "entity"),),
                    filter="event.risk_score > 0",
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List",
                    view="alert",
                    columns=(
                        "event.action",
                        "event.severity",
                        _TYPE,
                        "tapline.alert.entity",
                        "tapline.alert.peer",
                        "message",
                        "tapline.alert.script",
                        "network.community_id",
                    ),
                ),
            ),
        ),
    ),
)
