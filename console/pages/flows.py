"""Flows: the search, and one flow."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from console.data.flow_filter import FlowFilter
from console.data.flows import flow_page, flow_records
from console.data.kibana import discover
from console.web.access import Asked, Viewer
from console.web.drawing import Page
from console.web.spans import AskedSpan

router = APIRouter()


@router.get("/flows")
def flows_page(
    request: Request,
    console: Asked,
    session: Viewer,
    span: AskedSpan,
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """A page of the flow records that fit; what is wrong with a field is said at the field."""
    given = {name: value for name, value in request.query_params.items() if name in FlowFilter.model_fields}
    problems: dict[str, str] = {}
    try:
        asked = FlowFilter.model_validate(given)
    except ValidationError as error:
        problems = {str(each["loc"][0]): _said(each["msg"]) for each in error.errors()}
        asked = FlowFilter.model_validate({name: value for name, value in given.items() if name not in problems})
    found = flow_page(console.store, asked, span, after) if not problems else None
    page = Page(request, console, session, "flows")
    return page.draw(
        "flows.html",
        status=422 if problems else 200,
        span=span,
        found=found,
        given=given,
        problems=problems,
        parameters=asked.parameters(),
        after=after,
        kibana=discover(console.kibana, asked, span),
    )


@router.get("/flows/{flow}")
def flow_page_of_one(request: Request, console: Asked, session: Viewer, flow: str) -> Response:
    """One flow with all its records."""
    records = flow_records(console.store, flow)
    page = Page(request, console, session, "flows")
    return page.draw("flow.html", flow=records[0], records=records)


def _said(text: str) -> str:
    return text.removeprefix("Value error, ")
