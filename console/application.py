"""The console as an ASGI application."""

from __future__ import annotations

import logging
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from console.api import alerts as api_alerts
from console.api import dead_letters as api_dead_letters
from console.api import flows as api_flows
from console.api import network as api_network
from console.api import policy as api_policy
from console.api import session as api_session
from console.errors import LoginNeeded, Missing, Mistake, NotAllowed, Outdated, Refused, TooOften, Unavailable
from console.pages import (
    administration,
    alerts,
    configuration,
    entry,
    events,
    flows,
    hosts,
    network,
    pipeline,
    rules,
    scripts,
)
from console.parts import Console
from console.security.headers import SecurityHeaders
from console.web.access import session_of
from console.web.drawing import FOLDER, Page
from topics.errors import TaplineError

DESCRIPTION: Final = """\
What the console's pages show and do. Log in with `POST /api/session`; the answer sets the session's cookie and tells
the CSRF token that requests which change something have to bring along as `X-CSRF-Token`.
"""
API: Final = (
    api_session.router,
    api_network.router,
    api_flows.router,
    api_alerts.router,
    api_policy.router,
    api_dead_letters.router,
)
"""What is served below ``/api``."""

PAGES: Final = tuple(
    module.router
    for module in (
        entry,
        network,
        hosts,
        flows,
        alerts,
        scripts,
        rules,
        pipeline,
        configuration,
        administration,
        events,
    )
)
"""What is served for browsers."""

_STATUS: Final = (
    (LoginNeeded, 401),
    (NotAllowed, 403),
    (Refused, 403),
    (Missing, 404),
    (Outdated, 409),
    (Mistake, 422),
    (TooOften, 429),
    (Unavailable, 503),
)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_log = logging.getLogger(__name__)


def application(console: Console, *, also_hosts: tuple[str, ...] = ()) -> FastAPI:
    """The application of a console that was started; ``also_hosts`` are names it is called by in tests."""
    made = FastAPI(
        title="Tapline console",
        description=DESCRIPTION,
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    made.state.console = console
    for router in API:
        made.include_router(router, prefix="/api")
    for router in PAGES:
        made.include_router(router, include_in_schema=False)
    made.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    made.add_exception_handler(TaplineError, _told)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _refused)
    made.add_exception_handler(Exception, _unexpected)
    made.add_middleware(SecurityHeaders, hosts=(*_hosts(console), *also_hosts), secure=console.secure)
    return made


def _hosts(console: Console) -> list[str]:
    settings = console.settings
    found = [*settings.hosts, settings.host]
    if settings.public_url:
        found.append(urlsplit(settings.public_url).hostname or "")
    try:
        alone = ip_address(settings.host).is_loopback
    except ValueError:
        alone = settings.host == "localhost"
    return [*found, *(_LOOPBACK if alone else ())]


async def _told(request: Request, error: Exception) -> Response:
    """Answer with what a person can do about it."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, TaplineError) and status == 500:
        status = 503
    if isinstance(error, LoginNeeded) and not _is_api(request):
        there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(there, safe='')}" if request.method == "GET" else "/login", 303)
    return _answer(request, status, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return _answer(request, 422, "; ".join(map(_problem, problems)) or str(error))


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _answer(request, status, HTTPStatus(status).phrase, getattr(error, "headers", None))


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected %s at %s", type(error).__name__, request.url.path, exc_info=error)
    return _answer(request, 500, "Something unexpected went wrong; the console's log says what.")


def _answer(request: Request, status: int, message: str, headers: Any = None) -> Response:
    if _is_api(request):
        return JSONResponse({"detail": message}, status, headers)
    console: Console = request.app.state.console
    page = Page(request, console, session_of(request, console))
    answer = page.draw("error.html", status=status, code=status, phrase=HTTPStatus(status).phrase, message=message)
    answer.headers.update(headers or {})
    return answer


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def _problem(problem: Any) -> str:
    name = ".".join(str(step) for step in problem["loc"][1:])
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{name}: {text}" if name else text
