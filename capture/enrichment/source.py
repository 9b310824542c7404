"""Sources whose flows are enriched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from capture.enrichment import NAME
from capture.enrichment.settings import EnrichmentSettings
from capture.source import Places, Settling, Sink, Source, confirming
from topics.catalog import FLOW, Topic
from topics.records import Flow, Record

if TYPE_CHECKING:
    from capture.enrichment.reloading import Enrichment


def enriched(sources: list[Source], settings: EnrichmentSettings, docker: str = "") -> list[Source]:
    """The sources as they are where nothing is configured, else with enriched flows.

    ``docker`` is where the daemon listens that knows the containers.
    :class:`~topics.errors.TaplineError` when a file or an entry cannot be used.
    """
    if settings == EnrichmentSettings():
        return sources
    from capture.enrichment.reloading import Enrichment  # noqa: PLC0415 - only where it is used

    enrichment = Enrichment(settings, docker)
    return [EnrichedSource(source, enrichment) for source in sources]


class EnrichedSource:
    """A source whose flows say what is known of their ends."""

    def __init__(self, source: Source, enrichment: Enrichment) -> None:
        self._source = source
        self._enrichment = enrichment

    @property
    def name(self) -> str:
        """The source's own name."""
        return self._source.name

    def run(self, sink: Sink) -> None:
        enriching = _EnrichingSink(sink, self._enrichment)
        self._enrichment.begin(enriching.happened)
        try:
            self._source.run(enriching)
        finally:
            self._enrichment.end()

    def stop(self) -> None:
        self._source.stop()


class _EnrichingSink:
    """Enriches flows on their way, and looks for changed files at the end of each window."""

    def __init__(self, sink: Sink, enrichment: Enrichment) -> None:
        self._sink = sink
        self._enrichment = enrichment

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        if topic is FLOW and isinstance(record, Flow):
            record = self._enrichment.knowledge.enrich(record)
            for tag in record.tags:
                self.happened(f"blacklisted.{tag}", 1)
        self._sink.put(topic, key, record, window)

    def advance(self, source: str, window: int) -> None:
        self._enrichment.refresh(self.happened)
        self._sink.advance(source, window)

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        self._sink.count(source, counter, amount)

    @property
    def confirms(self) -> bool:
        return confirming(self._sink) is not None

    def confirm(self) -> Places | None:
        sink = confirming(self._sink)
        return sink.confirm() if sink else None

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
        sink = confirming(self._sink)
        return sink.published(places, is_ours) if sink else iter(())

    def send_all(self) -> int:
        return self._sink.send_all() if isinstance(self._sink, Settling) else 0

    def is_safe(self, number: int) -> bool:
        return self._sink.is_safe(number) if isinstance(self._sink, Settling) else True

    def happened(self, counter: str, amount: int) -> None:
        """Count something of the enrichment's own."""
        self._sink.count(NAME, counter, amount)
