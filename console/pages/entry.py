"""Log-in, log-out, and the first start."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from console.errors import LoginNeeded, Refused, TooOften, Unavailable
from console.parts import Console
from console.security.openid import PENDING_SECONDS, Pending
from console.security.roles import Role
from console.web.access import (
    Asked,
    Form,
    MaybeSession,
    Viewer,
    address_of,
    begin_session,
    end_session,
    openid_cookie_name,
    own_path,
)
from console.web.drawing import Page
from console.web.entering import log_in, log_in_by_openid

router = APIRouter()


@router.get("/login", response_model=None)
def login_page(request: Request, console: Asked, session: MaybeSession, next: str = "/") -> Response:  # noqa: A002
    """The form; whoever has logged in goes on."""
    if console.users.empty and not console.openid.on:
        return RedirectResponse("/setup", 303)
    if session is not None:
        return RedirectResponse(own_path(next), 303)
    return _form(request, console, own_path(next))


@router.post("/login", response_model=None)
def login(request: Request, console: Asked, form: Form) -> Response:
    """Log in and go on to where one wanted to."""
    there = own_path(form.get("next", "/"))
    name = form.get("name", "")
    try:
        user = log_in(console, name, form.get("password", ""), address_of(request))
    except (LoginNeeded, TooOften) as error:
        status = 429 if isinstance(error, TooOften) else 401
        return _form(request, console, there, str(error), status=status, name=name)
    answer = RedirectResponse(there, 303)
    begin_session(console, answer, user)
    return answer


@router.post("/logout", response_model=None)
def logout(request: Request, console: Asked, session: Viewer) -> Response:
    """Log out."""
    console.audit.write(session.name, "logged out", address=address_of(request))
    answer = RedirectResponse("/login", 303)
    end_session(console, request, answer)
    return answer


@router.get("/setup", response_model=None)
def setup_page(request: Request, console: Asked) -> Response:
    """The first start: the form for the first administrator."""
    if not console.users.empty:
        return RedirectResponse("/login", 303)
    return Page(request, console, None).draw("setup.html", problem="", name="")


@router.post("/setup", response_model=None)
def setup(request: Request, console: Asked, form: Form) -> Response:
    """Make the first administrator of whoever has the token that the process has printed."""
    if not console.users.empty:
        return RedirectResponse("/login", 303)
    problem = _first_user(console, form, address_of(request))
    if problem:
        page = Page(request, console, None)
        return page.draw("setup.html", status=403, problem=problem, name=form.get("name", ""))
    return RedirectResponse("/login", 303)


@router.get("/openid", response_model=None)
def begin_openid(request: Request, console: Asked, next: str = "/") -> Response:  # noqa: A002
    """Go to the OpenID provider to log in."""
    if not console.openid.on:
        return RedirectResponse("/login", 303)
    try:
        url, pending = console.openid.begin(_back(request, console), own_path(next))
    except (Refused, Unavailable) as error:
        return _form(request, console, own_path(next), str(error), status=503)
    answer = RedirectResponse(url, 303)
    # The provider is another site: on the way back the browser sends no cookie that is strictly of this one.
    answer.set_cookie(
        openid_cookie_name(console),
        pending.written(),
        max_age=PENDING_SECONDS,
        path="/",
        secure=console.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/openid/return", response_model=None)
def end_openid(request: Request, console: Asked) -> Response:
    """Come back from the OpenID provider."""
    if not console.openid.on:
        return RedirectResponse("/login", 303)
    pending = Pending.read(request.cookies.get(openid_cookie_name(console), ""))
    there = own_path(pending.next) if pending else "/"
    try:
        user = log_in_by_openid(console, pending, request.query_params, _back(request, console), address_of(request))
    except (Refused, Unavailable, TooOften) as error:
        status = {Refused: 403, Unavailable: 503}.get(type(error), 429)
        answer = _form(request, console, there, str(error), status=status)
    else:
        # Not a redirect: a browser on its way from another site sends no strict cookie to where that leads.
        answer = Page(request, console, None).draw("entered.html", next=there)
        begin_session(console, answer, user)
    answer.delete_cookie(openid_cookie_name(console), path="/", secure=console.secure, httponly=True, samesite="lax")
    return answer


def _back(request: Request, console: Console) -> str:
    """Where the provider leads back to, which it has to know beforehand."""
    return f"{(console.settings.public_url or str(request.base_url)).rstrip('/')}/openid/return"


def _form(
    request: Request, console: Console, there: str, problem: str = "", *, status: int = 200, name: str = ""
) -> Response:
    page = Page(request, console, None)
    return page.draw(
        "login.html",
        status=status,
        problem=problem,
        name=name,
        next=there,
        passwords=not console.users.empty,
        openid=console.openid.on,
    )


def _first_user(console: Console, form: dict[str, str], address: str) -> str:
    """Make the user; what is wrong otherwise."""
    wait = console.attempts.wait_seconds(address, "")
    if wait > 0:
        return f"too many attempts: try again in {wait:.0f} seconds"
    if not console.first_start.fits(form.get("token", "")):
        console.attempts.failed(address, "")
        return "this is not the token that `tapline console` has printed"
    if form.get("password", "") != form.get("again", ""):
        return "the two passwords differ"
    name = form.get("name", "")
    try:
        console.users.add(name, Role.ADMINISTRATOR.word, form.get("password", ""), first=True)
    except ValueError as error:
        return str(error)
    console.first_start.use()
    console.audit.write(name, "first administrator made", name, address=address)
    return ""
