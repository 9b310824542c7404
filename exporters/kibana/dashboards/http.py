"""HTTP: what is asked of which web servers, and how they answer."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.controls import ends
from exporters.kibana.dashboards.links import TO_ALERTS, TO_FLOWS
from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Dashboard,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
    total,
)

_REQUESTS: Final = 'tapline.resource.group: "url" and tapline.http.type: "request"'
_RESPONSES: Final = 'tapline.resource.group: "url" and tapline.http.type: "response"'

HTTP: Final = Dashboard(
    key="http",
    title="HTTP",
    description="What is asked of which web servers, by which programs, and how they answer: what is not encrypted.",
    controls=ends("resource"),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Requests", kind="metric", view="resource", metrics=(documents("requests"),), filter=_REQUESTS
                ),
                Panel(
                    title="Errors",
                    kind="metric",
                    view="resource",
                    metrics=(documents("errors"),),
                    filter=f"{_RESPONSES} and http.response.status_code >= 400",
                ),
                Panel(
                    title="Hosts asked",
                    kind="metric",
                    view="resource",
                    metrics=(different("names", "url.domain"),),
                    filter=_REQUESTS,
                ),
                Panel(
                    title="Bytes answered",
                    kind="metric",
                    view="resource",
                    metrics=(total("bytes", "http.response.body.bytes", "bytes"),),
                    filter=_RESPONSES,
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Requests over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("requests"),),
                    dimensions=(Time(), Values("http.request.method", "method", others=True)),
                    filter=_REQUESTS,
                ),
                Panel(
                    title="Responses over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("responses"),),
                    dimensions=(Time(), Values("http.response.status_code", "status", others=True)),
                    filter=_RESPONSES,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Sites",
                    kind="table",
                    view="resource",
                    metrics=(documents("requests"), different("hosts", "source.ip")),
                    dimensions=(Values("url.domain", "name", 50),),
                    filter=_REQUESTS,
                ),
                Panel(
                    title="URLs",
                    kind="table",
                    view="resource",
                    metrics=(documents("requests"),),
                    dimensions=(Values("url.full", "URL", 50),),
                    filter=_REQUESTS,
                ),
                Panel(
                    title="Who asks",
                    kind="table",
                    view="resource",
                    metrics=(documents("requests"), different("names", "url.domain")),
                    dimensions=(Values("source.ip", "host", 20),),
                    filter=_REQUESTS,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Programs",
                    kind="table",
                    view="resource",
                    metrics=(documents("requests"), different("hosts", "source.ip")),
                    dimensions=(Values("user_agent.original", "user agent", 20),),
                    filter=_REQUESTS,
                ),
                Panel(
                    title="Kinds of content",
                    kind="pie",
                    view="resource",
                    metrics=(documents("responses"),),
                    dimensions=(Values("http.response.mime_type", "type", others=True),),
                    filter=_RESPONSES,
                ),
                Panel(
                    title="Software of servers",
                    kind="table",
                    view="resource",
                    metrics=(documents("responses"), different("servers", "destination.ip")),
                    dimensions=(Values("tapline.http.server", "software", 20),),
                    filter=_RESPONSES,
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List",
                    view="resource",
                    columns=(
                        "source.ip",
                        "destination.ip",
                        "http.request.method",
                        "url.full",
                        "http.response.status_code",
                        "http.response.mime_type",
                        "user_agent.original",
                    ),
                    filter='tapline.resource.group: "url"',
                ),
            ),
        ),
    ),
)
