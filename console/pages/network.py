"""Overview, resources and flow trackers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from console.data.alerts import AlertFilter, engaged_alerts
from console.data.hosts import address_of
from console.data.overview import overview
from console.data.resources import KINDS, resource_list
from console.data.trackers import tracker_list
from console.web.access import Asked, Viewer
from console.web.drawing import Page
from console.web.spans import AskedSpan

router = APIRouter()


@router.get("/")
def overview_page(request: Request, console: Asked, session: Viewer, span: AskedSpan) -> Response:
    """The network at a glance."""
    found = overview(console.store, span)
    alerts = engaged_alerts(console.standing, AlertFilter(), 8)
    page = Page(request, console, session, "overview")
    return page.draw("overview.html", span=span, found=found, alerts=alerts, parameters={})


@router.get("/resources")
def resources_page(
    request: Request,
    console: Asked,
    session: Viewer,
    span: AskedSpan,
    kind: Annotated[str, Query(max_length=20)] = "dns",
    search: Annotated[str, Query(max_length=200)] = "",
    host: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """What flows carried."""
    host = address_of(host.strip()) if host.strip() else ""
    found = resource_list(console.store, span, kind, search.strip(), host)
    page = Page(request, console, session, "resources")
    parameters = {"kind": kind, "search": search, "host": host}
    return page.draw(
        "resources.html", span=span, found=found, kinds=KINDS, search=search, host=host, parameters=parameters
    )


@router.get("/trackers")
def trackers_page(request: Request, console: Asked, session: Viewer, span: AskedSpan) -> Response:
    """The flows that trackers chose."""
    page = Page(request, console, session, "trackers")
    return page.draw("trackers.html", span=span, found=tracker_list(console.store, span), parameters={})
