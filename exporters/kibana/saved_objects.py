"""All saved objects that Kibana imports: data views, visualizations, saved searches, dashboards, their links.

An object's id follows from its place, so importing again overwrites and adds nothing. Each says at which version
of its type it was written; a later Kibana brings it up to date when it imports it. The versions are those of
Kibana 8.13 at the latest, so that 8.18 and everything after it know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from exporters.kibana import lens
from exporters.kibana.dashboards import DASHBOARDS
from exporters.kibana.data_views import VIEWS, DataView, field_formats, view
from exporters.kibana.definitions import COLUMNS, TIME_FIELD, Control, Dashboard, Drilldown, Panel, SavedSearch, slug

PREFIX: Final = "tapline"
NAVIGATION: Final = f"{PREFIX}-navigation"
NAVIGATION_HEIGHT: Final = 3

_CORE_VERSION: Final = "8.8.0"
_TYPE_VERSIONS: Final = {
    "index-pattern": "8.0.0",
    "lens": "8.9.0",
    "search": "10.2.0",
    "links": "10.1.0",
    "dashboard": "10.1.0",
}
_SEARCH_INDEX: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"

SavedObject = dict[str, Any]
Reference = dict[str, str]


def saved_objects() -> list[SavedObject]:
    """Every object, those that are referred to before those that refer to them."""
    found = [_data_view(each) for each in VIEWS]
    found += [_panel(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
    found.append(_navigation())
    found += [_dashboard(each) for each in DASHBOARDS]
    return found


def ndjson() -> bytes:
    """The objects as a file that Kibana imports: one JSON object a line."""
    return b"".join(msgspec.json.encode(each) + b"\n" for each in saved_objects())


def dashboard_id(key: str) -> str:
    """The id of a dashboard's object."""
    return f"{PREFIX}-{key}"


def panel_id(dashboard: Dashboard, panel: Panel | SavedSearch) -> str:
    """The id of a panel's object."""
    return f"{PREFIX}-{dashboard.key}-{slug(panel.title)}"


def _object(kind: str, name: str, attributes: dict[str, Any], references: list[Reference]) -> SavedObject:
    return {
        "type": kind,
        "id": name,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[kind],
        "managed": False,
    }


def _reference(kind: str, target: str, name: str) -> Reference:
    return {"type": kind, "id": target, "name": name}


def _text(value: Any) -> str:
    """An object within an object, which Kibana keeps as text."""
    return msgspec.json.encode(value).decode()


def _titled(title: str) -> str:
    return f"[Tapline] {title}"


def _data_view(shown: DataView) -> SavedObject:
    attributes = {
        "title": shown.pattern,
        "name": shown.name,
        "fieldFormatMap": _text(field_formats(shown)),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        # A data stream comes into being with its first document: until then its panels are empty, not broken.
        "allowNoIndex": True,
        "timeFieldName": TIME_FIELD,
    }
    return _object("index-pattern", shown.id, attributes, [])


