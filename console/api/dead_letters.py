"""Dead letters, and what is done about them; which wait is part of ``/pipeline``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from console.api.alerts import Comment
from console.api.answers import MISSING, PROBLEMS
from console.data.dead_letter_deeds import Handled, handle
from console.web.access import Asked, Operator

router = APIRouter(tags=["dead letters"], responses=PROBLEMS | MISSING)


class WhichLetters(Comment):
    """One letter by its id, or all of a reason that wait."""

    letter: Annotated[str, Field(max_length=100)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""


@router.post("/dead-letters/retry")
def retry(console: Asked, session: Operator, given: WhichLetters) -> Handled:
    """Send dead letters again, to the stage that could not use them."""
    return handle(console, "retry", given.letter, given.reason, session.name, given.comment)


@router.post("/dead-letters/drop")
def drop(console: Asked, session: Operator, given: WhichLetters) -> Handled:
    """Say that nothing more is to be done about dead letters."""
    return handle(console, "drop", given.letter, given.reason, session.name, given.comment)
