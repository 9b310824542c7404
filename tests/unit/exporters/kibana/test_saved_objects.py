"""The objects are such as Kibana takes: shapes, references, fields, places. No Kibana runs here."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import msgspec
import pytest

from exporters.kibana.dashboards import DASHBOARDS
from exporters.kibana.data_views import METER, VIEWS, DataView, field_formats, view
from exporters.kibana.definitions import COLUMNS, Dashboard, Panel, SavedSearch, Values
from exporters.kibana.saved_objects import SavedObject, ndjson, saved_objects
from tests.kibana import kql, shapes
from tests.unit.exporters.samples import SAMPLES
from workers.counting.groups import GROUPS

OBJECTS = saved_objects()
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]


def named(saved: SavedObject) -> str:
    return str(saved["id"])


def panels_of(dashboard: SavedObject) -> list[shapes.DashboardPanel]:
    return msgspec.json.decode(dashboard["attributes"]["panelsJSON"], type=list[shapes.DashboardPanel])


def controls_of(dashboard: SavedObject) -> dict[str, shapes.ControlPanel]:
    group = dashboard["attributes"]["controlGroupInput"]
    return msgspec.json.decode(group["panelsJSON"], type=dict[shapes.Name, shapes.ControlPanel])


@pytest.mark.parametrize("saved", OBJECTS, ids=named)
def test_an_object_has_the_shape_of_its_type(saved: SavedObject) -> None:
    shapes.read(saved, shapes.SavedObjectShape)
    attributes = shapes.read(saved["attributes"], shapes.ATTRIBUTES[saved["type"]])
    if isinstance(attributes, shapes.LensAttributes):
        check_lens(attributes, saved["references"])
    elif isinstance(attributes, shapes.SearchAttributes):
        source = msgspec.json.decode(attributes.kibanaSavedObjectMeta.searchSourceJSON, type=shapes.SearchSource)
        assert source.indexRefName in {each["name"] for each in saved["references"]}
    elif isinstance(attributes, shapes.DataViewAttributes):
        for text in (attributes.fieldFormatMap, attributes.fieldAttrs, attributes.runtimeFieldMap):
            assert isinstance(msgspec.json.decode(text), dict)
        for text in (attributes.fields, attributes.sourceFilters):
            assert msgspec.json.decode(text) == []
    elif isinstance(attributes, shapes.DashboardAttributes):
        msgspec.json.decode(attributes.kibanaSavedObjectMeta.searchSourceJSON, type=shapes.SearchSource)
        msgspec.json.decode(attributes.controlGroupInput.ignoreParentSettingsJSON, type=shapes.Ignored)
        assert panels_of(saved)
        controls = controls_of(saved)
        assert [each.order for each in controls.values()] == list(range(len(controls)))
        assert [each.explicitInput.id for each in controls.values()] == list(controls)


def check_lens(attributes: shapes.LensAttributes, references: list[dict[str, str]]) -> None:
    """What is shown is a column of the layer, ordered is by one, and buckets come before what is measured in them."""
    ((layer_id, layer),) = attributes.state.datasourceStates.formBased.layers.items()
    assert [each["name"] for each in references] == [f"indexpattern-datasource-layer-{layer_id}"]
    assert layer.columnOrder == list(layer.columns)
    bucketed = [each.isBucketed for each in layer.columns.values()]
    assert bucketed == sorted(bucketed, reverse=True)
    measured = {name for name, column in layer.columns.items() if not column.isBucketed}
    assert measured
    for column in layer.columns.values():
        if column.operationType == "terms":
            assert column.params["orderBy"] == {"type": "column", "columnId": column.params["orderBy"]["columnId"]}
            assert column.params["orderBy"]["columnId"] in measured
        assert (column.operationType == "count") == (column.sourceField == "___records___")
    shown = shapes.read(attributes.state.visualization, shapes.VISUALIZATIONS[attributes.visualizationType])
    assert accessors(shown) == set(layer.columns)
    assert {each.layerId for each in getattr(shown, "layers", [shown])} == {layer_id}


def accessors(shown: shapes.Shape) -> set[str]:
    if isinstance(shown, shapes.MetricVisualization):
        return {shown.metricAccessor}
    if isinstance(shown, shapes.TableVisualization):
        return {each.columnId for each in shown.columns}
    if isinstance(shown, shapes.PieVisualization):
        return {*shown.layers[0].primaryGroups, *shown.layers[0].metrics}
    assert isinstance(shown, shapes.XyVisualization)
    layer = shown.layers[0]
    return {*layer.accessors, layer.xAccessor, *([layer.splitAccessor] if layer.splitAccessor else [])}


def test_ids_are_unique_and_the_same_each_time() -> None:
    assert (
        len({(each["type"], each["id"]) for each in OBJECTS}) == len({each["id"] for each in OBJECTS}) == len(OBJECTS)
    )
    assert saved_objects() == OBJECTS
    assert [msgspec.json.decode(line) for line in ndjson().splitlines()] == OBJECTS


@pytest.mark.parametrize("saved", OBJECTS, ids=named)
def test_every_reference_leads_to_an_object(saved: SavedObject) -> None:
    there = {(each["type"], each["id"]) for each in OBJECTS}
    names = [each["name"] for each in saved["references"]]
    assert len(set(names)) == len(names)
    assert {(each["type"], each["id"]) for each in saved["references"]} <= there


@pytest.mark.parametrize("saved", [each for each in OBJECTS if each["type"] == "dashboard"], ids=named)
def test_a_dashboard_refers_to_its_panels_and_drilldowns_by_the_names_kibana_looks_for(saved: SavedObject) -> None:
    expected: dict[str, str] = {}
    for panel in panels_of(saved):
        expected[f"{panel.panelIndex}:{panel.panelRefName}"] = panel.type
        actions = panel.embeddableConfig.enhancements.dynamicActions
        for event in actions.events if actions else ():
            name = f"{panel.panelIndex}:drilldown:{event.action.factoryId}:{event.eventId}:dashboardId"
            expected[name] = "dashboard"
    for control in controls_of(saved):
        expected[f"controlGroup_{control}:optionsListDataView"] = "index-pattern"
    assert {each["name"]: each["type"] for each in saved["references"]} == expected


@pytest.mark.parametrize("saved", [each for each in OBJECTS if each["type"] == "dashboard"], ids=named)
def test_panels_fill_the_grid_without_lying_on_one_another(saved: SavedObject) -> None:
    places = [panel.gridData for panel in panels_of(saved)]
    for one, other in combinations(places, 2):
        beside = one.x + one.w <= other.x or other.x + other.w <= one.x
        assert beside or one.y + one.h <= other.y or other.y + other.h <= one.y, f"{one.i} lies on {other.i}"
    assert all(place.x + place.w <= COLUMNS for place in places)
    depth = max(place.y + place.h for place in places)
    assert sum(place.w * place.h for place in places) == COLUMNS * depth, "no holes"
    assert [place.i for place in places] == [panel.panelIndex for panel in panels_of(saved)]


def test_the_links_lead_to_every_dashboard() -> None:
    (navigation,) = [each for each in OBJECTS if each["type"] == "links"]
    attributes = shapes.read(navigation["attributes"], shapes.LinksAttributes)
    assert [each.destinationRefName for each in attributes.links] == [each["name"] for each in navigation["references"]]
    assert [each["id"] for each in navigation["references"]] == [
        each["id"] for each in OBJECTS if each["type"] == "dashboard"
    ]
    for dashboard in OBJECTS:
        if dashboard["type"] == "dashboard":
            assert navigation["id"] in {each["id"] for each in dashboard["references"]}


def fields_of(panel: Panel | SavedSearch) -> set[str]:
    if isinstance(panel, SavedSearch):
        return kql.fields(panel.filter) | set(panel.columns)
    found = kql.fields(panel.filter)
    for metric in panel.metrics:
        found |= {metric.field} if metric.field else set()
    return found | {dimension.field for dimension in panel.dimensions if hasattr(dimension, "field")}


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda each: getattr(each, "title", None))
def test_a_panel_names_only_fields_that_the_templates_map(dashboard: Dashboard, panel: Panel | SavedSearch) -> None:
    shown = view(panel.view)
    meters = {f"{METER}.{meter.name}" for group in GROUPS for meter in group.meters}
    for name in fields_of(panel):
        assert shown.field_type(name) is not None
        if name.startswith(METER):
            assert name in meters, f"no group has a meter {name}"


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda each: getattr(each, "title", None))
def test_what_is_summed_is_a_number_and_what_is_listed_is_none_of_text(
    dashboard: Dashboard, panel: Panel | SavedSearch
) -> None:
    if isinstance(panel, SavedSearch):
        return
    shown = view(panel.view)
    for metric in panel.metrics:
        if metric.function in {"sum", "average", "percentile"}:
            assert shown.field_type(metric.field) in {"long", "float", "double"}
    for dimension in panel.dimensions:
        if isinstance(dimension, Values):
            assert shown.field_type(dimension.field) != "text"
            assert not dimension.missing or shown.field_type(dimension.field) == "keyword"


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=lambda each: getattr(each, "title", None))
def test_a_drilldown_keeps_a_filter_that_its_target_knows(dashboard: Dashboard, panel: Panel | SavedSearch) -> None:
    if isinstance(panel, SavedSearch):
        return
    targets = {each.key: each for each in DASHBOARDS}
    clicked = {each.field for each in panel.dimensions if isinstance(each, Values)}
    for drilldown in panel.drilldowns:
        target = targets[drilldown.dashboard]
        assert target is not dashboard
        for name in clicked:
            for shown in target.panels:
                assert name in view(shown.view).fields(), f"{target.title}: {shown.title} knows no {name}"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.key)
def test_a_control_is_of_a_field_that_all_panels_know(dashboard: Dashboard) -> None:
    for control in dashboard.controls:
        assert view(control.view).field_type(control.field) in {"ip", "keyword"}
        for panel in dashboard.panels:
            assert control.field in view(panel.view).fields(), f"{panel.title} knows no {control.field}"


def test_what_people_look_for_can_be_chosen() -> None:
    chosen = {dashboard.key: {control.field for control in dashboard.controls} for dashboard in DASHBOARDS}
    for key in ("flows", "dns", "http", "tls", "files", "alerts"):
        assert {"source.ip", "destination.ip"} <= chosen[key], key


def test_a_host_leads_to_its_flows_and_they_to_its_alerts() -> None:
    ways = {
        (dashboard.key, drilldown.dashboard)
        for dashboard, panel in PANELS
        if isinstance(panel, Panel)
        for drilldown in panel.drilldowns
    }
    assert {("hosts", "flows"), ("flows", "alerts"), ("hosts", "alerts"), ("alerts", "flows")} <= ways


@pytest.mark.parametrize("shown", VIEWS, ids=lambda each: each.key)
def test_formats_are_those_of_fields_that_are_there(shown: DataView) -> None:
    formats = field_formats(shown)
    assert set(formats) <= set(shown.fields())
    assert all(shown.fields()[name] in {"long", "float", "double"} for name in formats)


def test_every_kind_of_document_has_a_data_view() -> None:
    covered = {kind for shown in VIEWS for kind in shown.kinds}
    assert {topic.kind for topic, _ in SAMPLES} <= covered | {"alert"}


def test_another_shape_is_noticed() -> None:
    """The schema can fail: a dashboard with a field that Kibana forbids, a panel without a place."""
    (dashboard,) = [each for each in OBJECTS if each["id"] == "tapline-overview"]
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        shapes.read(dashboard["attributes"] | {"panels": []}, shapes.DashboardAttributes)
    panel: dict[str, Any] = msgspec.json.decode(dashboard["attributes"]["panelsJSON"])[0]
    with pytest.raises(msgspec.ValidationError, match="gridData"):
        shapes.read({name: value for name, value in panel.items() if name != "gridData"}, shapes.DashboardPanel)
