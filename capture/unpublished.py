"""Leaving out what was published before."""

from __future__ import annotations

from capture.source import Sink
from topics.catalog import Topic
from topics.records import Record


class Unpublished:
    """Hands on what a source puts, but for the records whose ids are ``known``: each of them is left out once.

    They are counted as ``already-published`` of the source ``name``.
    """

    def __init__(self, sink: Sink, name: str) -> None:
        self.known: set[str] = set()
        self._sink = sink
        self._name = name

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
