"""What a dashboard is made of, as one writes it down; :mod:`exporters.kibana.saved_objects` makes objects of it.

Fields are named as in the documents, filters are KQL. A view is named by the id of a data view
(:mod:`exporters.kibana.data_views`) without its ``tapline-``.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

COLUMNS: Final = 48
"""How wide Kibana's grid is."""

TIME_FIELD: Final = "@timestamp"

Function = Literal["count", "sum", "average", "minimum", "maximum", "unique", "percentile"]
Format = Literal["", "number", "bytes"]


class Metric(Struct, frozen=True):
    """One number of a panel: a function of a field.

    ``count`` counts documents and has no field, ``unique`` counts different values (near enough, as Elasticsearch's
    ``cardinality``), ``percentile`` is the 95th. Without a ``format`` the number is shown as its field is.
    """

    label: str
    function: Function = "count"
    field: str = ""
    format: Format = "number"


class Values(Struct, frozen=True):
    """A dimension: the ``size`` values of a field with the largest first metric, or the smallest if ``ascending``.

    ``others`` stands for what is left, ``missing`` for the documents without a value, of keywords alone. Without it
    a row whose last dimensions have no value is not shown at all.
    """

    field: str
    label: str
    size: int = 10
    others: bool = False
    ascending: bool = False
    missing: bool = False


class Time(Struct, frozen=True):
    """A dimension: steps of time, as long as Kibana finds right for what is looked at."""

    label: str = "time"


class Ranges(Struct, frozen=True):
    """A dimension: ranges of a number, each from one of ``bounds`` to the next; the last has no end."""

    field: str
    label: str
    bounds: tuple[int, ...]


Dimension = Values | Time | Ranges
Kind = Literal["metric", "line", "area", "bar", "bars over time", "table", "pie"]


class Drilldown(Struct, frozen=True):
    """From a clicked value to another dashboard, which keeps the filter and the time; ``dashboard`` is its key."""

    label: str
    dashboard: str


class Panel(Struct, frozen=True, kw_only=True):
    """One panel of Lens: what it counts of which documents, and how it shows that.

    A ``metric`` has no dimension. ``line``, ``area`` and ``bars over time`` have :class:`Time` first, and may have
    another that makes the series; ``bar`` and ``pie`` have one dimension or two; a ``table`` has a column for each.
    """

    title: str
    kind: Kind
    view: str
    metrics: tuple[Metric, ...]
    dimensions: tuple[Dimension, ...] = ()
    filter: str = ""
    description: str = ""
    drilldowns: tuple[Drilldown, ...] = ()


class SavedSearch(Struct, frozen=True, kw_only=True):
    """A list of documents, the newest first, with these fields as its columns."""

    title: str
    view: str
    columns: tuple[str, ...]
    filter: str = ""
    description: str = ""


class Row(Struct, frozen=True):
    """Panels beside one another, equally wide; ``height`` is in units of Kibana's grid (about 20 pixels)."""

    height: int
    panels: tuple[Panel | SavedSearch, ...]


class Control(Struct, frozen=True):
    """A list at the head of a dashboard: its panels show what one chooses there. ``view`` has the field."""

    field: str
    label: str
    view: str


class Dashboard(Struct, frozen=True, kw_only=True):
    """A page; ``key`` is its id without its ``tapline-``."""

    key: str
    title: str
    description: str
    rows: tuple[Row, ...]
    controls: tuple[Control, ...] = ()

    @property
    def panels(self) -> tuple[Panel | SavedSearch, ...]:
        """All panels, from the upper left to the lower right."""
        return tuple(panel for row in self.rows for panel in row.panels)


METRICS_ROW: Final = 5
CHART_ROW: Final = 12
TABLE_ROW: Final = 15
LIST_ROW: Final = 18


def slug(title: str) -> str:
    """A title as a part of an id: ``Bytes by host`` is ``bytes-by-host``."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def documents(label: str) -> Metric:
    """How many documents there are."""
    return Metric(label)


def total(label: str, field: str, unit: Format = "number") -> Metric:
    """The sum of a field."""
    return Metric(label, "sum", field, unit)


def different(label: str, field: str) -> Metric:
    """How many different values a field has."""
    return Metric(label, "unique", field)


def largest(label: str, field: str, unit: Format = "") -> Metric:
    """The largest value of a field."""
    return Metric(label, "maximum", field, unit)
