"""Scripts and pipeline health: whether all that went in came out, and what scripts do."""

from __future__ import annotations

from typing import Final

from exporters.kibana.data_views import METER
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
    largest,
    total,
)

_CONSERVATION: Final = 'tapline.counter.group: "Conservation"'
_CAPTURE: Final = 'tapline.counter.group: "Capture"'
_OUTCOMES: Final = 'tapline.counter.group: "Alerts"'
_TROUBLE: Final = "tapline.alert.type: (script* or policy-broken or conservation or node-silent)"


def _meter(label: str, name: str) -> Metric:
    return total(label, f"{METER}.{name}")


PIPELINE: Final = Dashboard(
    key="pipeline",
    title="Scripts and pipeline health",
    description="Whether all that was announced was received, what was lost and why, and what scripts do.",
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Announced",
                    kind="metric",
                    view="counter",
                    metrics=(_meter("records", "announced"),),
                    filter=_CONSERVATION,
                ),
                Panel(
                    title="Received",
                    kind="metric",
                    view="counter",
                    metrics=(_meter("records", "received"),),
                    filter=_CONSERVATION,
                ),
                Panel(
                    title="Missing",
                    kind="metric",
                    view="counter",
                    metrics=(_meter("records", "missing"),),
                    filter=_CONSERVATION,
                ),
                Panel(
                    title="Late",
                    kind="metric",
                    view="counter",
                    metrics=(_meter("records", "late"),),
                    filter=_CONSERVATION,
                ),
                Panel(
                    title="Packets dropped",
                    kind="metric",
                    view="counter",
                    metrics=(_meter("packets", "dropped"),),
                    filter=_CAPTURE,
                ),
                Panel(title="Dead letters", kind="metric", view="dead", metrics=(documents("dead letters"),)),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Announced and received",
                    kind="line",
                    view="counter",
                    metrics=(_meter("announced", "announced"), _meter("received", "received")),
                    dimensions=(Time(),),
                    filter=_CONSERVATION,
                    description="One line covers the other where nothing was lost.",
                ),
                Panel(
                    title="Packets captured",
                    kind="line",
                    view="counter",
                    metrics=(_meter("packets", "packets"),),
                    dimensions=(Time(), Values("tapline.counter.key", "observation point")),
                    filter=_CAPTURE,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Conservation",
                    kind="table",
                    view="counter",
                    metrics=(
                        _meter("announced", "announced"),
                        _meter("received", "received"),
                        _meter("missing", "missing"),
                        _meter("unannounced", "unannounced"),
                        _meter("duplicate", "duplicate"),
                        _meter("late", "late"),
                    ),
                    dimensions=(Values("tapline.counter.key", "kind and node", 50),),
                    filter=_CONSERVATION,
                ),
                Panel(
                    title="Capture",
                    kind="table",
                    view="counter",
                    metrics=(
                        _meter("packets", "packets"),
                        total("bytes", f"{METER}.bytes", "bytes"),
                        _meter("ignored", "ignored"),
                        _meter("dropped", "dropped"),
                        _meter("flows evicted", "evicted_flows"),
                    ),
                    dimensions=(Values("tapline.counter.key", "observation point", 50),),
                    filter=_CAPTURE,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Alerts by script",
                    kind="table",
                    view="alert",
                    metrics=(documents("alerts"), different("types", "tapline.alert.type")),
                    dimensions=(Values("tapline.alert.script", "script", 50, missing=True),),
                ),
                Panel(
                    title="Annotations by script",
                    kind="table",
                    view="annotation",
                    metrics=(documents("annotations"), different("flows", "tapline.annotation.flow_id")),
                    dimensions=(
                        Values("tapline.annotation.script", "script", 50),
                        Values("tapline.annotation.kind", "kind", 5),
                    ),
                ),
                Panel(
                    title="Trouble",
                    kind="table",
                    view="alert",
                    metrics=(documents("alerts"), Metric("last", "maximum", "@timestamp", "")),
                    dimensions=(
                        Values("tapline.alert.type", "what happened", 20),
                        Values("tapline.alert.script", "script", 10, missing=True),
                    ),
                    filter=_TROUBLE,
                    description="Scripts suspended, broken or slow; nodes that are silent; records that are missing.",
                ),
                Panel(
                    title="Largest groups of counters",
                    kind="table",
                    view="counter",
                    metrics=(different("keys", "tapline.counter.key"), documents("counters")),
                    dimensions=(Values("tapline.counter.group", "group", 50),),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="What became of alerts",
                    kind="table",
                    view="counter",
                    metrics=(
                        _meter("received", "received"),
                        _meter("stored", "stored"),
                        _meter("raised", "raised"),
                        _meter("released", "released"),
                        _meter("repeated", "repeated"),
                        _meter("excluded", "excluded"),
                    ),
                    dimensions=(Values("tapline.counter.key", "type", 50),),
                    filter=_OUTCOMES,
                ),
                Panel(
                    title="Dead letters by reason",
                    kind="table",
                    view="dead",
                    metrics=(documents("dead letters"), largest("last offset", "tapline.dead.offset", "number")),
                    dimensions=(
                        Values("tapline.dead.topic", "topic", 20),
                        Values("tapline.dead.stage", "found by", 5, missing=True),
                        Values("error.type", "reason", 10),
                    ),
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List of dead letters",
                    view="dead",
                    columns=(
                        "tapline.dead.topic",
                        "tapline.dead.partition",
                        "tapline.dead.offset",
                        "tapline.dead.stage",
                        "error.type",
                        "error.message",
                    ),
                ),
            ),
        ),
    ),
)
