"""A capture's messages without Kafka: the same each time, complete, and no more of them at once than needed."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from capture.feed import CaptureFeed, Message
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import CutShort, Observation, Sink, Source, observe_file
from capture.tshark.program import tshark_available
from tapline.demo import DEMO_CAPTURE
from tests.waiting import wait_for
from topics.catalog import CAPTURED, FLOW, RESOURCE, Topic
from topics.codec import open_message
from topics.records import Flow, Resource

PARTITIONS = {topic.kind: 2 for topic in CAPTURED}
FILE = observe_file("node", "made.pcap", "0123456789abcdef" * 4)
FIRST = 1_700_000_040
MANY = 1_000_000


class Made:
    """A source of one record a window."""

    def __init__(
        self, name: str, topic: Topic, windows: int, *, allowed: int = MANY, error: Exception | None = None
    ) -> None:
        self.name = name
        self.reached = 0
        self.allowed = threading.Semaphore(allowed)
        self._topic = topic
        self._windows = windows
        self._error = error
        self._stopped = False

    def run(self, sink: Sink) -> None:
        for number in range(self._windows):
            self.allowed.acquire(timeout=60)
            if self._stopped:
                return
            window = FIRST + 60 * number
            made: Flow | Resource = (
                Flow(id=str(number), time=window * 1_000_000)
                if self._topic is FLOW
                else Resource(id=str(number), time=window * 1_000_000, group="dns")
            )
            sink.put(self._topic, "key", made, window)
            self.reached = number
            sink.advance(self.name, window)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self._stopped = True
        self.allowed.release()


def feed_of(*sources: Source, observation: Observation = FILE) -> CaptureFeed:
    return CaptureFeed(observation, sources, PARTITIONS)


def read(path: str, depth: str) -> tuple[list[Message], CaptureFeed]:
    settings = CaptureSettings(depth="deep" if depth == "deep" else "light", engine="tshark", node="node")
    observation, sources = open_capture(path, settings)
    with feed_of(*sources, observation=observation) as feed:
        return list(feed), feed


@pytest.mark.parametrize("depth", ["light", "deep"])
def test_a_capture_is_announced_and_marked_as_through_kafka(depth: str) -> None:
    if depth == "deep" and not tshark_available():
        pytest.skip("this needs tshark")
    messages, feed = read(str(DEMO_CAPTURE), depth)
    received: Counter[tuple[str, int, int]] = Counter()
    announced: Counter[tuple[str, int, int]] = Counter()
    finals = []
    for topic, partition, envelope, body in messages:
        place = (topic.kind, partition, envelope.window)
        _, records = open_message(envelope.headers(), body, topic)
        if envelope.is_snapshot:
            announced[place] = records[0].announced
            finals += [place] if records[0].final else []
        else:
            assert envelope.sequence == received[place], "numbered by window and partition"
            assert place not in announced, "nothing comes after the marker"
            received[place] += len(records)
    assert +received == +announced
    assert received.total() == feed.node.records.total() > 1000
    assert len(finals) == 2 * len(CAPTURED)
    assert {window for _, _, window in finals} == {max(window for _, _, window in announced)}


@pytest.mark.skipif(not tshark_available(), reason="this needs tshark")
def test_two_engines_give_the_same_messages_in_the_same_order_each_time() -> None:
    assert read(str(DEMO_CAPTURE), "deep")[0] == read(str(DEMO_CAPTURE), "deep")[0]


def test_a_source_that_is_ahead_waits_for_the_other_and_both_for_the_reader() -> None:
    fast, slow = Made("fast", FLOW, MANY), Made("slow", RESOURCE, MANY, allowed=1)
    with feed_of(fast, slow) as feed:
        wait_for(lambda: fast.reached == 6, "the fast source to have come as far as it may")
        assert slow.reached == 0
        slow.allowed.release(MANY)
        messages = iter(feed)
        next(messages)
        wait_for(lambda: slow.reached > 0, "the slow source to go on")
        assert fast.reached < 20, "nobody reads"
    assert not any(thread.name == "capture" for thread in threading.enumerate())


def test_a_source_that_ends_holds_nobody_up() -> None:
    short, long = Made("short", RESOURCE, 1), Made("long", FLOW, 30)
    with feed_of(short, long) as feed:
        messages = list(feed)
    assert sum(envelope.count for _, _, envelope, _ in messages if not envelope.is_snapshot) == 31


def test_what_came_before_a_damaged_end_is_yielded_and_then_it_is_said() -> None:
    source = Made("it", FLOW, 3, error=CutShort("made.pcap is cut short"))
    seen: list[Message] = []
    with feed_of(source) as feed:
        messages = iter(feed)
        with pytest.raises(CutShort, match="cut short"):
            seen += messages
    assert sum(not envelope.is_snapshot for _, _, envelope, _ in seen) == 3


def test_one_who_stops_reading_leaves_nothing_running() -> None:
    source = Made("it", FLOW, MANY)
    with feed_of(source) as feed:
        next(iter(feed))
    assert not any(thread.name == "capture" for thread in threading.enumerate())
