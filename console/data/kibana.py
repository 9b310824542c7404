"""Links into Kibana's Discover that ask what a page asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote

from console.data.flow_filter import FlowFilter
from console.data.span import Span
from exporters.kibana.data_views import view
from exporters.kibana.settings import KibanaSettings

_FLOWS: Final = view("flow").id


def discover(kibana: KibanaSettings, asked: FlowFilter, span: Span) -> str:
    """The link; empty where ``kibana.url`` is not set."""
    if not kibana.url:
        return ""
    space = "" if kibana.space == "default" else f"/s/{kibana.space}"
    where = f"(time:(from:{_rison(_utc(span.begin))},to:{_rison(_utc(span.end))}))"
    what = f"(index:{_rison(_FLOWS)},query:(language:kuery,query:{_rison(asked.kql())}))"
    return f"{kibana.url.rstrip('/')}{space}/app/discover#/?_g={quote(where, safe='')}&_a={quote(what, safe='')}"


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rison(text: str) -> str:
    """A text as rison, in which Kibana keeps its state in links."""
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"
