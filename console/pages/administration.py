"""Users, one's own password, and the audit trail."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from console.errors import LoginNeeded, Mistake, TooOften
from console.security.roles import ROLES
from console.web.access import Administrator, Asked, Form, Viewer, address_of
from console.web.drawing import Page
from console.web.entering import log_in
from console.web.notices import back

router = APIRouter()


@router.get("/users")
def users_page(request: Request, console: Asked, session: Administrator) -> Response:
    """Who may use the console."""
    page = Page(request, console, session, "users")
    return page.draw("users.html", users=console.users.all(), roles=list(ROLES))


@router.post("/users")
def add_user(request: Request, console: Asked, session: Administrator, form: Form) -> Response:
    """Make a user."""
    name, role = form.get("name", ""), form.get("role", "")
    console.audit.write(session.name, "made user", name, role, address_of(request))
    try:
        console.users.add(name, role, form.get("password", ""))
    except ValueError as error:
        raise Mistake(str(error)) from error
    return back(session, "/users", f"{name} can log in now")


@router.post("/users/{name}/change")
def change_user(request: Request, console: Asked, session: Administrator, form: Form, name: str) -> Response:
    """Give a user another role, or another password where one is given."""
    role, password = form.get("role", ""), form.get("password", "")
    what = "changed role and password" if password else "changed role"
    console.audit.write(session.name, what, name, role, address_of(request))
    try:
        console.users.change(name, role=role, password=password)
    except ValueError as error:
        raise Mistake(str(error)) from error
    console.sessions.close_of(name)
    return back(session, "/users", f"{name} has changed, and has to log in again")


@router.post("/users/{name}/remove")
def remove_user(request: Request, console: Asked, session: Administrator, name: str) -> Response:
    """Take a user away."""
    console.audit.write(session.name, "removed user", name, address=address_of(request))
    try:
        console.users.remove(name)
    except ValueError as error:
        raise Mistake(str(error)) from error
    console.sessions.close_of(name)
    return back(session, "/users", f"{name} is removed")


@router.get("/audit")
def audit_page(request: Request, console: Asked, session: Administrator) -> Response:
    """Who did what."""
    return Page(request, console, session, "audit").draw("audit.html", deeds=console.audit.newest())


@router.get("/account")
def account_page(request: Request, console: Asked, session: Viewer) -> Response:
    """One's own password."""
    own = console.users.find(session.name) is not None
    return Page(request, console, session, "account").draw("account.html", problem="", own=own)


@router.post("/account")
def change_password(request: Request, console: Asked, session: Viewer, form: Form) -> Response:
    """Change one's own password; all sessions of the user end."""
    page = Page(request, console, session, "account")
    new = form.get("new", "")
    try:
        log_in(console, session.name, form.get("old", ""), address_of(request))
        if new != form.get("again", ""):
            raise ValueError("the two passwords differ")  # noqa: TRY301 - shown like any other
        console.users.change(session.name, password=new)
    except (LoginNeeded, TooOften):
        return page.draw(
            "account.html", status=422, own=True, problem="the old password is wrong, or was tried too often"
        )
    except ValueError as error:
        return page.draw("account.html", status=422, own=True, problem=str(error))
    console.audit.write(session.name, "changed password", session.name, address=address_of(request))
    console.sessions.close_of(session.name)
    return RedirectResponse("/login", 303)
