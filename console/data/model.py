"""What all answers of the API are made of."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from console.data.span import Span


class Answer(BaseModel):
    """Base of what the API answers with: times are UTC, bytes and packets those on the wire."""

    model_config = ConfigDict(frozen=True)


class Period(Answer):
    """The time an answer is about: from ``begin`` until before ``end``."""

    begin: datetime
    end: datetime
    step_seconds: int = Field(description="How long one point of a series is.")
    behind: bool = Field(description="It ends with the newest record, which is older than the range asked for.")

    @classmethod
    def of(cls, span: Span) -> Period:
        """The period of a span."""
        return cls(begin=span.begin, end=span.end, step_seconds=span.step, behind=span.behind)


class Series(Answer):
    """Values over time: ``times`` are the starts of the points in seconds since the epoch."""

    times: list[int]
    values: dict[str, list[float]]


class Ranked(Answer):
    """Something and how much of it there was."""

    key: str
    bytes: int = 0
    packets: int = 0
    flows: int = 0
