"""What was done, said on the page that one is led to.

It stands in the link, with a seal that only this console can make and for this session alone: a link that somebody
else has made up says nothing in the console's name.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from fastapi.responses import RedirectResponse

from console.security.sessions import Session

_LONGEST: Final = 300


def back(session: Session, path: str, said: str, place: str = "") -> RedirectResponse:
    """To another page, at a place of it where one is named, which says what was done."""
    said = said[:_LONGEST]
    query = urlencode({"said": said, "seal": _seal(session, said)})
    return RedirectResponse(f"{path}?{query}" + (f"#{place}" if place else ""), 303)


def notice_of(session: Session | None, parameters: Mapping[str, str]) -> str:
    """What a link has the page say, empty where this console has not said it to this session."""
    said, seal = parameters.get("said", ""), parameters.get("seal", "")
    if (
        session is None
        or not said
        or not hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(session, said).encode())
    ):
        return ""
    return said


def _seal(session: Session, said: str) -> str:
    return hmac.digest(session.csrf.encode(), said.encode("utf-8", "replace"), "sha256").hex()
