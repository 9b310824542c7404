"""From messages to records."""

from __future__ import annotations

from typing import Final

from capture.collectors.messages import MessageError, flows_of
from capture.collectors.places import prefix_of
from capture.exports.books import Books
from capture.exports.collected import Collected, record_of
from capture.exports.windows import Windows
from capture.netflow import NAME
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink
from topics.catalog import FLOW

_UNNAMED: Final = "collector"

MADE: Final = ("flow", "dead")
"""The kinds of records that are made of a message."""


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

    def turns(self, now: int) -> bool:
        """True where the sums of a window are put when it is this time."""
        return self._books.turns(self._windows, now)

    def take(self, message: bytes | None, partition: int, offset: int) -> None:
        """Take a message from its place in the topic."""
        value = message or b""
        self._books.datagrams(1, len(value))
        where = f"{self._topic}/{partition}/{offset}"
        prefix = self._prefixes.get(partition)
        if prefix is None:
            prefix = self._prefixes[partition] = prefix_of(NAME, self._topic, partition)
        named = f"{prefix}{offset:012x}"
        try:
            flows = flows_of(message)
        except MessageError as error:
            self._books.reject(value, where, error.reason, error.detail, self._windows, record_id=f"{named}{0:04x}")
            return
        for place, flow in enumerate(flows):
            if isinstance(flow, MessageError):
                detail, record_id = flow.detail, f"{named}{place:04x}"
                self._books.reject(value, where, flow.reason, detail, self._windows, record_id=record_id)
            else:
                self._put(flow, f"{named}{place:04x}")

    def flush(self) -> None:
        """Nothing waits: what is made of a message is put at once."""

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
