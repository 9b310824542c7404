"""What Kibana's saved objects look like, as far as ours use them; anything else is refused.

After the schemas in Kibana's repository: ``dashboard_saved_object/schema/v1``, ``saved_search/server/saved_objects``,
``links/server/saved_objects/schema/v1``, ``data_views``, and the types of Lens's state.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

T = TypeVar("T")
Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")]
Grid = Annotated[int, Meta(ge=0, le=48)]


class Shape(Struct, forbid_unknown_fields=True, kw_only=True):
    """Base: no field that is not named, none left out without a default."""


class Reference(Shape):
    type: Literal["index-pattern", "lens", "search", "links", "dashboard"]
    id: Name
    name: Text


class Kql(Shape):
    query: str
    language: Literal["kuery"]


class Source(Shape):
    """``kibanaSavedObjectMeta``: a text of its own."""

    searchSourceJSON: str  # noqa: N815


class SearchSource(Shape):
    query: Kql
    filter: list[Any]
    highlightAll: bool | None = None  # noqa: N815
    version: bool | None = None
    indexRefName: str = ""  # noqa: N815


class DataViewAttributes(Shape):
    title: Text
    name: Text
    fieldFormatMap: str  # noqa: N815
    fieldAttrs: str  # noqa: N815
    fields: str
    runtimeFieldMap: str  # noqa: N815
    sourceFilters: str  # noqa: N815
    allowNoIndex: bool  # noqa: N815
    timeFieldName: Literal["@timestamp"] | None = None  # noqa: N815


class SearchAttributes(Shape):
    title: Text
    description: str
    columns: Annotated[list[str], Meta(min_length=1)]
    sort: list[tuple[str, Literal["asc", "desc"]]]
    grid: dict[str, Any]
    hideChart: bool  # noqa: N815
    isTextBasedQuery: bool  # noqa: N815
    timeRestore: bool  # noqa: N815
    kibanaSavedObjectMeta: Source  # noqa: N815


class LinkOptions(Shape):
    openInNewTab: bool  # noqa: N815
    useCurrentFilters: bool  # noqa: N815
    useCurrentDateRange: bool  # noqa: N815


class Link(Shape):
    id: Text
    type: Literal["dashboardLink"]
    label: Text
    order: int
    destinationRefName: Text  # noqa: N815
    options: LinkOptions


class LinksAttributes(Shape):
    title: Text
    description: str
    layout: Literal["horizontal", "vertical"]
    links: Annotated[list[Link], Meta(min_length=1)]


class ControlGroup(Shape):
    """``control_group`` of version 1; its texts are :class:`ControlPanel` by id, and what controls do not heed."""

    controlStyle: Literal["oneLine", "twoLine"]  # noqa: N815
    chainingSystem: Literal["HIERARCHICAL", "NONE"]  # noqa: N815
    ignoreParentSettingsJSON: str  # noqa: N815
    panelsJSON: str  # noqa: N815


class OptionsList(Shape):
    id: Name
    fieldName: Text  # noqa: N815
    title: Text
    selectedOptions: list[str]  # noqa: N815
    enhancements: dict[str, Any]


class ControlPanel(Shape):
    order: Annotated[int, Meta(ge=0)]
    type: Literal["optionsListControl"]
    width: Literal["small", "medium", "large"]
    grow: bool
    explicitInput: OptionsList  # noqa: N815


class Ignored(Shape):
    ignoreFilters: bool  # noqa: N815
    ignoreQuery: bool  # noqa: N815
    ignoreTimerange: bool  # noqa: N815
    ignoreValidations: bool  # noqa: N815


class DashboardAttributes(Shape):
    title: Text
    description: Text
    controlGroupInput: ControlGroup  # noqa: N815
    panelsJSON: str  # noqa: N815
    optionsJSON: str  # noqa: N815
    timeRestore: Literal[False]  # noqa: N815
    kibanaSavedObjectMeta: Source  # noqa: N815


class Place(Shape):
    x: Grid
    y: Annotated[int, Meta(ge=0)]
    w: Annotated[int, Meta(ge=4, le=48)]
    h: Annotated[int, Meta(ge=2)]
    i: Name


class ActionConfiguration(Shape):
    useCurrentFilters: Literal[True]  # noqa: N815
    useCurrentDateRange: Literal[True]  # noqa: N815
    openInNewTab: bool  # noqa: N815


class Action(Shape):
    name: Text
    factoryId: Literal["DASHBOARD_TO_DASHBOARD_DRILLDOWN"]  # noqa: N815
    config: ActionConfiguration


class DynamicEvent(Shape):
    eventId: Name  # noqa: N815
    triggers: tuple[Literal["FILTER_TRIGGER"]]
    action: Action


class DynamicActions(Shape):
    events: Annotated[list[DynamicEvent], Meta(min_length=1)]


class Enhancements(Shape):
    dynamicActions: DynamicActions | None = None  # noqa: N815


class Embedded(Shape):
    enhancements: Enhancements
    hidePanelTitles: bool  # noqa: N815


class DashboardPanel(Shape):
    type: Literal["lens", "search", "links"]
    title: str
    panelIndex: Name  # noqa: N815
    panelRefName: Text  # noqa: N815
    gridData: Place  # noqa: N815
    embeddableConfig: Embedded  # noqa: N815


class Column(Shape):
    label: Text
    customLabel: Literal[True]  # noqa: N815
    dataType: Literal["string", "number", "date", "ip", "boolean"]  # noqa: N815
    operationType: Literal[  # noqa: N815
        "count",
        "sum",
        "average",
        "min",
        "max",
        "unique_count",
        "percentile",
        "terms",
        "range",
        "date_histogram",
    ]
    sourceField: Text  # noqa: N815
    isBucketed: bool  # noqa: N815
    scale: Literal["ratio", "ordinal", "interval"]
    params: dict[str, Any]


class Layer(Shape):
    columns: Annotated[dict[str, Column], Meta(min_length=1)]
    columnOrder: list[str]  # noqa: N815
    incompleteColumns: dict[str, Any]  # noqa: N815
    sampling: int


class FormBased(Shape):
    layers: Annotated[dict[str, Layer], Meta(min_length=1, max_length=1)]


class Datasources(Shape):
    formBased: FormBased  # noqa: N815


class MetricVisualization(Shape):
    layerId: str  # noqa: N815
    layerType: Literal["data"]  # noqa: N815
    metricAccessor: str  # noqa: N815


class TableColumn(Shape):
    columnId: str  # noqa: N815
    isTransposed: bool  # noqa: N815


class TableVisualization(Shape):
    layerId: str  # noqa: N815
    layerType: Literal["data"]  # noqa: N815
    columns: list[TableColumn]
    paging: dict[str, Any]


class PieLayer(Shape):
    layerId: str  # noqa: N815
    layerType: Literal["data"]  # noqa: N815
    primaryGroups: Annotated[list[str], Meta(min_length=1)]  # noqa: N815
    metrics: Annotated[list[str], Meta(min_length=1, max_length=1)]
    numberDisplay: Literal["percent", "value", "hidden"]  # noqa: N815
    categoryDisplay: Literal["default", "inside", "hide"]  # noqa: N815
    legendDisplay: Literal["default", "show", "hide"]  # noqa: N815
    nestedLegend: bool  # noqa: N815


class PieVisualization(Shape):
    shape: Literal["donut", "pie"]
    layers: Annotated[list[PieLayer], Meta(min_length=1, max_length=1)]


class XyLayer(Shape):
    layerId: str  # noqa: N815
    layerType: Literal["data"]  # noqa: N815
    accessors: Annotated[list[str], Meta(min_length=1)]
    seriesType: Literal["line", "area_stacked", "bar_stacked", "bar_horizontal_stacked"]  # noqa: N815
    xAccessor: str  # noqa: N815
    splitAccessor: str = ""  # noqa: N815


class XyVisualization(Shape):
    layers: Annotated[list[XyLayer], Meta(min_length=1, max_length=1)]
    preferredSeriesType: Literal["line", "area_stacked", "bar_stacked", "bar_horizontal_stacked"]  # noqa: N815
    legend: dict[str, Any]
    valueLabels: Literal["hide", "show"]  # noqa: N815
    fittingFunction: Literal["None", "Zero", "Linear"]  # noqa: N815
    axisTitlesVisibilitySettings: dict[str, bool]  # noqa: N815
    tickLabelsVisibilitySettings: dict[str, bool]  # noqa: N815
    gridlinesVisibilitySettings: dict[str, bool]  # noqa: N815


class LensState(Shape):
    datasourceStates: Datasources  # noqa: N815
    visualization: dict[str, Any]
    query: Kql
    filters: list[Any]
    internalReferences: list[Any]  # noqa: N815
    adHocDataViews: dict[str, Any]  # noqa: N815


class LensAttributes(Shape):
    title: Text
    description: str
    visualizationType: Literal["lnsMetric", "lnsDatatable", "lnsPie", "lnsXY"]  # noqa: N815
    state: LensState


class SavedObjectShape(Shape):
    type: Literal["index-pattern", "lens", "search", "links", "dashboard"]
    id: Name
    attributes: dict[str, Any]
    references: list[Reference]
    coreMigrationVersion: Literal["8.8.0"]  # noqa: N815
    typeMigrationVersion: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]  # noqa: N815
    managed: Literal[False] = field(default=False)


ATTRIBUTES: dict[str, type[Shape]] = {
    "index-pattern": DataViewAttributes,
    "lens": LensAttributes,
    "search": SearchAttributes,
    "links": LinksAttributes,
    "dashboard": DashboardAttributes,
}
VISUALIZATIONS: dict[str, type[Shape]] = {
    "lnsMetric": MetricVisualization,
    "lnsDatatable": TableVisualization,
    "lnsPie": PieVisualization,
    "lnsXY": XyVisualization,
}


def read(value: Any, shape: type[T]) -> T:
    """A value in its shape; :class:`msgspec.ValidationError` where it has another."""
    return msgspec.convert(value, shape, strict=True)
