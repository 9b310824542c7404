"""Why a line of a log cannot be used."""

from __future__ import annotations


class ZeekError(ValueError):
    """A line that cannot be used: ``reason`` is a word to count it by, ``detail`` says what is wrong with it.

    Reasons: ``zeek-json`` (no JSON object), ``zeek-type`` (a field is missing or of another type), ``zeek-fields``
    (more or fewer than the header names), ``zeek-header`` (a header that cannot be), ``zeek-no-header`` (no fields
    have been named before it), ``zeek-path`` (it is not said which log it is of), ``zeek-time``, ``zeek-address``,
    ``zeek-long`` (longer than a line may be) and ``zeek-half`` (a log that was rotated ends in the middle of it).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
