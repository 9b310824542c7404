"""From messages to records."""

from __future__ import annotations

from typing import Final

from capture.collectors.messages import MessageError, flows_of
from capture.exports.books import Books
from capture.exports.collected import Collected, record_of
from capture.exports.windows import Windows
from capture.netflow import NAME
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink
from topics.catalog import FLOW
from topics.partitions import digest

_UNNAMED: Final = "collector"


class CollectorIntake:
    """Makes a flow of each that a message tells of.

    Records are named after the place of their message in Kafka, so that one that is read again makes the same.
    """

    def __init__(
        self, observation: Observation, settings: FlowExportSettings, sink: Sink, topic: str, now: int
    ) -> None:
        self._observation = observation
        self._sink = sink
        self._topic = topic
        self._books = Books(observation, NAME, settings, sink, now)
        self._windows = Windows(sink, NAME, settings.wait_seconds * 1_000_000, now)
        self._prefixes: dict[int, str] = {}

    def at(self, now: int) -> None:
        """It is now this time (epoch microseconds)."""
        self._books.turn(self._windows, now)
        self._windows.reach(now)

    def take(self, message: bytes | None, partition: int, offset: int) -> None:
        """Take a message from its place in the topic."""
        value = message or b""
        self._books.datagrams(1, len(value))
        where = f"{self._topic}/{partition}/{offset}"
        try:
            flows = flows_of(message)
        except MessageError as error:
            self._books.reject(value, where, error.reason, error.detail, self._windows)
            return
        prefix = self._prefixes.get(partition)
        if prefix is None:
            prefix = self._prefixes[partition] = digest(NAME, self._topic, partition)[:16]
        for place, flow in enumerate(flows):
            if isinstance(flow, MessageError):
                self._books.reject(value, where, flow.reason, flow.detail, self._windows)
            else:
                self._put(flow, f"{prefix}{offset:012x}{place:04x}")

    def finish(self) -> None:
        """Nothing more comes."""
        self._books.tell(self._windows)

    def _put(self, flow: Collected, record_id: str) -> None:
        end, window = self._windows.date(flow.end or self._windows.reached)
        record = record_of(flow, self._observation, record_id, end)
        exporter = flow.exporter or _UNNAMED
        self._sink.put(FLOW, record.community_id, record, window)
        self._books.count("flows")
        self._books.add(exporter, "flows")
