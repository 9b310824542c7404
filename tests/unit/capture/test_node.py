"""The node: batches in order, markers that announce exactly what was sent, and an end that is true."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

import pytest

from capture.node import CaptureNode
from capture.publisher import MAX_BYTES, PublishError
from capture.source import CutShort, Settling, confirming, observe_file, observe_live, observe_stream
from tests.unit.capture.sinks import KeepingPublisher, ScriptedSource
from tests.waiting import wait_for
from topics.catalog import CAPTURED, DOCUMENT, FLOW, METRIC
from topics.codec import MAX_RECORDS
from topics.errors import TaplineError
from topics.partitions import partition_of
from topics.records import Document, Flow, Metric

FILE = observe_file("node", "in.pcap", "0123456789abcdef" * 4)
LIVE = observe_live("node", "eth0", 1_700_000_000_000_000)
STREAM = observe_stream("node", "standard input", 1_700_000_000_000_000)


def flow(number: int) -> Flow:
    return Flow(id=f"{number:032x}", time=number, community_id=f"1:{number}")


def put_flows(sink, numbers, window):
    for number in numbers:
        sink.put(FLOW, f"1:{number}", flow(number), window)


def run(observation, *scripts, publisher=None):
    publisher = publisher or KeepingPublisher()
    sources = [ScriptedSource(f"source-{number}", script) for number, script in enumerate(scripts)]
    node = CaptureNode(observation, sources, publisher)
    node.run()
    return node, publisher


def assert_announced_is_sent(publisher: KeepingPublisher, *, partitions: int = 3) -> None:
    """Each window: contiguous sequences on every partition, one marker after them, with their number."""
    sent: defaultdict[tuple[str, int, int], int] = defaultdict(int)
    marked: dict[tuple[str, int, int], int] = {}
    for topic, partition, envelope, records in publisher.messages:
        place = (topic.kind, partition, envelope.window)
        assert place not in marked, "a message after its window's marker"
        if envelope.is_snapshot:
            marked[place] = records[0].announced
            assert (records[0].window, records[0].node) == (envelope.window, envelope.node)
        else:
            assert envelope.sequence == sent[place]
            sent[place] += len(records)
    windows = {window for _, _, window in marked}
    assert marked.keys() == {(t.kind, p, w) for t in CAPTURED for p in range(partitions) for w in windows}
    assert {place: count for place, count in marked.items() if count} == dict(sent)


def finals(publisher: KeepingPublisher) -> set[int]:
    return {message.envelope.window for message in publisher.markers if message.records[0].final}


def test_records_go_where_their_key_says_in_order():
    _, publisher = run(FILE, lambda sink: put_flows(sink, range(5000), 60))
    by_partition = defaultdict(list)
    for topic, partition, envelope, records in publisher.batches:
        assert (topic, envelope.schema, envelope.window) == (FLOW, "flow/1", 60)
        assert (envelope.node, envelope.stream) == (FILE.producer, FILE.stream)
        by_partition[partition] += [int(record.id, 16) for record in records]
    assert by_partition == {
        partition: [n for n in range(5000) if partition_of(f"1:{n}", 3) == partition] for partition in range(3)
    }
    assert max(len(message.records) for message in publisher.batches) == 1000
    assert_announced_is_sent(publisher)
    assert publisher.flushed == 1


def test_a_window_is_marked_when_it_has_been_passed():
    seen = []

    def script(sink):
        put_flows(sink, range(10), 60)
        sink.advance("source-0", 60)
        seen.append((len(publisher.markers), finals(publisher)))
        put_flows(sink, range(10), 120)

    publisher = KeepingPublisher()
    run(FILE, script, publisher=publisher)
    assert seen == [(len(CAPTURED) * 3, set())]
    assert finals(publisher) == {120}
    assert_announced_is_sent(publisher)


def test_windows_nothing_was_put_into_are_not_marked_for_a_file():
    def script(sink):
        put_flows(sink, range(3), 60)
        sink.advance("source-0", 6000)
        put_flows(sink, range(3), 6060)

    _, publisher = run(FILE, script)
    assert {message.envelope.window for message in publisher.markers} == {60, 6060}


def test_a_live_node_marks_a_window_in_which_it_saw_nothing():
    _, publisher = run(LIVE, lambda sink: [sink.advance("source-0", window) for window in (60, 120, 180)])
    assert {message.envelope.window for message in publisher.markers} == {60, 120, 180, 240}
    assert finals(publisher) == {240}
    assert_announced_is_sent(publisher)


def test_the_slowest_source_closes_a_window():
    first_is_done = threading.Event()

    def fast(sink):
        put_flows(sink, range(5), 60)
        sink.advance("source-0", 60)
        put_flows(sink, range(5), 120)
        sink.advance("source-0", 120)
        first_is_done.set()

    def slow(sink):
        assert first_is_done.wait(10)
        assert not publisher.markers
        sink.put(METRIC, "g\0k", Metric(id="m", time=1, group="g", key="k", meters={}), 60)
        sink.advance("source-1", 60)
        assert {message.envelope.window for message in publisher.markers} == {60}

    publisher = KeepingPublisher()
    run(FILE, fast, slow, publisher=publisher)
    assert finals(publisher) == {120}
    assert_announced_is_sent(publisher)


def test_a_source_that_has_ended_holds_nothing_up():
    ended = threading.Event()

    def short(sink):
        put_flows(sink, range(5), 60)
        ended.set()

    def long(sink):
        assert ended.wait(10)
        sink.advance("source-1", 60)
        wait_for(lambda: publisher.markers, "the marker of the window both have left")
        put_flows(sink, range(5), 120)

    publisher = KeepingPublisher()
    run(FILE, short, long, publisher=publisher)
    assert_announced_is_sent(publisher)


@pytest.mark.parametrize("observation", [FILE, LIVE, STREAM])
def test_nothing_at_all_is_still_a_stream_that_ends(observation):
    _, publisher = run(observation, lambda _sink: None)
    assert {message.envelope.window for message in publisher.markers} == finals(publisher) == {0}
    assert_announced_is_sent(publisher)


def test_a_stream_that_stopped_at_an_edge_ends_with_the_next_window():
    def script(sink):
        put_flows(sink, range(5), 60)
        sink.advance("source-0", 60)

    _, publisher = run(FILE, script)
    assert finals(publisher) == {120}
    assert_announced_is_sent(publisher)


def test_several_threads_may_put_at_once():
    def script(kind):
        def put(sink):
            for number in range(3000):
                record = Metric(id=f"{number}", time=number, group="g", key="k", meters={})
                sink.put(METRIC, f"{kind}{number}", record, number // 1000 * 60)

        return put

    node, publisher = run(FILE, script("a"), script("b"))
    assert_announced_is_sent(publisher)
    assert node.records == {"metric": 6000}
    assert +node.announced == node.records


def test_messages_stay_below_what_kafka_takes():
    big = "x" * (MAX_BYTES // 10)

    def script(sink):
        for number in range(100):
            sink.put(DOCUMENT, "key", Document(id=str(number), time=number, group="dns", text=big), 60)

    _, publisher = run(FILE, script)
    assert [record.id for message in publisher.batches for record in message.records] == [str(n) for n in range(100)]
    assert len(publisher.batches) >= 10
    assert_announced_is_sent(publisher)


def test_long_and_short_records_of_one_key_keep_their_order_in_messages_of_a_thousand_at_most():
    long = "x" * (MAX_BYTES // 30)

    def script(sink):
        for number in range(2250):
            text = long if 450 <= number < 500 else ""
            sink.put(DOCUMENT, "key", Document(id=str(number), time=number, group="dns", text=text), 60)

    _, publisher = run(FILE, script)
    assert [record.id for message in publisher.batches for record in message.records] == [str(n) for n in range(2250)]
    assert max(len(message.records) for message in publisher.batches) <= MAX_RECORDS
    assert_announced_is_sent(publisher)


def test_what_was_dropped_is_not_announced():
    batches = Counter()

    def refuse(_topic, records):
        batches[bool(records)] += 1
        return bool(records) and batches[True] % 2 == 0

    publisher = KeepingPublisher(refuse=refuse)
    node, _ = run(LIVE, lambda sink: put_flows(sink, range(9000), 60), publisher=publisher)
    assert 0 < node.records["flow"] < 9000
    assert_announced_is_sent(publisher)


def test_an_input_cut_short_is_complete_and_told():
    def script(sink):
        put_flows(sink, range(5), 60)
        raise CutShort("in.pcap is cut short after 5 packets")

    publisher = KeepingPublisher()
    with pytest.raises(CutShort, match="after 5 packets"):
        run(FILE, script, publisher=publisher)
    assert finals(publisher) == {60}
    assert_announced_is_sent(publisher)


def test_an_input_that_cannot_be_read_leaves_nothing():
    def script(_sink):
        raise TaplineError("in.pcap is a directory: name a capture file in it")

    publisher = KeepingPublisher()
    with pytest.raises(TaplineError, match="is a directory"):
        run(FILE, script, publisher=publisher)
    assert publisher.messages == []


@pytest.mark.parametrize(("observation", "ends"), [(FILE, set()), (LIVE, {60}), (STREAM, {60})])
def test_an_engine_that_fails_ends_a_live_stream_but_not_a_file(observation, ends):
    def script(sink):
        put_flows(sink, range(5), 60)
        raise TaplineError("tshark ended by itself: run it by hand to see why")

    publisher = KeepingPublisher()
    with pytest.raises(TaplineError, match="tshark ended"):
        run(observation, script, publisher=publisher)
    assert finals(publisher) == ends


def test_a_failing_engine_stops_the_others():
    def failing(_sink):
        raise TaplineError("tshark ended by itself")

    waiting = ScriptedSource("waiting", lambda _sink: wait_for(lambda: waiting.stopped, "being stopped"))
    node = CaptureNode(FILE, [ScriptedSource("failing", failing), waiting], KeepingPublisher())
    with pytest.raises(TaplineError, match="tshark ended"):
        node.run()


@pytest.mark.parametrize("error", [KeyError("a bug"), KeyboardInterrupt(), PublishError("Kafka is gone")])
@pytest.mark.parametrize("observation", [FILE, LIVE])
def test_a_stream_that_is_not_whole_is_not_said_to_be(observation, error):
    def script(sink):
        put_flows(sink, range(5), 60)
        raise error

    publisher = KeepingPublisher()
    with pytest.raises(type(error)):
        run(observation, script, publisher=publisher)
    assert finals(publisher) == set()


@pytest.mark.parametrize(("observation", "ends"), [(LIVE, {60}), (STREAM, {60})])
def test_stopping_a_live_node_ends_its_stream(observation, ends):
    def script(sink):
        put_flows(sink, range(5), 60)
        node.stop()
        put_flows(sink, range(5, 8), 60)

    publisher = KeepingPublisher()
    source = ScriptedSource("source", script)
    node = CaptureNode(observation, [source], publisher)
    node.run()
    assert source.stopped
    assert finals(publisher) == ends
    assert node.announced["flow"] == 8


def test_stopping_in_a_file_says_that_it_is_not_complete():
    def script(sink):
        put_flows(sink, range(5), 60)
        node.stop()

    publisher = KeepingPublisher()
    node = CaptureNode(FILE, [ScriptedSource("source", script)], publisher)
    with pytest.raises(TaplineError, match="was not read to its end: capture it again"):
        node.run()
    assert finals(publisher) == set()


def test_a_live_node_makes_itself_known_before_its_first_record() -> None:
    publisher = KeepingPublisher()
    run(LIVE, lambda sink: put_flows(sink, [1], 60), publisher=publisher)
    known = publisher.announcements
    assert known == publisher.messages[: len(known)]
    everywhere = {(topic.kind, number) for topic in CAPTURED for number in range(publisher.partitions(topic))}
    assert {(message.topic.kind, message.partition) for message in known} == everywhere


def test_a_live_record_does_not_wait_for_company():
    def script(sink):
        put_flows(sink, [1], 60)
        wait_for(lambda: publisher.batches, "the record to be sent while the window is open")
        assert not publisher.markers

    publisher = KeepingPublisher()
    run(LIVE, script, publisher=publisher)
    assert_announced_is_sent(publisher)


def test_counts_are_kept_by_source():
    node, _ = run(
        FILE, lambda sink: [sink.count("one", "packets", 3), sink.count("one", "packets"), sink.count("two", "packets")]
    )
    assert node.counts == {("one", "packets"): 4, ("two", "packets"): 1}


class Recalling(KeepingPublisher):
    """A publisher that can read back what there was before."""

    last = -1

    def confirm(self):
        return {"flow": [sum(len(message.records) for message in self.batches)]}

    def published(self, places, is_ours):  # noqa: ARG002
        return iter([producer for producer in ("node/eth0#1", LIVE.producer, "other/eth0#1") if is_ours(producer)])

    def ended(self, is_ours):
        return self.last if is_ours("node/eth0#1") and not is_ours("other/eth0#1") else -1


def test_a_node_that_is_started_again_begins_behind_the_window_that_it_ended_with():
    def script(sink):
        put_flows(sink, range(3), 60)
        sink.advance("source", 60)
        put_flows(sink, range(3, 5), 120)
        sink.advance("source", 120)
        put_flows(sink, range(5, 9), 180)

    publisher = Recalling()
    publisher.last = 60
    run(LIVE, script, publisher=publisher)
    assert_announced_is_sent(publisher)
    assert {message.envelope.window for message in publisher.markers} == {120, 180}
    sent = Counter()
    for message in publisher.batches:
        sent[message.envelope.window] += len(message.records)
    assert sent == {120: 5, 180: 4}


@pytest.mark.parametrize("taken", [True, False])
def test_what_was_put_is_confirmed_once_it_is_sent(*, taken):
    confirmed = []

    def script(sink):
        assert confirming(sink) is sink
        put_flows(sink, range(3), 0)
        confirmed.append(sink.confirm())
        confirmed.append(list(sink.published({}, lambda producer: producer.startswith("node/"))))

    publisher = Recalling(refuse=lambda _topic, records: bool(records) and not taken)
    run(LIVE, script, publisher=publisher)
    assert confirmed == [{"flow": [3]} if taken else None, ["node/eth0#1"]]


def test_where_nothing_can_be_read_back_nothing_is_confirmed():
    confirmed = []
    run(LIVE, lambda sink: [confirmed.append(confirming(sink))], publisher=KeepingPublisher())
    assert confirmed == [None]


class Tracking(KeepingPublisher):
    """A publisher that says what has arrived."""

    marks = 0
    arrives = False

    def mark(self):
        self.marks += 1
        return self.marks

    def arrived(self, mark):
        return self.arrives and mark <= self.marks


def test_who_asks_is_told_without_waiting_when_what_was_put_is_safe():
    publisher = Tracking()
    told = []

    def script(sink):
        assert isinstance(sink, Settling)
        put_flows(sink, range(3), 0)
        assert not publisher.batches
        number = sink.send_all()
        # All of it was sent, though its window goes on.
        told.append(sum(len(message.records) for message in publisher.batches))
        told.append(sink.is_safe(number))
        publisher.arrives = True
        told.append(sink.is_safe(number))

    run(LIVE, script, publisher=publisher)
    assert told == [3, False, True]
    assert_announced_is_sent(publisher)


def test_where_nobody_tracks_what_arrives_all_that_was_sent_is_safe():
    told = []

    def script(sink):
        put_flows(sink, range(3), 0)
        told.append(sink.is_safe(sink.send_all()))

    run(LIVE, script, publisher=KeepingPublisher())
    assert told == [True]
