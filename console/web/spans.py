"""The time that was asked for, as a dependency of pages and of the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from console.data.span import Span, span_of
from console.data.store import Store
from console.web.access import Asked


class SpanQuery(BaseModel):
    """The parameters ``range``, or ``from`` and ``to``."""

    model_config = ConfigDict(frozen=True)

    length: str = Field(default="", alias="range", max_length=10, description="15m, 1h, 6h, 24h, 7d or 30d, up to now.")
    begin: str = Field(default="", alias="from", max_length=40, description="ISO 8601; UTC without an offset.")
    end: str = Field(default="", alias="to", max_length=40, description="ISO 8601; UTC without an offset.")

    def span(self, store: Store) -> Span:
        """The span that is meant."""
        newest = None if self.begin or self.end else store.newest()
        return span_of(self.length, self.begin, self.end, newest)


def asked_span_query(
    length: Annotated[
        str, Query(alias="range", max_length=10, description="15m, 1h, 6h, 24h, 7d or 30d, up to now.")
    ] = "",
    begin: Annotated[str, Query(alias="from", max_length=40, description="ISO 8601; UTC without an offset.")] = "",
    end: Annotated[str, Query(alias="to", max_length=40, description="ISO 8601; UTC without an offset.")] = "",
) -> SpanQuery:
    """The same beside parameters of another kind."""
    return SpanQuery.model_validate({"range": length, "from": begin, "to": end})


AskedSpanQuery = Annotated[SpanQuery, Depends(asked_span_query)]


def asked_span(console: Asked, query: AskedSpanQuery) -> Span:
    """The span that is meant; Elasticsearch is asked for the newest record where it may end there."""
    return query.span(console.store)


AskedSpan = Annotated[Span, Depends(asked_span)]
