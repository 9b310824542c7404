"""Hosts, and one host."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from console.data.alerts import AlertFilter, engaged_alerts, past_alerts
from console.data.flow_filter import FlowFilter
from console.data.flows import flow_page
from console.data.hosts import address_of, host_details, host_list
from console.web.access import Asked, Viewer
from console.web.drawing import Page
from console.web.spans import AskedSpan

router = APIRouter()
_FLOWS = 15


@router.get("/hosts")
def hosts_page(
    request: Request,
    console: Asked,
    session: Viewer,
    span: AskedSpan,
    search: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The hosts with the most bytes."""
    found = host_list(console.store, span, search)
    page = Page(request, console, session, "hosts")
    return page.draw("hosts.html", span=span, found=found, search=search, parameters={"search": search})


@router.get("/hosts/{address}")
def host_page(request: Request, console: Asked, session: Viewer, span: AskedSpan, address: str) -> Response:
    """All about one host."""
    address = address_of(address)
    asked = AlertFilter(entity=address)
    past = console.store.later(past_alerts, console.store, console.standing, asked, span, 20)
    page = Page(request, console, session, "hosts")
    return page.draw(
        "host.html",
        span=span,
        found=host_details(console.store, span, address),
        engaged_here=engaged_alerts(console.standing, asked, 20).alerts,
        past=past.result().alerts,
        flows=flow_page(console.store, FlowFilter(address=address), span, size=_FLOWS).flows,
        parameters={},
    )
