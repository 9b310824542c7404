"""The messages of a capture for a reader in this process, in place of Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from capture.node import CaptureNode
from capture.source import Observation, Sink, Source
from topics.catalog import CAPTURED, UNMARKED, Topic
from topics.codec import Envelope, Headers, open_envelope
from topics.errors import TaplineError
from topics.records import WINDOW_SECONDS, Record

Message = tuple[Topic, int, Envelope, bytes]
"""Topic, partition, envelope and body."""

T = TypeVar("T")

_QUEUE: Final = 16
_AHEAD: Final = 5 * WINDOW_SECONDS
"""How many seconds of event time one source of a file may be ahead of another."""

_WAIT: Final = 0.2
_ORDER: Final = {topic.kind: number for number, topic in enumerate(CAPTURED)}


class _Call:
    """A function for the reader's thread, and what becomes of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.future: Future[Any] = Future()

    def run(self) -> None:
        try:
            self.future.set_result(self._function())
        except BaseException as error:
            self.future.set_exception(error)
            if not isinstance(error, Exception):
                raise


_Item = Message | _Call | None
"""A message, something to do, or the end."""


class CaptureFeed:
    """Runs a capture node and yields what it publishes; a context manager, then an iterable, once.

    The messages of a file come in the same order each time: where several sources read it, those of a
    window come together at its end, by topic and partition. Only what windows in progress hold is
    kept: a source that is far ahead of another one waits for it, and both wait for the reader.
    ``partitions`` says how many each kind of topic has.
    """

    def __init__(self, observation: Observation, sources: Sequence[Source], partitions: Mapping[str, int]) -> None:
        ordered = observation.is_file and len(sources) > 1
        self._stopped = threading.Event()
        self._queue: Queue[_Item] = Queue(_QUEUE)
        publisher = _Publisher(partitions, self._queue, self._stopped, by_window=ordered)
        pace = _Pace(self._stopped, [source.name for source in sources])
        paced = [_PacedSource(source, pace) for source in sources] if ordered else sources
        self.node = CaptureNode(observation, paced, publisher)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self.node.stop()
        while self._thread.is_alive():
            self._drain()
            self._thread.join(_WAIT)

    def __iter__(self) -> Iterator[Message]:
        """The messages; at their end what the sources raised, as :class:`~capture.source.CutShort`."""
        while True:
            try:
                message = self._queue.get(timeout=_WAIT)
            except Empty:
                # An interrupt is seen only between waits.
                continue
            if message is None:
                break
            if isinstance(message, _Call):
                message.run()
                continue
            yield message
        if self._error is not None:
            raise self._error

    def call(self, function: Callable[[], T]) -> T:
        """Have the thread that reads the messages call this between two of them; what it returns or raises.

        For a source, of which a part has to run there. :class:`TaplineError` when nobody reads any more.
        """
        call = _Call(function)
        _put(self._queue, call, self._stopped)
        while not call.future.done():
            if self._stopped.is_set():
                raise TaplineError("the capture is no longer read")
            wait([call.future], _WAIT)
        result: T = call.future.result()
        return result

    @property
    def is_read(self) -> bool:
        """False once nobody reads any more."""
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Have the sources finish; what they still put is yielded. To be called from any thread."""
        self.node.stop()

    def _run(self) -> None:
        try:
            self.node.run()
        except BaseException as error:  # noqa: BLE001 - raised where the messages are read
            self._error = error
        _put(self._queue, None, self._stopped)

    def _drain(self) -> None:
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return


class _Publisher:
    """A :class:`~capture.publisher.Publisher` that hands messages on, or holds those of a window until it ends."""

    def __init__(
        self, partitions: Mapping[str, int], queue: Queue[_Item], stopped: threading.Event, *, by_window: bool
    ) -> None:
        self._partitions = partitions
        self._queue = queue
        self._stopped = stopped
        self._by_window = by_window
        self._held: dict[int, list[Message]] = {}
        self._open: dict[int, int] = {}
        self._lanes = sum(partitions[topic.kind] for topic in CAPTURED)

    def partitions(self, topic: Topic) -> int:
        return 1 if topic in UNMARKED else self._partitions[topic.kind]

    def send(self, topic: Topic, partition: int, value: bytes, headers: Headers, records: int) -> bool:
        if topic in UNMARKED:
            # Whoever runs scripts over a capture asks for what scripts see; what was rejected is counted.
            return True
        envelope = open_envelope(headers, topic)
        message = (topic, partition, envelope, value)
        if not self._by_window:
            self._put(message)
            return True
        window = envelope.window
        self._held.setdefault(window, []).append(message)
        if not records:
            left = self._open[window] = self._open.get(window, self._lanes) - 1
            if not left:
                del self._open[window]
                for held in sorted(self._held.pop(window), key=_place):
                    self._put(held)
        return True

    def poll(self) -> None:
        """There is nothing to acknowledge."""

    def flush(self) -> None:
        """Every window has been handed on with its last marker."""

    def _put(self, message: Message) -> None:
        _put(self._queue, message, self._stopped)


def _put(queue: Queue[_Item], item: _Item, stopped: threading.Event) -> None:
    """Wait for room, for as long as somebody reads."""
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_WAIT)
        except Full:
            continue
        return


def _place(message: Message) -> tuple[bool, int, int]:
    """Records before markers, in the order of the topics and their partitions."""
    topic, partition, envelope, _ = message
    return envelope.is_snapshot, _ORDER[topic.kind], partition


class _Pace:
    """How far each source has come, so that none runs away from the others."""

    def __init__(self, stopped: threading.Event, sources: Sequence[str]) -> None:
        self._stopped = stopped
        self._reached = dict.fromkeys(sources, -1)
        self._changed = threading.Condition()

    def reach(self, source: str, window: int) -> None:
        """The source is past this window; returns when the slowest one is near."""
        with self._changed:
            self._reached[source] = window
            self._changed.notify_all()
            while min(self._reached.values()) < window - _AHEAD and not self._stopped.is_set():
                self._changed.wait(_WAIT)

    def end(self, source: str) -> None:
        """The source has ended: nobody waits for it."""
        with self._changed:
            self._reached.pop(source, None)
            self._changed.notify_all()


class _PacedSource:
    """A source that waits for others in the pauses between its windows."""

    def __init__(self, source: Source, pace: _Pace) -> None:
        self._source = source
        self._pace = pace

    @property
    def name(self) -> str:
        return self._source.name

    def run(self, sink: Sink) -> None:
        try:
            self._source.run(_PacedSink(sink, self._pace))
        finally:
            self._pace.end(self.name)

    def stop(self) -> None:
        self._source.stop()


class _PacedSink:
    """What a paced source puts into."""

    def __init__(self, sink: Sink, pace: _Pace) -> None:
        self._sink = sink
        self._pace = pace

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        self._sink.put(topic, key, record, window)

    def advance(self, source: str, window: int) -> None:
        self._sink.advance(source, window)
        self._pace.reach(source, window)

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        self._sink.count(source, counter, amount)
