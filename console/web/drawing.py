"""Drawing pages: templates in which nothing that came from outside is ever taken for markup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from console.data.span import RANGES, Span
from console.parts import Console
from console.security.roles import Role
from console.security.sessions import Session
from console.web.notices import notice_of
from tapline.process.printable import printable

FOLDER: Final = Path(__file__).parents[1]
_LONGEST: Final = 160
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


class Page:
    """One page to draw: who sees it, over what time, at which place of the navigation."""

    def __init__(self, request: Request, console: Console, session: Session | None, here: str = "") -> None:
        self.request = request
        self.console = console
        self.session = session
        self.here = here

    def draw(self, template: str, *, status: int = 200, live_from: str = "", **values: Any) -> HTMLResponse:
        """The page as an answer; where it answers a form, ``live_from`` is the path from which it is drawn anew."""
        found = environment().get_template(template)
        session = self.session
        text = found.render(
            here=self.here,
            session=session,
            role=session.role if session else None,
            may_operate=session is not None and session.role >= Role.OPERATOR,
            may_administrate=session is not None and session.role >= Role.ADMINISTRATOR,
            csrf=session.csrf if session else "",
            kafka_problem=self.console.standing.problem if session else "",
            engaged=len(self.console.standing.engaged()) if session else 0,
            said=notice_of(session, self.request.query_params),
            path=self.request.url.path,
            live_from=live_from,
            live_since=getattr(self.request.state, "moment", 0),
            RANGES=RANGES,
            **values,
        )
        return HTMLResponse(text, status_code=status)


@cache
def environment() -> Environment:
    """The templates; what is put into them is escaped, and its control characters are written out."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {
        "amount": amount,
        "count": count,
        "short": short,
        "when": when,
        "lasting": lasting,
        "query": query,
        "zipped": lambda values: [(value, value) for value in values],
        "part": lambda text: quote(text, safe=""),
        "compact": lambda value: json.dumps(value, separators=(",", ":")),
    }
    return made


def _shown(value: Any) -> Any:
    """What is put into a page: text without characters that command a terminal or turn the direction of writing."""
    return printable(value) if type(value) is str else value


def short(text: str, longest: int = _LONGEST) -> Markup:
    """A text that may be very long: its beginning, with all of it (as far as one can read it) as a title."""
    text = printable(text)
    if len(text) <= longest:
        return escape(text)
    return Markup('<span title="{}">{}…</span>').format(text[:2000], text[: longest - 1])


def amount(size: float, ending: str = "") -> str:
    """A number of bytes for people, in decimal units."""
    for unit in _UNITS:
        if abs(size) < 1000 or unit == _UNITS[-1]:
            return f"{size:,.0f} {unit}{ending}" if unit == "B" else f"{size:,.1f} {unit}{ending}"
        size /= 1000
    return ""


def count(number: float | None) -> str:
    """A number for people."""
    if number is None:
        return ""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.6g}"


def when(at: datetime | None) -> Markup:
    """A time: UTC as it stands, which the page's script turns into the time of the viewer."""
    if at is None:
        return Markup("")
    at = at.astimezone(UTC)
    written = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{} UTC</time>').format(written, at.strftime("%Y-%m-%d %H:%M:%S"))


def lasting(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def query(values: Mapping[str, Any], span: Span | None = None, **more: Any) -> str:
    """Parameters as the end of a link, those of a span with them; what is empty is left out."""
    given = {**values, **(span.parameters() if span else {}), **more}
    kept = {name: value for name, value in given.items() if value not in ("", None, 0)}
    return f"?{urlencode(kept)}" if kept else ""
