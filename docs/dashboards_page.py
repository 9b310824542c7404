"""The reference page of Kibana's dashboards."""

from __future__ import annotations

from typing import Final

from docs.monitor_pages import NOTE
from exporters.kibana.dashboards import DASHBOARDS
from exporters.kibana.data_views import VIEWS, view
from exporters.kibana.definitions import Dashboard, Metric, Panel, Ranges, SavedSearch, Time
from exporters.kibana.lens import PERCENTILE

_INTRODUCTION: Final = """\
What `tapline export setup --kibana` brings into Kibana, see [use Kibana](../how-to/use-kibana.md). Each panel of a
dashboard is an object of its own in Kibana's library. The definitions are in `exporters/kibana/dashboards`.
"""
_FUNCTIONS: Final = {
    "sum": "sum of",
    "average": "average of",
    "minimum": "smallest",
    "maximum": "largest",
    "unique": "different",
    "percentile": f"{PERCENTILE}th percentile of",
}


def dashboards_page() -> str:
    """Every data view, and every dashboard with its panels."""
    lines = [NOTE, "# Kibana's dashboards\n", _INTRODUCTION, "## Data views\n"]
    lines += ["| data view | data streams or indices | id |", "|---|---|---|"]
    lines += [f"| {each.name} | `{each.pattern}` | `{each.id}` |" for each in VIEWS]
    lines.append("")
    for dashboard in DASHBOARDS:
        lines += _dashboard(dashboard)
    return "\n".join(lines)


def _dashboard(dashboard: Dashboard) -> list[str]:
    lines = [f"## {dashboard.title}\n", f"{dashboard.description}\n"]
    lines += ["| panel | kind | of | shows | for | filter |", "|---|---|---|---|---|---|"]
    lines += [_row(panel) for panel in dashboard.panels]
    described = [f"{panel.title}: {panel.description}" for panel in dashboard.panels if panel.description]
    clicked = {
        drilldown.dashboard: drilldown.label
        for panel in dashboard.panels
        if isinstance(panel, Panel)
        for drilldown in panel.drilldowns
    }
    titles = {each.key: each.title for each in DASHBOARDS}
    lines.append("")
    lines += [f"- {each}" for each in described]
    for key, label in clicked.items():
        panels = [
            panel.title
            for panel in dashboard.panels
            if isinstance(panel, Panel) and key in {each.dashboard for each in panel.drilldowns}
        ]
        lines.append(f"- A click in {', '.join(panels)} leads on: *{label}* ({titles[key]}).")
    chosen = ", ".join(f"{each.label} (`{each.field}`)" for each in dashboard.controls)
    lines += [f"- At its head one chooses: {chosen}."] if chosen else []
    return [*lines, ""] if described or clicked or chosen else lines


def _row(panel: Panel | SavedSearch) -> str:
    condition = f"`{panel.filter}`" if panel.filter else ""
    shown = view(panel.view).name.removeprefix("Tapline ")
    if isinstance(panel, SavedSearch):
        columns = ", ".join(f"`{each}`" for each in panel.columns)
        return f"| {panel.title} | list | {shown} | {columns} | | {condition} |"
    metrics = ", ".join(_metric(each) for each in panel.metrics)
    return f"| {panel.title} | {panel.kind} | {shown} | {metrics} | {_dimensions(panel)} | {condition} |"


def _metric(metric: Metric) -> str:
    if metric.function == "count":
        return "number of documents"
    return f"{_FUNCTIONS[metric.function]} `{metric.field}`"


def _dimensions(panel: Panel) -> str:
    parts = []
    for each in panel.dimensions:
        if isinstance(each, Time):
            parts.append("time")
        elif isinstance(each, Ranges):
            parts.append(f"ranges of `{each.field}`")
        else:
            parts.append(f"`{each.field}` ({each.size})")
    return ", ".join(parts)
