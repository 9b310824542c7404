"""Server-sent events: what has changed, so that an open page draws it anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from console.errors import TooOften
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Asked, Viewer, cookie_name

router = APIRouter()
MOST_STREAMS: Final = 10
"""Open streams of one session."""


@router.get("/healthz")
def healthz() -> Response:
    """Whether the console answers."""
    return PlainTextResponse("ok\n")


@router.get("/events")
async def events(request: Request, console: Asked, session: Viewer) -> StreamingResponse:
    """The kinds of things that change: ``alerts``, ``policy``, and ``tick`` now and then."""
    if session.streams >= MOST_STREAMS:
        raise TooOften(f"{MOST_STREAMS} pages are open already: close one")
    token = request.cookies.get(cookie_name(console), "")
    return StreamingResponse(_stream(console, session, token), media_type="text/event-stream")


async def _stream(console: Console, session: Session, token: str) -> AsyncIterator[str]:
    session.streams += 1
    try:
        yield "retry: 2000\n\n"
        async for kind in console.hub.changes():
            if console.sessions.find(token, used=False) is not None:
                yield f"event: {kind}\ndata: \n\n"
            else:
                yield "event: ended\ndata: \n\n"
                return
    finally:
        session.streams -= 1
