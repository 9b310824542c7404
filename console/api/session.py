"""Logging in and out, and the description of the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from console.api.answers import PROBLEMS, Problem
from console.data.model import Answer
from console.web.access import Asked, Viewer, address_of, begin_session, end_session
from console.web.entering import log_in

router = APIRouter(tags=["session"], responses=PROBLEMS)


class Credentials(Answer):
    """A user's name and password."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class SessionAnswer(Answer):
    """Who one is, what one may do, and the token that changes have to bring along."""

    name: str
    role: str
    csrf: str


@router.post("/session", responses={429: {"model": Problem, "description": "Too many attempts."}})
def open_session(request: Request, response: Response, console: Asked, given: Credentials) -> SessionAnswer:
    """Log in."""
    user = log_in(console, given.name, given.password, address_of(request))
    session = begin_session(console, response, user)
    return SessionAnswer(name=session.name, role=session.role.word, csrf=session.csrf)


@router.get("/session")
def read_session(session: Viewer) -> SessionAnswer:
    """Who one is."""
    return SessionAnswer(name=session.name, role=session.role.word, csrf=session.csrf)


@router.delete("/session", status_code=204)
def close_session(request: Request, response: Response, console: Asked, _: Viewer) -> None:
    """Log out."""
    end_session(console, request, response)


@router.get("/openapi.json", include_in_schema=False)
def description(request: Request, _: Viewer) -> dict[str, Any]:
    """The description of the API (OpenAPI 3.1)."""
    found: dict[str, Any] = request.app.openapi()
    return found
