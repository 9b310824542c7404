"""Who asks, and what he may do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from console.errors import LoginNeeded, NotAllowed, Refused
from console.parts import Console
from console.security.roles import Role
from console.security.sessions import Session
from console.security.users import User

CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
LIVE_HEADER: Final = "x-live"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def console_of(request: Request) -> Console:
    """The console that is asked; the request keeps the moment from which on changes may be missing in the answer."""
    found: Console = request.app.state.console
    request.state.moment = found.hub.moment
    return found


Asked = Annotated[Console, Depends(console_of)]


def cookie_name(console: Console) -> str:
    """The session's cookie; over TLS its prefix has browsers keep it to this host (RFC 6265bis)."""
    return "__Host-tapline" if console.secure else "tapline"


def openid_cookie_name(console: Console) -> str:
    """The cookie of a log-in that was begun at an OpenID provider."""
    return f"{cookie_name(console)}-openid"


def session_of(request: Request, console: Asked) -> Session | None:
    """The session of whoever asks; a page that draws itself anew does not make it last longer."""
    token = request.cookies.get(cookie_name(console), "")
    return console.sessions.find(token, used=LIVE_HEADER not in request.headers)


MaybeSession = Annotated[Session | None, Depends(session_of)]


def begin_session(console: Console, response: Response, user: User) -> Session:
    """Log a user in."""
    token, session = console.sessions.open(user)
    response.set_cookie(cookie_name(console), token, path="/", secure=console.secure, httponly=True, samesite="strict")
    return session


def end_session(console: Console, request: Request, response: Response) -> None:
    """Log out."""
    console.sessions.close(request.cookies.get(cookie_name(console), ""))
    response.delete_cookie(cookie_name(console), path="/", secure=console.secure, httponly=True, samesite="strict")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that is there more than once the last."""
    if request.method in _SAFE or not _is_form(request):
        return {}
    found = await request.form(max_files=0, max_fields=1000)
    return {name: value for name, value in found.multi_items() if isinstance(value, str)}


def lines_of(form: Mapping[str, str], name: str) -> str:
    """What stands in a field of several lines; browsers end them with CR LF."""
    return form.get(name, "").replace("\r\n", "\n")


Form = Annotated[dict[str, str], Depends(form_of)]


def require(role: Role) -> Callable[..., Session]:
    """A dependency: a session of this role or a higher one, and, where something is changed, its CSRF token."""

    def check(request: Request, session: MaybeSession, form: Form) -> Session:
        if session is None:
            raise LoginNeeded("log in first")
        if session.role < role:
            raise NotAllowed(f"this takes the role {role.word}: you are {session.role.word}")
        if request.method not in _SAFE:
            given = request.headers.get(CSRF_HEADER, "") or form.get(CSRF_FIELD, "")
            if not secrets.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode()):
                raise Refused("this form is out of date, or came from another site: go back, reload and try again")
        return session

    return check


Viewer = Annotated[Session, Depends(require(Role.VIEWER))]
Operator = Annotated[Session, Depends(require(Role.OPERATOR))]
Administrator = Annotated[Session, Depends(require(Role.ADMINISTRATOR))]


def address_of(request: Request) -> str:
    """From where somebody asks."""
    return request.client.host if request.client else ""


def own_path(text: str) -> str:
    r"""A path of this console to go on to, ``/`` for whatever could lead elsewhere.

    Browsers read ``//host`` and ``/\host`` as another site, and take no notice of control characters.
    """
    parts = urlsplit(text) if text.isprintable() else urlsplit("")
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or text[1:2] in ("/", "\\") or "\\" in text:
        return "/"
    return text


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data"))
