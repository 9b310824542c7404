"""How the API says that something did not go well."""

from __future__ import annotations

from typing import Any, Final

from console.data.model import Answer


class Problem(Answer):
    """What is wrong, for people."""

    detail: str


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Problem, "description": "Nobody has logged in."},
    403: {"model": Problem, "description": "The role does not allow it, or the CSRF token is missing."},
    422: {"model": Problem, "description": "What was given cannot be."},
    503: {"model": Problem, "description": "Elasticsearch or Kafka cannot be reached."},
}
OUTDATED: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": Problem, "description": "It was changed since: look at it again."}
}
MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such thing."}}
