"""Which windows of what topics hold are run, and how what comes of them is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from tapline import AlertMonitor, Flow, SessionMonitor
from tapline.trial import scripts_of
from tests.integration.workers.stream import FIRST_WINDOW, MadeStream
from topics.catalog import ALERT, COUNTER, FLOW, Topic
from topics.codec import SNAPSHOT_SCHEMA, Envelope, decode, encode, open_message
from topics.records import Alert, Metric, Snapshot
from workers.backfill import Republished, WindowRange, name_of
from workers.pipeline import Message, Pipeline
from workers.windows.outbox import Outgoing

STREAM = "live"


def held(stream: MadeStream) -> list[Message]:
    return list(stream.messages())


def through(windows: WindowRange, messages: list[Message]) -> list[Message]:
    found: list[Message] = []
    for topic, partition, envelope, body in messages:
        found += windows.take(topic, partition, envelope.headers(), body)
    return [*found, *windows.finish()]


def totals(messages: list[Message]) -> dict[tuple[int, str, str], float]:
    pipeline = Pipeline(partitions=2)
    pipeline.feed(messages)
    counters = pipeline.published["counter"]
    pipeline.stop()
    return {(each.window, each.group, each.key): each.meters["bytes"] for each in counters if each.group == "Hosts"}


def test_the_windows_of_a_range_are_whole_and_exactly_those() -> None:
    stream = MadeStream(windows=5, flows=100, partitions=2)
    windows = WindowRange(FIRST_WINDOW + 60, FIRST_WINDOW + 240)
    found = totals(through(windows, held(stream)))
    wanted = {
        place: meters["bytes"]
        for place, meters in stream.truth.items()
        if place[1] == "Hosts" and FIRST_WINDOW + 60 <= place[0] < FIRST_WINDOW + 240
    }
    assert found == wanted
    assert windows.windows == {(STREAM, FIRST_WINDOW + 60 * number) for number in (1, 2, 3)}
    assert windows.records == 3 * 2 * 100
    assert (windows.first, windows.last) == (FIRST_WINDOW, FIRST_WINDOW + 240)


def test_a_window_that_is_still_open_is_left_out() -> None:
    stream = MadeStream(windows=3, flows=100, partitions=2)
    messages = held(stream)
    last = FIRST_WINDOW + 120
    messages = [each for each in messages if not (each[2].is_snapshot and each[2].window == last)]
    windows = WindowRange()
    found = totals(through(windows, messages))
    assert {window for window, _, _ in found} == {FIRST_WINDOW, FIRST_WINDOW + 60}
    assert windows.skipped["open"] > 0


def test_every_message_comes_before_its_marker_and_the_last_marker_is_final() -> None:
    stream = MadeStream(windows=3, flows=100, partitions=2)
    out = through(WindowRange(0, FIRST_WINDOW + 120), held(stream))
    finals = []
    for topic, partition, envelope, body in out:
        if envelope.is_snapshot:
            finals += [(topic.kind, partition, envelope.node, envelope.window)] * open_message(
                envelope.headers(), body, topic
            )[1][0].final
    assert len(finals) == 5 * 2 * 2, "one for each topic, partition and node"
    assert {window for *_, window in finals} == {FIRST_WINDOW + 60}


def test_every_node_is_waited_for_from_the_first_window_on() -> None:
    stream = MadeStream(windows=2, flows=100, partitions=2)
    found = totals(through(WindowRange(), held(stream)))
    assert found == {place: meters["bytes"] for place, meters in stream.truth.items() if place[1] == "Hosts"}


def test_a_node_that_has_ended_before_the_range_is_not_waited_for() -> None:
    stream = MadeStream(windows=3, flows=20, partitions=2, stream="live")
    gone = MadeStream(windows=1, flows=20, partitions=2, nodes=3)
    gone.nodes = gone.nodes[2:]
    found = totals(through(WindowRange(FIRST_WINDOW + 60), [*gone.messages(), *held(stream)]))
    assert found == {
        place: meters["bytes"]
        for place, meters in stream.truth.items()
        if place[1] == "Hosts" and place[0] > FIRST_WINDOW
    }


def test_a_node_known_before_the_range_is_waited_for() -> None:
    stream = MadeStream(windows=3, flows=20, partitions=2)
    messages = held(stream)
    second = stream.nodes[1]
    late = [each for each in messages if each[2].node == second and each[2].window > FIRST_WINDOW]
    early = [each for each in messages if each not in late]
    found = totals(through(WindowRange(FIRST_WINDOW + 60, FIRST_WINDOW + 120), [*early, *late]))
    wanted = {
        place: meters["bytes"]
        for place, meters in stream.truth.items()
        if place[1] == "Hosts" and place[0] == FIRST_WINDOW + 60
    }
    assert found == wanted


def test_a_node_that_was_started_anew_leaves_its_earlier_windows_behind() -> None:
    def block(node: str, window: int, *, mark: bool) -> list[Message]:
        alert = Alert(id=f"{node}{window}", time=window * 1_000_000, type="odd", message="")
        messages: list[Message] = [(ALERT, 0, Envelope("alert/1", node, STREAM, window, 0, 1), encode([alert]))]
        if mark:
            marker = Snapshot(node=node, stream=STREAM, window=window, announced=1)
            messages.append((ALERT, 0, Envelope(SNAPSHOT_SCHEMA, node, STREAM, window, 0, 1), encode([marker])))
        return messages

    messages = [
        *block("a#1", FIRST_WINDOW, mark=True),
        *block("a#1", FIRST_WINDOW + 60, mark=False),
        *block("a#2", FIRST_WINDOW + 120, mark=True),
    ]
    out = through(WindowRange(), messages)
    order = [(envelope.node, envelope.window) for _, _, envelope, _ in out if not envelope.is_snapshot]
    assert order == [("a#1", FIRST_WINDOW), ("a#1", FIRST_WINDOW + 60), ("a#2", FIRST_WINDOW + 120)]


class Warns(SessionMonitor):
    def on_new_flow(self, flow: Flow) -> None:
        if flow.destination_port == 22:
            self.alert("ssh", flow, "")


class Hears(AlertMonitor):
    heard: ClassVar[list[str]] = []

    def on_new_alert(self, alert: Alert) -> None:
        self.heard.append(alert.id)


def test_what_scripts_have_emitted_is_held_too_and_is_heard_beside_what_is_emitted_now() -> None:
    stream = held(MadeStream(windows=2, flows=100, partitions=2))
    kept: list[Message] = []
    live = Pipeline(
        scripts_of([Warns]),
        observer=lambda topic, partition, envelope, records: kept.append((topic, partition, envelope, encode(records))),
    )
    live.feed(stream)
    live.stop()
    alerts = [each for each in kept if each[0] is ALERT]
    Hears.heard.clear()
    again = Pipeline(scripts_of([Hears, Warns]))
    again.feed(through(WindowRange(), [*alerts, *stream]))
    again.stop()
    once = [record.id for _, _, envelope, body in alerts if not envelope.is_snapshot for record in decode(Alert, body)]
    assert Counter(Hears.heard) == Counter(once * 2)
    assert once
    assert not again.published["dead"]


def test_records_that_retention_has_deleted_are_counted() -> None:
    messages = held(MadeStream(windows=2, flows=100, partitions=2))
    deleted = messages.pop(0)
    windows = WindowRange()
    through(windows, messages)
    assert windows.missing == deleted[2].count
    assert windows.records + windows.missing == 400


def test_what_cannot_be_read_is_counted() -> None:
    windows = WindowRange()
    assert not list(windows.take(FLOW, 0, [("schema", b"flow/1")], b"[]"))
    assert windows.skipped == Counter({"headers": 1})


def test_what_is_published_has_its_own_numbers_and_comes_with_the_marker() -> None:
    republished = Republished("backfill-1", lambda counter: counter.group == "Mine")
    window = FIRST_WINDOW
    alerts = [Alert(id=str(number), time=1, type=kind, message="") for number, kind in enumerate(("a", "conservation"))]
    counters = [Metric(id=str(number), time=1, group=group, key="k", meters={}) for number, group in enumerate("ab")]
    counters.append(Metric(id="3", time=1, group="Mine", key="k", meters={}))

    def sent(topic: Topic, envelope: Envelope, records: Sequence[Struct]) -> list[Outgoing]:
        return list(republished.messages(topic, 1, envelope, list(records)))

    assert not sent(ALERT, Envelope("alert/1", "~flow/0", STREAM, window, 0, 2), alerts)
    assert not sent(ALERT, Envelope("alert/1", "~flow/0", STREAM, window, 2, 2), alerts)
    assert not sent(COUNTER, Envelope("counter/1", "~partial/1<~flow", STREAM, window, 0, 3), counters)
    assert not sent(FLOW, Envelope("flow/1", "~flow/0", STREAM, window, 0, 1), [])
    marker = Snapshot(node="~flow/0", stream=STREAM, window=window, announced=4)
    out = sent(ALERT, Envelope(SNAPSHOT_SCHEMA, "~flow/0", STREAM, window, 0, 1), [marker])
    assert [(each.envelope.node, each.envelope.sequence, each.envelope.count) for each in out[:-1]] == [
        ("~flow/backfill-1-0", 0, 1),
        ("~flow/backfill-1-0", 1, 1),
    ]
    (closing,) = open_message(out[-1].envelope.headers(), out[-1].body, ALERT)[1]
    assert (closing.node, closing.announced) == ("~flow/backfill-1-0", 2)
    marker = Snapshot(node="~partial/1<~flow", stream=STREAM, window=window, announced=3)
    out = sent(COUNTER, Envelope(SNAPSHOT_SCHEMA, "~partial/1<~flow", STREAM, window, 0, 1), [marker])
    assert [each.envelope.node for each in out] == ["~partial/backfill-1-1<~flow"] * 2
    assert republished.records == {"alert": 2, "counter": 1}


def test_a_backfill_is_named_by_what_it_runs_and_where_it_begins() -> None:
    names = [
        name_of([("A", "text", "{}")], 0),
        name_of([("A", "text", "{}")], 60),
        name_of([("A", "text2", "{}")], 0),
        name_of([("A", "text", '{"a":1}')], 0),
    ]
    assert len(set(names)) == 4
    assert name_of([("B", "", ""), ("A", "", "")], 0) == name_of([("A", "", ""), ("B", "", "")], 0)
