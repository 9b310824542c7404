"""Alerts, and what is done about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from console.api.answers import MISSING, PROBLEMS
from console.data import alert_deeds
from console.data.alert_deeds import Exclusion
from console.data.alerts import (
    AlertDetails,
    AlertFilter,
    EngagedAlerts,
    PastAlerts,
    alert_details,
    engaged_alerts,
    past_alerts,
)
from console.data.model import Answer
from console.data.setting import Done
from console.web.access import Asked, Operator, Viewer
from console.web.spans import AskedSpan

router = APIRouter(tags=["alerts"], responses=PROBLEMS)

Text = Annotated[str, Query(max_length=200)]
Severity = Annotated[int, Query(ge=0, le=8, description="1 (debug) to 8 (emergency).")]
Episode = Annotated[str, Path(max_length=100)]


class Comment(Answer):
    """Why."""

    comment: Annotated[str, Field(max_length=1000)] = ""


class NewExclusion(Comment):
    """What alerts have to fit, all of it (``*`` and ``?`` for any; CIDR for addresses), and for how long."""

    alert: Annotated[str, Field(max_length=200, description="The type.")] = ""
    entity: Annotated[str, Field(max_length=200)] = ""
    peer: Annotated[str, Field(max_length=200)] = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    transport: Annotated[str, Field(max_length=20)] = ""
    signature: Annotated[str, Field(max_length=200)] = ""
    script: Annotated[str, Field(max_length=200)] = ""
    lasting: Annotated[
        str, Field(max_length=40, description="12 h or 7 d from now, or a date; for ever where empty.")
    ] = ""


@router.get("/alerts/engaged")
def read_engaged(
    console: Asked,
    _: Viewer,
    kind: Annotated[str, Query(alias="type", max_length=200)] = "",
    entity: Text = "",
    severity: Severity = 0,
) -> EngagedAlerts:
    """The alerts that hold now, the most severe first."""
    return engaged_alerts(console.standing, AlertFilter(kind, entity, severity))


@router.get("/alerts/past")
def read_past(
    console: Asked,
    _: Viewer,
    span: AskedSpan,
    kind: Annotated[str, Query(alias="type", max_length=200)] = "",
    entity: Text = "",
    severity: Severity = 0,
) -> PastAlerts:
    """What was told, the newest first."""
    return past_alerts(console.store, console.standing, AlertFilter(kind, entity, severity), span)


@router.get("/alerts/{episode}", responses=MISSING)
def read_alert(console: Asked, _: Viewer, episode: Episode) -> AlertDetails:
    """All about one alert."""
    return alert_details(console.store, console.standing, episode)


@router.post("/alerts/{episode}/acknowledgement", responses=MISSING)
def acknowledge(console: Asked, session: Operator, episode: Episode, given: Comment) -> Done:
    """Say that somebody has seen to it: changes of it are told no more, its end is."""
    return alert_deeds.acknowledge(console, episode, session.name, given.comment)


@router.post("/alerts/{episode}/release", responses=MISSING)
def release(console: Asked, session: Operator, episode: Episode, given: Comment) -> Done:
    """End an engaged alert, whoever says that it holds."""
    return alert_deeds.release(console, episode, session.name, given.comment)


@router.get("/exclusions")
def read_exclusions(console: Asked, _: Viewer) -> list[Exclusion]:
    """The exclusions that were set."""
    return alert_deeds.exclusions(console)


@router.post("/exclusions")
def exclude(console: Asked, session: Operator, given: NewExclusion) -> Done:
    """Hear no more of alerts that fit."""
    return alert_deeds.exclude(console, given.model_dump(), given.lasting, session.name, given.comment)


@router.delete("/exclusions/{key}", responses=MISSING)
def unexclude(console: Asked, session: Operator, key: Annotated[str, Path(max_length=100)]) -> Done:
    """Take an exclusion back."""
    return alert_deeds.unexclude(console, key, session.name)
