"""The capture node: runs sources, makes messages of their records, and marks the windows."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from capture import metrics
from capture.publisher import MAX_BYTES, Publisher, PublishError, Recalling, Tracking
from capture.source import LIVE, CutShort, Made, Observation, Places, Source
from topics.catalog import CAPTURED, UNMARKED, Topic
from topics.codec import MAX_RECORDS, SNAPSHOT_SCHEMA, Envelope, encode
from topics.errors import TaplineError
from topics.partitions import checksum_of, partition_of
from topics.records import WINDOW_SECONDS, Record, Snapshot

_MAX_AGE: Final = 0.2
_NOT_YET: Final = -1
_PART: Final = 50
"""How many records are encoded at once: so few of each lane are still in the processor's cache, and their memory is
used again."""

_TURNS: Final = frozenset({1, _PART})
"""Of how many records that are not encoded yet there is something to be done."""


class _Lane:
    """What one window has for one partition: what is not sent yet, and how many records were sent.

    ``records`` are not encoded yet; ``parts`` are, with what comes before each: ``count`` records of ``size`` bytes
    that were put before those.
    """

    __slots__ = ("count", "partition", "parts", "records", "sent", "since", "size", "topic", "window")

    def __init__(self, topic: Topic, partition: int, window: int) -> None:
        self.topic = topic
        self.partition = partition
        self.window = window
        self.records: list[Record] = []
        self.parts: list[bytes] = []
        self.count = 0
        self.size = 0
        self.since = 0.0
        self.sent = 0


class CaptureNode:
    """Runs the sources of one observation; it is the :class:`~capture.source.Sink` they put into.

    A window is closed when every source has advanced past it: its last records go out, then a
    marker to every partition of every captured topic. A live node also marks a window it does not have,
    before its first record, to make itself known. One that was stopped and started within a minute begins
    with the next window, since its last one is closed. The last marker of a stream says so; where
    nothing was read at all it is the marker of window 0. Dead letters and annotations are sent with their
    window's records; their topics have no markers.

    ``counts`` holds what the sources counted, by (source, counter); ``records`` how many records
    were sent, by kind; ``announced`` the same as the markers said it.
    """

    def __init__(self, observation: Observation, sources: Sequence[Source], publisher: Publisher) -> None:
        self.observation = observation
        self.counts: Counter[tuple[str, str]] = Counter()
        self.records: Counter[str] = Counter()
        self.announced: Counter[str] = Counter()
        self._sources = sources
        self._publisher = publisher
        self._live = observation.stream == LIVE
        self._streaming = not observation.is_file
        self._stopped = False
        self._lock = threading.RLock()
        self._windows: dict[int, dict[str, list[_Lane]]] = {}
        self._advanced = dict.fromkeys((source.name for source in sources), _NOT_YET)
        self._closed: int | None = None
        self._first = 0
        self._dropped = 0
        self._errors: list[BaseException] = []
        self._done = threading.Event()

    def run(self) -> None:
        """Read until the sources end or :meth:`stop`, and send everything.

        A capture file that was not read to its end (:meth:`stop`, an error) is left without its last
        markers, so that capturing it again completes it; :class:`TaplineError` says so. One that is
        cut short is complete with what it holds: that error is raised at the end. A live capture or a
        stream is always ended in good order, except when Kafka fails.
        """
        flusher = threading.Thread(target=self._flush_aged, name="flush", daemon=True)
        if self._streaming:
            flusher.start()
        if self._live:
            self._find_place()
            self._announce()
        try:
            self._run_all()
        finally:
            self._done.set()
            if flusher.is_alive():
                flusher.join()
        error = next((error for error in self._errors if not isinstance(error, CutShort)), None)
        if self._stopped and not self._streaming and error is None:
            error = TaplineError(f"{self.observation.observation_point} was not read to its end: capture it again")
        orderly = error is None or (self._streaming and type(error) is TaplineError)
        if orderly and (self._windows or self._closed is not None or not self._errors):
            self._finish()
        for raised in (error, *self._errors):
            if raised is not None:
                raise raised

    def stop(self) -> None:
        """Ask every source to finish; :meth:`run` then returns soon. To be called from any thread or a signal."""
        self._stopped = True
        for source in self._sources:
            source.stop()

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        with self._lock:
            lanes = (self._windows.get(window) or self._open(max(window, self._first)))[topic.kind]
            lane = lanes[partition_of(key, len(lanes))]
            lane.records.append(record)
            if len(lane.records) in _TURNS:
                self._turn(lane)

    def put_together(self, made: Sequence[Made], window: int) -> None:
        """Take several records of one key: the lock is taken, and the key's checksum computed, once."""
        with self._lock:
            lanes_of = self._windows.get(window) or self._open(max(window, self._first))
            checksum = checksum_of(made[0][1])
            topic = lane = None
            for each, _, record in made:
                if lane is None or each is not topic:
                    topic, lanes = each, lanes_of[each.kind]
                    lane = lanes[checksum % len(lanes)]
                lane.records.append(record)
                if len(lane.records) in _TURNS:
                    self._turn(lane)

    def advance(self, source: str, window: int) -> None:
        with self._lock:
            self._advanced[source] = window
            passed = min(self._advanced.values())
            if self._live and passed > (self._closed or 0) and passed >= self._first and passed not in self._windows:
                # A node that sees nothing still says that it looks.
                self._open(passed)
            self._close_up_to(passed)
            self._publisher.poll()

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        with self._lock:
            self.counts[source, counter] += amount
        metrics.count(source, counter, amount)

    @property
    def confirms(self) -> bool:
        """True where what is published can be read back."""
        return isinstance(self._publisher, Recalling)

    def confirm(self) -> Places | None:
        """Send what waits, and return when Kafka has it; None where something was dropped since the node began."""
        assert isinstance(self._publisher, Recalling)
        with self._lock:
            self._send_open()
            places = self._publisher.confirm()
            return None if self._dropped else places

    def send_all(self) -> int:
        """Send what waits; a number for :meth:`is_safe`."""
        with self._lock:
            self._send_open()
            return self._publisher.mark() if isinstance(self._publisher, Tracking) else 0

    def is_safe(self, number: int) -> bool:
        """True once Kafka has all that was put before :meth:`send_all` gave this number, or it was dropped."""
        return self._publisher.arrived(number) if isinstance(self._publisher, Tracking) else True

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
        """The ids of what other runs published at these places or after them; this run's own are none."""
        assert isinstance(self._publisher, Recalling)
        own = self.observation.producer
        return self._publisher.published(places, lambda producer: producer != own and is_ours(producer))

    def _run_all(self) -> None:
        if len(self._sources) == 1:
            self._run(self._sources[0])
            return
        threads = [threading.Thread(target=self._run, args=(source,), name=source.name) for source in self._sources]
        for thread in threads:
            thread.start()
        try:
            _join(threads)
        except BaseException:
            self.stop()
            _join(threads)
            raise

    def _run(self, source: Source) -> None:
        try:
            source.run(self)
            with self._lock:
                del self._advanced[source.name]
                if self._advanced:
                    self._close_up_to(min(self._advanced.values()))
        except BaseException as error:  # noqa: BLE001 - run() raises it in the calling thread
            self._errors.append(error)
            with self._lock:
                self._advanced.pop(source.name, None)
            if not isinstance(error, CutShort):
                self.stop()

    def _open(self, window: int) -> dict[str, list[_Lane]]:
        if window in self._windows:
            return self._windows[window]
        lanes = self._windows[window] = {
            topic.kind: [_Lane(topic, number, window) for number in range(self._publisher.partitions(topic))]
            for topic in (*CAPTURED, *UNMARKED)
        }
        return lanes

    def _find_place(self) -> None:
        """Begin behind the window that an earlier run has ended with: it is closed, what came to it would be late."""
        if isinstance(self._publisher, Recalling):
            runs = f"{self.observation.producer.rpartition('#')[0]}#"
            last = self._publisher.ended(lambda producer: producer.startswith(runs))
            self._first = last + WINDOW_SECONDS if last >= 0 else 0

    def _announce(self) -> None:
        """Make the node known before its first record, so that no window of the stream closes without it."""
        observation = self.observation
        for topic in CAPTURED:
            for partition in range(self._publisher.partitions(topic)):
                marker = Snapshot(node=observation.producer, stream=observation.stream, window=_NOT_YET, announced=0)
                envelope = Envelope(SNAPSHOT_SCHEMA, observation.producer, observation.stream, _NOT_YET, 0, 1)
                self._publisher.send(topic, partition, encode([marker]), envelope.headers(), 0)

    def _close_up_to(self, window: int) -> None:
        for passed in sorted(passed for passed in self._windows if passed <= window):
            self._close(passed)

    def _close(self, window: int, *, final: bool = False) -> None:
        """Send what a window still has, and its markers."""
        observation = self.observation
        for lanes in self._windows.pop(window).values():
            for lane in lanes:
                self._send(lane)
                if not lane.topic.captured:
                    continue
                marker = Snapshot(
                    node=observation.producer,
                    stream=observation.stream,
                    window=window,
                    announced=lane.sent,
                    final=final,
                )
                self.announced[lane.topic.kind] += lane.sent
                headers = Envelope(SNAPSHOT_SCHEMA, observation.producer, observation.stream, window, 0, 1).headers()
                self._publisher.send(lane.topic, lane.partition, encode([marker]), headers, 0)
        self._closed = window
        metrics.WINDOW.set(window)

    def _finish(self) -> None:
        """Close what is open, and the stream with it."""
        with self._lock:
            if not self._windows:
                self._open(0 if self._closed is None else self._closed + WINDOW_SECONDS)
            last = max(self._windows)
            for window in sorted(self._windows):
                self._close(window, final=window == last)
            self._publisher.flush()

    def _send_open(self) -> None:
        """Send what the windows that are open have."""
        for window in self._windows.values():
            for lanes in window.values():
                for lane in lanes:
                    self._send(lane)

    def _turn(self, lane: _Lane) -> None:
        """Note when the first of a lane's records came, and encode them when they are many."""
        if len(lane.records) == 1:
            if self._streaming and not lane.count:
                lane.since = time.monotonic()
        else:
            self._encode(lane)
            if lane.count >= MAX_RECORDS:
                self._send_parts(lane)

    def _send(self, lane: _Lane) -> None:
        self._encode(lane)
        self._send_parts(lane)

    def _encode(self, lane: _Lane) -> None:
        if lane.records:
            self._add_part(lane, lane.records)
            lane.records = []

    def _add_part(self, lane: _Lane, records: list[Record]) -> None:
        """Encode records; what goes beyond a message is sent before them, what is too long for one is cut in two."""
        part = encode(records)[1:-1]
        count = len(records)
        if len(part) > MAX_BYTES - 2 and count > 1:
            self._add_part(lane, records[: count // 2])
            self._add_part(lane, records[count // 2 :])
            return
        if lane.count + count > MAX_RECORDS or lane.size + len(part) > MAX_BYTES - 2:
            self._send_parts(lane)
        lane.parts += (b"," if lane.count else b"[", part)
        lane.count += count
        lane.size += len(part) + 1

    def _send_parts(self, lane: _Lane) -> None:
        """Send what is encoded as one message."""
        count = lane.count
        if not count:
            return
        body = b"".join((*lane.parts, b"]"))
        observation, topic = self.observation, lane.topic
        headers = Envelope(
            topic.schema, observation.producer, observation.stream, lane.window, lane.sent, count
        ).headers()
        if self._publisher.send(topic, lane.partition, body, headers, count):
            lane.sent += count
            self.records[topic.kind] += count
            metrics.RECORDS.labels(topic.kind).inc(count)
        else:
            self._dropped += count
        lane.parts, lane.count, lane.size = [], 0, 0

    def _flush_aged(self) -> None:
        """Send what has waited long enough, for a stream that may fall silent."""
        while not self._done.wait(_MAX_AGE / 2):
            try:
                with self._lock:
                    before = time.monotonic() - _MAX_AGE
                    for window in self._windows.values():
                        for lanes in window.values():
                            for lane in lanes:
                                if (lane.records or lane.count) and lane.since < before:
                                    self._send(lane)
                    self._publisher.poll()
            except PublishError as error:
                self._errors.append(error)
                self.stop()
                return


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        while thread.is_alive():
            # A signal is handled only between waits.
            thread.join(0.2)
