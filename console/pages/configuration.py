"""The whole policy: what is in force, export, import with a difference to look at before."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from console.data import configuration as data
from console.data.configuration import Difference
from console.data.rules import RuleText, TextProblem
from console.parts import Console
from console.security.sessions import Session
from console.web.access import Administrator, Asked, Form, Viewer, lines_of
from console.web.drawing import Page
from console.web.notices import back

router = APIRouter()


@router.get("/configuration")
def configuration_page(request: Request, console: Asked, session: Viewer) -> Response:
    """Every entry in force, and where it comes from."""
    return _page(request, console, session, RuleText(text=""), {}, None)


@router.get("/configuration/policy.yaml")
def export(console: Asked, _: Viewer) -> Response:
    """The policy as a file."""
    return PlainTextResponse(
        data.exported(console),
        media_type="application/yaml",
        headers={"content-disposition": 'attachment; filename="policy.yaml"'},
    )


@router.post("/configuration/difference")
def compare(request: Request, console: Asked, session: Administrator, form: Form) -> Response:
    """What an import would do."""
    text = lines_of(form, "text")
    try:
        found = data.difference(console, text, replace=bool(form.get("replace")))
    except TextProblem as error:
        wrong = RuleText(text=text, problem=error.problem, line=error.line, what=error.what)
        return _page(request, console, session, wrong, form, None)
    return _page(request, console, session, RuleText(text=text), form, found)


@router.post("/configuration/import")
def apply(console: Asked, session: Administrator, form: Form) -> Response:
    """Do what was looked at."""
    done = data.apply(
        console,
        lines_of(form, "text"),
        replace=bool(form.get("replace")),
        mark=form.get("mark", ""),
        author=session.name,
        comment=form.get("comment", "")[:1000],
    )
    return back(session, "/configuration", done.said)


def _page(
    request: Request,
    console: Console,
    session: Session,
    given: RuleText,
    form: dict[str, str],
    found: Difference | None,
) -> Response:
    return Page(request, console, session, "configuration").draw(
        "configuration.html",
        status=422 if given.problem else 200,
        live_from="/configuration",
        entries=data.entry_rows(console),
        given=given,
        replace=bool(form.get("replace")),
        found=found,
        reached=console.standing.reach.now(),
    )
