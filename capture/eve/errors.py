"""Why an event cannot be used."""

from __future__ import annotations


class EveError(ValueError):
    """An event that cannot be used: ``reason`` is a word to count it by, ``detail`` says what is wrong with it.

    Reasons: ``eve-json`` (no JSON), ``eve-type`` (a member is missing or of another type), ``eve-time``,
    ``eve-address``; of what is read as lines also ``eve-long``, and
    ``eve-half`` (the end of a line never came).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