def _panel(dashboard: Dashboard, panel: Panel | SavedSearch) -> SavedObject:
    name, title = panel_id(dashboard, panel), _titled(f"{dashboard.title}: {panel.title}")
    if isinstance(panel, Panel):
        reference = _reference("index-pattern", view(panel.view).id, lens.REFERENCE)
        return _object("lens", name, lens.attributes(panel) | {"title": title}, [reference])
    source = {
        "query": {"query": panel.filter, "language": "kuery"},
        "filter": [],
        "highlightAll": True,
        "version": True,
        "indexRefName": _SEARCH_INDEX,
    }
    attributes = {
        "title": title,
        "description": panel.description,
        "columns": list(panel.columns),
        "sort": [[TIME_FIELD, "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(source)},
    }
    return _object("search", name, attributes, [_reference("index-pattern", view(panel.view).id, _SEARCH_INDEX)])


def _navigation() -> SavedObject:
    """The row of links at the head of each dashboard; filters and time go along."""
    links = [
        {
            "id": dashboard.key,
            "type": "dashboardLink",
            "label": dashboard.title,
            "order": order,
            "destinationRefName": f"link_{dashboard.key}_dashboard",
            "options": {"openInNewTab": False, "useCurrentFilters": True, "useCurrentDateRange": True},
        }
        for order, dashboard in enumerate(DASHBOARDS)
    ]
    references = [_reference("dashboard", dashboard_id(each.key), f"link_{each.key}_dashboard") for each in DASHBOARDS]
    attributes = {"title": _titled("Navigation"), "description": "", "layout": "horizontal", "links": links}
    return _object("links", NAVIGATION, attributes, references)


def _dashboard(dashboard: Dashboard) -> SavedObject:
    panels, references = [], []
    for panel, kind, target, grid, title in _placed(dashboard):
        name = target.removeprefix(f"{PREFIX}-")
        drilldowns = panel.drilldowns if isinstance(panel, Panel) else ()
        panels.append(
            {
                "type": kind,
                "title": title,
                "panelIndex": name,
                "panelRefName": f"panel_{name}",
                "gridData": grid | {"i": name},
                "embeddableConfig": {"enhancements": _enhancements(name, drilldowns), "hidePanelTitles": not title},
            }
        )
        references.append(_reference(kind, target, f"{name}:panel_{name}"))
        references += [
            _reference(
                "dashboard",
                dashboard_id(each.dashboard),
                f"{name}:drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{_event(name, each)}:dashboardId",
            )
            for each in drilldowns
        ]
    references += [
        _reference("index-pattern", view(each.view).id, f"controlGroup_{_control_id(each)}:optionsListDataView")
        for each in dashboard.controls
    ]
    source = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": _titled(dashboard.title),
        "description": dashboard.description,
        "controlGroupInput": _controls(dashboard.controls),
        "panelsJSON": _text(panels),
        "optionsJSON": _text(
            {
                "useMargins": True,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        # The time that is looked at stays the one that was chosen, also from one dashboard to the next.
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(source)},
    }
    return _object("dashboard", dashboard_id(dashboard.key), attributes, references)


def _controls(controls: tuple[Control, ...]) -> dict[str, Any]:
    """The controls, from left to right; what is chosen in one narrows down the values of those after it."""
    panels = {
        _control_id(each): {
            "order": order,
            "type": "optionsListControl",
            "width": "medium",
            "grow": True,
            "explicitInput": {
                "id": _control_id(each),
                "fieldName": each.field,
                "title": each.label,
                "selectedOptions": [],
                "enhancements": {},
            },
        }
        for order, each in enumerate(controls)
    }
    ignored = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "ignoreParentSettingsJSON": _text(dict.fromkeys(ignored, False)),
        "panelsJSON": _text(panels),
    }


def _control_id(control: Control) -> str:
    return f"control-{slug(control.field)}"


def _placed(
    dashboard: Dashboard,
) -> Iterator[tuple[Panel | SavedSearch | None, str, str, dict[str, int], str]]:
    """Each panel with the type and id of its object, its place in the grid and its title; the links come first."""
    yield None, "links", NAVIGATION, {"x": 0, "y": 0, "w": COLUMNS, "h": NAVIGATION_HEIGHT}, ""
    top = NAVIGATION_HEIGHT
    for row in dashboard.rows:
        left = 0
        for number, panel in enumerate(row.panels, 1):
            right = COLUMNS * number // len(row.panels)
            kind = "lens" if isinstance(panel, Panel) else "search"
            grid = {"x": left, "y": top, "w": right - left, "h": row.height}
            yield panel, kind, panel_id(dashboard, panel), grid, panel.title
            left = right
        top += row.height


def _enhancements(panel: str, drilldowns: tuple[Drilldown, ...]) -> dict[str, Any]:
    if not drilldowns:
        return {}
    events = [
        {
            "eventId": _event(panel, each),
            "triggers": ["FILTER_TRIGGER"],
            "action": {
                "name": each.label,
                "factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
                "config": {"useCurrentFilters": True, "useCurrentDateRange": True, "openInNewTab": False},
            },
        }
        for each in drilldowns
    ]
    return {"dynamicActions": {"events": events}}


def _event(panel: str, drilldown: Drilldown) -> str:
    return f"{panel}-to-{drilldown.dashboard}"
