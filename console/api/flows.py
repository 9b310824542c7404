"""Flows: searched, one whole, exported."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from console.api.answers import MISSING, PROBLEMS
from console.data.flow_export import MOST_EXPORTED, csv_lines, json_lines
from console.data.flow_filter import FlowFilter
from console.data.flows import FlowPage, FlowRecord, all_flows, flow_page, flow_records
from console.web.access import Asked, Viewer
from console.web.spans import SpanQuery


class FlowQuery(FlowFilter, SpanQuery):
    """Which flows, of which time."""


class FlowPageQuery(FlowQuery):
    """Which page of them."""

    after: str = Field(default="", max_length=500, description="Where the page before has ended.")
    size: int = Field(default=100, ge=1, le=1000)


class FlowExportQuery(FlowQuery):
    """How they are to be written."""

    form: Literal["csv", "json"] = Field(default="csv", alias="format")
    most: int = Field(default=MOST_EXPORTED, ge=1, le=MOST_EXPORTED)


router = APIRouter(tags=["flows"], responses=PROBLEMS)


@router.get("/flows")
def read_flows(console: Asked, _: Viewer, given: Annotated[FlowPageQuery, Query()]) -> FlowPage:
    """A page of flow records, the newest first."""
    return flow_page(console.store, given, given.span(console.store), given.after, given.size)


@router.get(
    "/flows/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}, "description": "The records."}},
)
def export_flows(console: Asked, _: Viewer, given: Annotated[FlowExportQuery, Query()]) -> StreamingResponse:
    """Every flow record that fits, the newest first, as CSV or JSON Lines, as they were at the beginning."""
    flows = all_flows(console.store, given, given.span(console.store), given.most)
    form = given.form
    lines = csv_lines(flows) if form == "csv" else json_lines(flows)
    ending = "csv" if form == "csv" else "ndjson"
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson",
        headers={"content-disposition": f'attachment; filename="flows.{ending}"'},
    )


@router.get("/flows/{flow}", responses=MISSING)
def read_flow(console: Asked, _: Viewer, flow: Annotated[str, Path(max_length=100)]) -> list[FlowRecord]:
    """The records of one flow, the newest first."""
    return flow_records(console.store, flow)
