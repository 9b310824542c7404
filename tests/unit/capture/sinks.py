"""Sinks, sources and publishers that keep what they are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from capture.nfstream_engine.source import NfstreamSource
from capture.settings import CaptureSettings
from capture.source import Sink, observe_file
from tests.unit.capture.wire import Frame, pcap
from topics.catalog import FLOW, METRIC, Topic
from topics.codec import Envelope, open_message
from topics.records import Flow, Metric, Record


class Put(NamedTuple):
    topic: Topic
    key: str
    record: Record
    window: int


class KeepingSink:
    """A sink that keeps everything, and fails where the order of windows is broken."""

    def __init__(self) -> None:
        self.put_all: list[Put] = []
        self.advanced: list[int] = []
        self.counts: Counter[str] = Counter()

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        assert not self.advanced or window > self.advanced[-1], "put into a window that was advanced past"
        self.put_all.append(Put(topic, key, record, window))

    def advance(self, source: str, window: int) -> None:  # noqa: ARG002
        assert not self.advanced or window >= self.advanced[-1]
        self.advanced.append(window)

    def count(self, source: str, counter: str, amount: int = 1) -> None:  # noqa: ARG002
        self.counts[counter] += amount

    @property
    def flows(self) -> list[Flow]:
        return [put.record for put in self.put_all if put.topic is FLOW]  # type: ignore[misc]

    @property
    def samples(self) -> list[Metric]:
        return [put.record for put in self.put_all if put.topic is METRIC]  # type: ignore[misc]

    def windows(self, record_kind: str = "") -> list[int]:
        return [
            put.window
            for put in self.put_all
            if isinstance(put.record, Flow) and (not record_kind or put.record.record == record_kind)
        ]


def flows_of(path: Path, frames: Sequence[Frame], settings: CaptureSettings | None = None) -> KeepingSink:
    """What the engine makes of these packets, by way of a file."""
    path.write_bytes(pcap(frames))
    sink = KeepingSink()
    NfstreamSource(observe_file("node", path.name, "ab" * 32), str(path), settings or CaptureSettings()).run(sink)
    return sink


class Message(NamedTuple):
    topic: Topic
    partition: int
    envelope: Envelope
    records: list[Record]


class KeepingPublisher:
    """A publisher that keeps every message, opened as a worker opens it; ``refuse`` may drop some."""

    def __init__(
        self, partitions: int = 3, refuse: Callable[[Topic, int], bool] = lambda _topic, _records: False
    ) -> None:
        self.messages: list[Message] = []
        self.flushed = 0
        self._partitions = partitions
        self._refuse = refuse

    def partitions(self, topic: Topic) -> int:  # noqa: ARG002
        return self._partitions

    def send(self, topic: Topic, partition: int, value: bytes, headers: list[tuple[str, bytes]], records: int) -> bool:
        if self._refuse(topic, records):
            return False
        envelope, opened = open_message(headers, value, topic)
        self.messages.append(Message(topic, partition, envelope, opened))
        return True

    def poll(self) -> None:
        """Nothing is outstanding."""

    def flush(self) -> None:
        self.flushed += 1

    @property
    def batches(self) -> list[Message]:
        return [message for message in self.messages if not message.envelope.is_snapshot]

    @property
    def markers(self) -> list[Message]:
        return [message for message in self.messages if message.envelope.is_snapshot and message.envelope.window >= 0]

    @property
    def announcements(self) -> list[Message]:
        return [message for message in self.messages if message.envelope.is_snapshot and message.envelope.window < 0]


class ScriptedSource:
    """A source that does what a function says."""

    def __init__(self, name: str, script: Callable[[Sink], None]) -> None:
        self.name = name
        self.stopped = False
        self._script = script

    def run(self, sink: Sink) -> None:
        self._script(sink)

    def stop(self) -> None:
        self.stopped = True
