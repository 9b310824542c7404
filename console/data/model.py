"""What all answers of the API are made of."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from console.data.span import Span


class Answer(BaseModel):
    """Base of what the API answers with: times are UTC, bytes and packets those on the wire."""

    model_config = ConfigDict(frozen=True)


class Period(Answer):
    """The time an answer is about: from ``begin`` until before ``end``.

    What takes long is answered as it was ``asked`` up to a minute ago, while it is asked anew.
    """

    begin: datetime
    end: datetime
    step_seconds: int = Field(description="How long one point of a series is.")
    asked: datetime = Field(description="When this was asked: what came later is not in it.")
    behind: bool = Field(description="It ends with the newest record, which is older than the range asked for.")

    @classmethod
    def of(cls, span: Span) -> Period:
        """The period of a span."""
        return cls(begin=span.begin, end=span.end, step_seconds=span.step, asked=datetime.now(UTC), behind=span.behind)


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
