"""The system itself."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from console.data.pipeline import pipeline
from console.web.access import Asked, Viewer
from console.web.drawing import Page
from console.web.spans import AskedSpan

router = APIRouter()


@router.get("/pipeline")
def pipeline_page(request: Request, console: Asked, session: Viewer, span: AskedSpan) -> Response:
    """Nodes, topics, lag, whether all arrived, dead letters."""
    lag, problem = console.lag.now()
    found = pipeline(console.store, span, lag, problem)
    page = Page(request, console, session, "pipeline")
    return page.draw("pipeline.html", span=span, found=found, parameters={})
