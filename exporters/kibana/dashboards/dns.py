"""DNS: who asks for what, and what is answered."""

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
    Metric,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
    largest,
)

_DNS: Final = 'tapline.resource.group: "dns"'
_QUERIES: Final = f'{_DNS} and dns.type: "query"'
_ANSWERS: Final = f'{_DNS} and dns.type: "answer"'
_NAME: Final = "dns.question.name"

DNS: Final = Dashboard(
    key="dns",
    title="DNS",
    description="Who asks for which names, who answers, and what.",
    controls=ends("resource"),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Queries", kind="metric", view="resource", metrics=(documents("queries"),), filter=_QUERIES
                ),
                Panel(
                    title="Answers", kind="metric", view="resource", metrics=(documents("answers"),), filter=_ANSWERS
                ),
                Panel(title="Names", kind="metric", view="resource", metrics=(different("names", _NAME),), filter=_DNS),
                Panel(
                    title="Failed",
                    kind="metric",
                    view="resource",
                    metrics=(documents("failed"),),
                    filter=f'{_ANSWERS} and dns.response_code: * and not dns.response_code: "NOERROR"',
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Queries over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("queries"),),
                    dimensions=(Time(), Values("dns.question.type", "type", others=True)),
                    filter=_QUERIES,
                ),
                Panel(
                    title="Answers over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("answers"),),
                    dimensions=(Time(), Values("dns.response_code", "response code", others=True)),
                    filter=_ANSWERS,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Most asked names",
                    kind="table",
                    view="resource",
                    metrics=(documents("queries"), different("hosts", "source.ip")),
                    dimensions=(Values(_NAME, "name", 50),),
                    filter=_QUERIES,
                ),
                Panel(
                    title="Who asks",
                    kind="table",
                    view="resource",
                    metrics=(documents("queries"), different("names", _NAME)),
                    dimensions=(Values("source.ip", "host", 20),),
                    filter=_QUERIES,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="Who answers",
                    kind="table",
                    view="resource",
                    metrics=(
                        documents("answers"),
                        Metric("bytes of an answer", "average", "tapline.dns.size", "bytes"),
                    ),
                    dimensions=(Values("destination.ip", "server", 20),),
                    filter=_ANSWERS,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Types",
                    kind="pie",
                    view="resource",
                    metrics=(documents("queries"),),
                    dimensions=(Values("dns.question.type", "type", others=True),),
                    filter=_QUERIES,
                ),
                Panel(
                    title="Names that were not found",
                    kind="table",
                    view="resource",
                    metrics=(documents("answers"),),
                    dimensions=(Values(_NAME, "name", 20), Values("dns.response_code", "response code", 5)),
                    filter=f'{_ANSWERS} and dns.response_code: * and not dns.response_code: "NOERROR"',
                ),
                Panel(
                    title="Addresses answered",
                    kind="table",
                    view="resource",
                    metrics=(documents("answers"),),
                    dimensions=(Values("dns.resolved_ip", "address", 20), Values(_NAME, "name", 3)),
                    filter=_ANSWERS,
                ),
                Panel(
                    title="Largest messages",
                    kind="table",
                    view="resource",
                    metrics=(largest("bytes", "tapline.dns.size", "bytes"), documents("messages")),
                    dimensions=(Values(_NAME, "name", 20),),
                    filter=_DNS,
                    description="Long names and long answers may be a tunnel.",
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
                        "dns.type",
                        _NAME,
                        "dns.question.type",
                        "dns.response_code",
                        "dns.answers.data",
                    ),
                    filter=_DNS,
                ),
            ),
        ),
    ),
)
