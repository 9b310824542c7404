"""Scripts: the list, one, and the settings of checks."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from console.data import switching
from console.data.check_settings import (
    SELECTORS,
    CheckForms,
    FormProblem,
    change_layer,
    check_forms,
    effective_rows,
)
from console.data.script_settings import ScriptForm, change_script, has_form, script_form
from console.data.scripts import STATES, script_list, script_row
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Administrator, Asked, Form, Operator, Viewer
from console.web.drawing import Page
from console.web.notices import back

router = APIRouter()


@router.get("/scripts")
def scripts_page(
    request: Request,
    console: Asked,
    session: Viewer,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The scripts there are, and how they fare."""
    found = script_list(console.workshop.scripts(), console.standing.reach.reports(), search.strip(), state)
    page = Page(request, console, session, "scripts")
    return page.draw(
        "scripts.html", found=found, search=search, state=state, states=STATES, reached=console.standing.reach.now()
    )


@router.get("/scripts/{name}")
def script_page(
    request: Request,
    console: Asked,
    session: Viewer,
    name: str,
    entity: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """One script: how it fares, what is set of it."""
    return _script_page(request, console, session, name, entity, None)


@router.post("/scripts/{name}/settings")
def change_settings(request: Request, console: Asked, session: Operator, form: Form, name: str) -> Response:
    """Set what a form says: of a check for all or for some, of another script for all."""
    is_check = name in console.workshop.checks()
    try:
        done = (change_layer if is_check else change_script)(console, name, form, session.name)
    except FormProblem as error:
        make = check_forms if is_check else script_form
        return _script_page(request, console, session, name, "", make(console, name, form, error.problems))
    return back(session, f"/scripts/{quote(name, safe='')}", done.said)


@router.post("/scripts/{switch}/enable")
def enable(console: Asked, session: Administrator, form: Form, switch: str) -> Response:
    """Have the workers run a file."""
    return back(session, _script_path(form), switching.enable(console, switch, session.name).said)


@router.post("/scripts/{switch}/disable")
def disable(console: Asked, session: Administrator, form: Form, switch: str) -> Response:
    """Have the workers no longer run a file."""
    return back(session, _script_path(form), switching.disable(console, switch, session.name).said)


def _script_path(form: dict[str, str]) -> str:
    return f"/scripts/{quote(form.get('script', ''), safe='')}" if form.get("script") else "/scripts"


def _script_page(
    request: Request, console: Console, session: Session, name: str, entity: str, sent: CheckForms | ScriptForm | None
) -> Response:
    found = console.workshop.scripts()
    script = script_row(found, console.standing.reach.reports(), name)
    forms = sent if isinstance(sent, CheckForms) else None
    if forms is None and script.is_check and script.enabled:
        forms = check_forms(console, name)
    own = sent if isinstance(sent, ScriptForm) else None
    if own is None and any(each.name == name and has_form(each) for each in found):
        own = script_form(console, name)
    return Page(request, console, session, "scripts").draw(
        "script.html",
        status=422 if sent is not None else 200,
        live_from=f"/scripts/{quote(name, safe='')}" if sent is not None else "",
        script=script,
        beside=[each.name for each in found if each.switch == script.switch and each.name != name],
        states=STATES,
        forms=forms,
        own=own,
        selectors=SELECTORS,
        entity=entity,
        effective=effective_rows(console, name, entity) if forms is not None else [],
        reached=console.standing.reach.now(),
    )
