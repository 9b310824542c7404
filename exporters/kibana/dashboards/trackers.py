"""Flow trackers: the lists of flows that scripts keep."""

from __future__ import annotations

from typing import Final

from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Dashboard,
    Metric,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
)

_TRACKER: Final = Values("tapline.track.tracker", "tracker", 20)

TRACKERS: Final = Dashboard(
    key="trackers",
    title="Flow trackers",
    description="The flows that trackers chose, the largest by what each measures. Counted are lists, not flows.",
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Trackers",
                    kind="metric",
                    view="track",
                    metrics=(different("trackers", "tapline.track.tracker"),),
                ),
                Panel(title="Lists", kind="metric", view="track", metrics=(documents("lists"),)),
                Panel(
                    title="Flows", kind="metric", view="track", metrics=(different("flows", "tapline.track.flow.id"),)
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Largest by tracker",
                    kind="line",
                    view="track",
                    metrics=(Metric("largest", "maximum", "tapline.track.flow.metric"),),
                    dimensions=(Time(), _TRACKER),
                    description="In the tracker's own unit.",
                ),
                Panel(
                    title="Flows by tracker",
                    kind="bars over time",
                    view="track",
                    metrics=(different("flows", "tapline.track.flow.id"),),
                    dimensions=(Time(), _TRACKER),
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="All trackers",
                    kind="table",
                    view="track",
                    metrics=(
                        documents("lists"),
                        different("flows", "tapline.track.flow.id"),
                        Metric("largest", "maximum", "tapline.track.flow.metric"),
                    ),
                    dimensions=(_TRACKER,),
                ),
                Panel(
                    title="Sources",
                    kind="table",
                    view="track",
                    metrics=(documents("lists"),),
                    dimensions=(_TRACKER, Values("tapline.track.flow.source.ip", "source", 20)),
                ),
                Panel(
                    title="Destinations",
                    kind="table",
                    view="track",
                    metrics=(documents("lists"),),
                    dimensions=(_TRACKER, Values("tapline.track.flow.destination.ip", "destination", 20)),
                ),
                Panel(
                    title="Applications",
                    kind="table",
                    view="track",
                    metrics=(documents("lists"),),
                    dimensions=(_TRACKER, Values("tapline.track.flow.application", "application", 20)),
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List",
                    view="track",
                    columns=(
                        "tapline.track.tracker",
                        "tapline.track.flow.metric",
                        "tapline.track.flow.source.ip",
                        "tapline.track.flow.destination.ip",
                        "tapline.track.flow.application",
                    ),
                ),
            ),
        ),
    ),
)
