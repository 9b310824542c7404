"""Server-sent events: what has changed, so that an open page draws it anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from console.errors import TooOften
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Asked, Viewer, cookie_name

router = APIRouter()
MOST_STREAMS: Final = 10
"""Open streams of one session."""

_MOST_DIGITS: Final = 20


@router.get("/healthz")
def healthz() -> Response:
    """Whether the console answers."""
    return PlainTextResponse("ok\n")


@router.get("/events")
async def events(
    request: Request, console: Asked, session: Viewer, since: Annotated[int | None, Query(ge=0)] = None
) -> StreamingResponse:
    """The kinds of things that change: ``alerts``, ``policy``, ``workers``, and ``tick`` now and then.

    Those of a page that says as of which moment it was drawn, or of a stream that goes on after it broke off
    (``Last-Event-ID``), are also the changes from there on.
    """
    if session.streams >= MOST_STREAMS:
        raise TooOften(f"{MOST_STREAMS} pages are open already: close one")
    token = request.cookies.get(cookie_name(console), "")
    last = request.headers.get("last-event-id", "")
    if last.isascii() and last.isdigit() and len(last) <= _MOST_DIGITS:
        since = int(last)
    return StreamingResponse(_stream(console, session, token, since), media_type="text/event-stream")


async def _stream(console: Console, session: Session, token: str, since: int | None) -> AsyncIterator[str]:
    session.streams += 1
    try:
        yield "retry: 2000\n\n"
        async for change in console.hub.changes(since):
            if console.sessions.find(token, used=False) is not None:
                yield f"id: {change.moment}\nevent: {change.kind}\ndata: \n\n"
            else:
                yield "event: ended\ndata: \n\n"
                return
    finally:
        session.streams -= 1
