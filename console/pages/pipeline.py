"""The system itself."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from console.data.dead_letter_deeds import handle
from console.data.pipeline import pipeline
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Asked, Form, Operator, Viewer
from console.web.drawing import Page
from console.web.notices import back
from console.web.spans import AskedSpan

router = APIRouter()


@router.get("/pipeline")
def pipeline_page(request: Request, console: Asked, session: Viewer, span: AskedSpan) -> Response:
    """Nodes, topics, lag, whether all arrived, dead letters."""
    lag, problem = console.lag.now()
    found = pipeline(console.store, span, lag, problem)
    page = Page(request, console, session, "pipeline")
    return page.draw("pipeline.html", span=span, found=found, parameters={})


@router.post("/pipeline/dead-letters/retry")
def retry(console: Asked, session: Operator, form: Form) -> Response:
    """Send dead letters again."""
    return _handled(console, session, "retry", form)


@router.post("/pipeline/dead-letters/drop")
def drop(console: Asked, session: Operator, form: Form) -> Response:
    """Drop dead letters."""
    return _handled(console, session, "drop", form)


def _handled(console: Console, session: Session, verb: str, form: dict[str, str]) -> Response:
    letter, reason, comment = (form.get(name, "") for name in ("letter", "reason", "comment"))
    done = handle(console, verb, letter, reason, session.name, comment[:1000])
    said = f"{done.said}. The list follows when the exporter has written it down"
    return back(session, "/pipeline", said, "dead-letters")
