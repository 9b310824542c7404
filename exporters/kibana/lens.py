"""A panel as the state of a Lens visualization.

The shapes are those of Kibana's saved objects of type ``lens`` at version 8.9.0, which every later Kibana reads
and brings up to date: https://github.com/elastic/kibana, ``x-pack/platform/plugins/shared/lens``.
"""

from __future__ import annotations

from typing import Any, Final

from exporters.kibana.data_views import DataView, view
from exporters.kibana.definitions import TIME_FIELD, Dimension, Kind, Metric, Panel, Ranges, Time

LAYER: Final = "layer"
REFERENCE: Final = f"indexpattern-datasource-layer-{LAYER}"
"""The name of the reference to the data view."""

PERCENTILE: Final = 95

_OPERATIONS: Final = {
    "count": "count",
    "sum": "sum",
    "average": "average",
    "minimum": "min",
    "maximum": "max",
    "unique": "unique_count",
    "percentile": "percentile",
}
_VISUALIZATIONS: Final = {
    "metric": "lnsMetric",
    "table": "lnsDatatable",
    "pie": "lnsPie",
    "line": "lnsXY",
    "area": "lnsXY",
    "bar": "lnsXY",
    "bars over time": "lnsXY",
}
_SERIES: Final = {
    "line": "line",
    "area": "area_stacked",
    "bar": "bar_horizontal_stacked",
    "bars over time": "bar_stacked",
}
_DATA_TYPES: Final = {
    "keyword": "string",
    "text": "string",
    "flattened": "string",
    "ip": "ip",
    "boolean": "boolean",
    "date": "date",
    "date_nanos": "date",
    "long": "number",
    "float": "number",
    "double": "number",
}


def attributes(panel: Panel) -> dict[str, Any]:
    """The ``attributes`` of the visualization; it needs a reference to its data view of the name :data:`REFERENCE`."""
    shown = view(panel.view)
    columns: dict[str, Any] = {
        _dimension_id(number): _dimension(each, shown) for number, each in enumerate(panel.dimensions)
    }
    columns |= {_metric_id(number): _metric(each, shown, panel.kind) for number, each in enumerate(panel.metrics)}
    return {
        "title": panel.title,
        "description": panel.description,
        "visualizationType": _VISUALIZATIONS[panel.kind],
        "state": {
            "datasourceStates": {
                "formBased": {
                    "layers": {
                        LAYER: {
                            "columns": columns,
                            "columnOrder": list(columns),
                            "incompleteColumns": {},
                            "sampling": 1,
                        }
                    }
                }
            },
            "visualization": _visualization(panel),
            "query": {"query": panel.filter, "language": "kuery"},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _dimension_id(number: int) -> str:
    return f"dimension-{number}"


def _metric_id(number: int) -> str:
    return f"metric-{number}"


def _metric(metric: Metric, shown: DataView, kind: Kind) -> dict[str, Any]:
    counts = metric.function == "count"
    params: dict[str, Any] = {}
    if metric.function in {"count", "sum", "unique"}:
        # A number that stands alone says 0 of nothing; a chart has a gap there.
        params = {"emptyAsNull": kind != "metric"}
    is_date = not counts and metric.function in {"minimum", "maximum"} and _is_date(shown, metric.field)
    if metric.function == "percentile":
        params = {"percentile": PERCENTILE}
    if metric.format and not is_date:
        params["format"] = {"id": metric.format, "params": {"decimals": 1 if metric.format == "bytes" else 0}}
    return {
        "label": metric.label,
        "customLabel": True,
        "dataType": "date" if is_date else "number",
        "operationType": _OPERATIONS[metric.function],
        "sourceField": "___records___" if counts else metric.field,
        "isBucketed": False,
        "scale": "ratio",
        "params": params,
    }


def _dimension(dimension: Dimension, shown: DataView) -> dict[str, Any]:
    column: dict[str, Any] = {"label": dimension.label, "customLabel": True, "isBucketed": True}
    if isinstance(dimension, Time):
        return column | {
            "dataType": "date",
            "operationType": "date_histogram",
            "sourceField": TIME_FIELD,
            "scale": "interval",
            "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
        }
    column["sourceField"] = dimension.field
    if isinstance(dimension, Ranges):
        ends: tuple[int | None, ...] = (*dimension.bounds[1:], None)
        return column | {
            "dataType": "string",
            "operationType": "range",
            "scale": "ordinal",
            "params": {
                "type": "range",
                "maxBars": "auto",
                "ranges": [
                    {"from": start, "to": end, "label": ""} for start, end in zip(dimension.bounds, ends, strict=True)
                ],
                "parentFormat": {"id": "range", "params": {"template": "arrow_right", "replaceInfinity": True}},
            },
        }
    return column | {
        "dataType": _DATA_TYPES[shown.field_type(dimension.field)],
        "operationType": "terms",
        "scale": "ordinal",
        "params": {
            "size": dimension.size,
            "orderBy": {"type": "column", "columnId": _metric_id(0)},
            "orderDirection": "asc" if dimension.ascending else "desc",
            "otherBucket": dimension.others,
            "missingBucket": dimension.missing,
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
            "parentFormat": {"id": "terms"},
        },
    }


def _is_date(shown: DataView, name: str) -> bool:
    return shown.field_type(name) in {"date", "date_nanos"}


def _visualization(panel: Panel) -> dict[str, Any]:
    dimensions = [_dimension_id(number) for number in range(len(panel.dimensions))]
    metrics = [_metric_id(number) for number in range(len(panel.metrics))]
    layer: dict[str, Any] = {"layerId": LAYER, "layerType": "data"}
    if panel.kind == "metric":
        return layer | {"metricAccessor": metrics[0]}
    if panel.kind == "table":
        return layer | {
            "columns": [{"columnId": each, "isTransposed": False} for each in [*dimensions, *metrics]],
            "paging": {"enabled": True, "size": 10},
        }
    if panel.kind == "pie":
        shares = {
            "primaryGroups": dimensions,
            "metrics": metrics,
            "numberDisplay": "percent",
            "categoryDisplay": "default",
            "legendDisplay": "default",
            "nestedLegend": False,
        }
        return {"shape": "donut", "layers": [layer | shares]}
    series = _SERIES[panel.kind]
    layer |= {"accessors": metrics, "seriesType": series, "xAccessor": dimensions[0]}
    if len(dimensions) > 1:
        layer["splitAccessor"] = dimensions[1]
    visible = {"x": True, "yLeft": True, "yRight": True}
    return {
        "layers": [layer],
        "preferredSeriesType": series,
        "legend": {"isVisible": len(dimensions) > 1 or len(metrics) > 1, "position": "right"},
        "valueLabels": "hide",
        "fittingFunction": "Zero" if panel.kind == "area" else "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": True, "yRight": True},
        "tickLabelsVisibilitySettings": visible,
        "gridlinesVisibilitySettings": visible,
    }
