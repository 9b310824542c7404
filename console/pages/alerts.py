"""Alerts: engaged, past, one, and what is excluded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from console.data import alert_deeds
from console.data.alerts import SEVERITIES, AlertFilter, alert_details, engaged_alerts, past_alerts
from console.data.model import Answer
from console.web.access import Asked, Form, Operator, Viewer
from console.web.drawing import Page
from console.web.notices import back
from console.web.spans import AskedSpanQuery

router = APIRouter()


@router.get("/alerts")
def alerts_page(
    request: Request,
    console: Asked,
    session: Viewer,
    query: AskedSpanQuery,
    which: Annotated[str, Query(pattern="^(engaged|past)$")] = "engaged",
    kind: Annotated[str, Query(alias="type", max_length=200)] = "",
    entity: Annotated[str, Query(max_length=200)] = "",
    severity: Annotated[int, Query(ge=0, le=8)] = 0,
) -> Response:
    """Those that hold, or those that are past."""
    asked = AlertFilter(kind.strip(), entity.strip(), severity)
    found: Answer
    # What is engaged is Kafka's to say: it is shown also while Elasticsearch is away.
    span = query.span(console.store) if which == "past" else None
    if span is None:
        found = engaged_alerts(console.standing, asked)
    else:
        found = past_alerts(console.store, console.standing, asked, span)
    page = Page(request, console, session, "alerts")
    return page.draw(
        "alerts.html",
        span=span,
        which=which,
        found=found,
        asked=asked,
        severities=SEVERITIES,
        parameters={"which": which, "type": kind, "entity": entity, "severity": severity},
    )


@router.get("/alerts/exclusions")
def exclusions_page(request: Request, console: Asked, session: Viewer) -> Response:
    """What nobody is told of."""
    page = Page(request, console, session, "alerts")
    return page.draw("exclusions.html", exclusions=alert_deeds.exclusions(console), fields=alert_deeds.FIELDS)


@router.post("/alerts/exclusions")
def exclude(console: Asked, session: Operator, form: Form) -> Response:
    """Exclude what fits."""
    done = alert_deeds.exclude(console, form, form.get("lasting", ""), session.name, form.get("comment", "")[:1000])
    return back(session, "/alerts/exclusions", done.said)


@router.post("/alerts/exclusions/{key}/remove")
def unexclude(console: Asked, session: Operator, key: str) -> Response:
    """Take an exclusion back."""
    return back(session, "/alerts/exclusions", alert_deeds.unexclude(console, key, session.name).said)


@router.get("/alerts/{episode}")
def alert_page(request: Request, console: Asked, session: Viewer, episode: str) -> Response:
    """All about one."""
    found = alert_details(console.store, console.standing, episode)
    page = Page(request, console, session, "alerts")
    return page.draw("alert.html", found=found, alert=found.alert)


@router.post("/alerts/{episode}/acknowledge")
def acknowledge(console: Asked, session: Operator, form: Form, episode: str) -> Response:
    """Say that somebody has seen to it."""
    done = alert_deeds.acknowledge(console, episode, session.name, form.get("comment", "")[:1000])
    return back(session, f"/alerts/{quote(episode, safe='')}", done.said)


@router.post("/alerts/{episode}/release")
def release(console: Asked, session: Operator, form: Form, episode: str) -> Response:
    """End it."""
    done = alert_deeds.release(console, episode, session.name, form.get("comment", "")[:1000])
    return back(session, f"/alerts/{quote(episode, safe='')}", done.said)
