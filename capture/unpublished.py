"""Leaving out what was published before."""

from __future__ import annotations

from collections.abc import Iterable

from capture.source import Places, Sink
from topics.catalog import Topic
from topics.records import Record


def earlier(some: Places, others: Places) -> Places:
    """Of each partition the place that comes first."""
    both = {kind: [min(pair) for pair in zip(some[kind], others[kind], strict=False)] for kind in some.keys() & others}
    return some | others | both


class Unpublished:
    """Hands on what a source puts, but for the records whose ids are ``known``: each of them is left out once.

    They are counted as ``already-published`` of the source ``name``.
    """

    def __init__(self, sink: Sink, name: str) -> None:
        self.known: set[str] = set()
        self._places: Places = {}
        self._sink = sink
        self._name = name

    def learn(self, places: Places, ids: Iterable[str]) -> None:
        """Records with these ids stand at these places or after them."""
        if not self.known:
            self._places = {}
        self.known.update(ids)
        self._places = earlier(self._places, places)

    def since(self, places: Places) -> Places:
        """From which places on a run has to look that goes on after a kill now, where new records stand at these."""
        return places | self._places if self.known else places

    def caught_up(self) -> None:
        """All that was there to be read when this began was read: of what is known nothing comes again."""
        self.known.clear()

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        if self.known and record.id in self.known:
            self.known.remove(record.id)
            self._sink.count(self._name, "already-published")
            return
        self._sink.put(topic, key, record, window)

    def advance(self, source: str, window: int) -> None:
        self._sink.advance(source, window)

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        self._sink.count(source, counter, amount)
