"""The ledger: what closes when, what is counted once, and where to read again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topics.codec import Envelope
from topics.records import Snapshot
from workers.windows.ledger import METADATA_LIMIT, Ledger
from workers.windows.lineage import expected_producers

PARTITIONS = {"flow": 2, "partial": 2, "alert": 2, "resource": 2, "document": 2, "metric": 2}


def ledger(metadata: str = "") -> Ledger:
    made = Ledger(lambda source: expected_producers(source, PARTITIONS))
    made.load(metadata)
    return made


def records(node: str, window: int, sequence: int, count: int, stream: str = "live") -> Envelope:
    return Envelope("flow/1", node, stream, window, sequence, count)


def marker(node: str, window: int, announced: int, *, final: bool = False, stream: str = "live") -> Snapshot:
    return Snapshot(node=node, stream=stream, window=window, announced=announced, final=final)


def mark(made: Ledger, offset: int, snapshot: Snapshot, source: str = "") -> list[int]:
    """Take a marker, close what is ready, and say which windows those were."""
    envelope = Envelope("snapshot/1", snapshot.node, snapshot.stream, snapshot.window, 0, 1)
    lane = made.mark(offset, envelope, snapshot, source)
    ready = lane.ready()
    for window in ready:
        made.close(window)
    made.settle(lane)
    return [window.start for window in ready]


def test_a_window_closes_when_every_node_has_marked_it() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    made.admit(1, records("b", 60, 0, 5), "")
    assert mark(made, 2, marker("a", 60, 10)) == []
    assert mark(made, 3, marker("b", 60, 5)) == [60]


def test_a_marker_stands_for_all_earlier_windows() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    made.admit(1, records("b", 60, 0, 5), "")
    mark(made, 2, marker("a", 60, 10))
    assert mark(made, 3, marker("b", 600, 0)) == [60]


def test_a_node_that_said_it_is_done_is_not_waited_for() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    made.admit(1, records("b", 60, 0, 5), "")
    assert mark(made, 2, marker("a", 60, 10, final=True)) == []
    assert mark(made, 3, marker("b", 60, 5)) == [60]
    made.admit(4, records("b", 120, 0, 5), "")
    assert mark(made, 5, marker("b", 120, 5)) == [120]


def test_a_closing_marker_of_another_ends_the_wait() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    made.admit(1, records("b", 60, 0, 5), "")
    assert mark(made, 2, marker("a", 60, 10)) == []
    silent = Snapshot(node="b", stream="live", window=0, announced=0, final=True, closed_by="worker")
    assert mark(made, 3, silent) == [60]


def test_a_node_started_anew_stands_in_for_its_earlier_run() -> None:
    made = ledger()
    made.admit(0, records("a/eth0#100", 60, 0, 10), "")
    made.admit(1, records("a/eth0#200", 60, 0, 4), "")
    assert mark(made, 2, marker("a/eth0#200", 60, 4)) == [60]


def test_records_that_came_already_are_not_taken_again() -> None:
    made = ledger()
    first = made.admit(0, records("a", 60, 0, 10), "")
    assert first is not None
    assert first.skip == 0
    overlapping = made.admit(1, records("a", 60, 5, 10), "")
    assert overlapping is not None
    assert overlapping.skip == 5
    assert made.admit(2, records("a", 60, 0, 15), "") is None
    tally = first.window.tallies["a"]
    assert (tally.received, tally.duplicates) == (15, 20)


def test_records_of_a_closed_window_are_late_and_counted_with_the_next() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    assert mark(made, 1, marker("a", 60, 10)) == [60]
    assert made.admit(2, records("b", 60, 0, 3), "") is None
    admitted = made.admit(3, records("a", 120, 0, 1), "")
    assert admitted is not None
    point = made.point()
    assert point is not None
    assert point.offset == 2, "the late message has to be read again until a window has taken up its count"
    assert mark(made, 4, marker("a", 120, 1)) == [120]
    assert admitted.window.tallies["b"].late == 3


def test_what_was_done_before_a_restart_is_not_late() -> None:
    made = ledger()
    made.admit(0, records("a", 120, 0, 1), "")
    made.admit(1, records("a", 60, 0, 10), "")
    assert mark(made, 2, marker("a", 60, 10)) == [60]
    point = made.point()
    assert point is not None
    assert point.offset == 0
    again = ledger(point.metadata)
    again.admit(0, records("a", 120, 0, 1), "")
    assert again.admit(1, records("a", 60, 0, 10), "") is None
    assert again.late_records == 0


def test_sums_wait_for_every_partition_they_come_from() -> None:
    made = ledger()
    source = "~flow"
    made.admit(0, Envelope("partial/1", "~flow/0", "live", 60, 0, 3), source)
    assert mark(made, 1, marker("~flow/0", 60, 3), source) == []
    assert mark(made, 2, marker("~flow/0", 120, 0), source) == []
    assert mark(made, 3, marker("~flow/1", 60, 0), source) == [60]
    assert mark(made, 4, marker("~flow/1", 120, 0), source) == [120]


def test_metadata_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="not ours"):
        ledger("something else")


def test_many_ended_streams_do_not_grow_the_metadata_past_its_limit() -> None:
    made = ledger()
    for number in range(600):
        stream = f"file-{random.Random(number).getrandbits(64):016x}"
        made.admit(2 * number, records(stream, 60, 0, 1, stream), "")
        assert mark(made, 2 * number + 1, marker(stream, 60, 1, final=True, stream=stream)) == [60]
    point = made.point()
    assert point is not None
    assert len(point.metadata) <= METADATA_LIMIT
    latest = ledger(point.metadata)
    assert latest.admit(1200, records(stream, 60, 0, 1, stream), "") is None, "the latest streams are remembered"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 6))
def test_reading_again_from_any_commit_point_closes_the_same_windows_with_the_same_content(
    seed: int, nodes: int, windows: int
) -> None:
    log = made_log(random.Random(seed), nodes, windows)
    whole, points = run(ledger(), log, 0)
    assert sorted(whole) == sorted({(entry.window) for entry in log if isinstance(entry, Snapshot)})
    for done, point in points:
        rest, _ = run(ledger(point.metadata), log, point.offset)
        assert {**{w: whole[w] for w in done}, **rest} == whole
        assert not set(rest) & done, "a window that is done is not published again"


def made_log(draw: random.Random, nodes: int, windows: int) -> list[Envelope | Snapshot]:
    """A partition's messages: each node's own in order, the nodes' in any order."""
    queues: list[list[Envelope | Snapshot]] = []
    for number in range(nodes):
        node = f"n{number}"
        queue: list[Envelope | Snapshot] = []
        for window in range(60, 60 + 60 * windows, 60):
            sent = 0
            for _ in range(draw.randrange(3)):
                count = draw.randrange(1, 5)
                queue.append(records(node, window, sent, count))
                sent += count
            queue.append(marker(node, window, sent, final=window == 60 * windows))
        queues.append(queue)
    # Every node is heard of before the first window can close: what comes later would rightly be late.
    log: list[Envelope | Snapshot] = [records(f"n{number}", 60 * windows + 60, 0, 1) for number in range(nodes)]
    log += [marker(f"n{number}", 0, 0) for number in range(nodes)]
    while any(queues):
        log.append(draw.choice([queue for queue in queues if queue]).pop(0))
    log += [marker(f"n{number}", 60 * windows + 60, 1, final=True) for number in range(nodes)]
    return log


def run(
    made: Ledger, log: list[Envelope | Snapshot], start: int
) -> tuple[dict[int, object], list[tuple[set[int], object]]]:
    closed: dict[int, object] = {}
    points = []
    for offset, entry in enumerate(log):
        if offset < start:
            continue
        if isinstance(entry, Envelope):
            made.admit(offset, entry, "")
            continue
        lane = made.mark(offset, Envelope("snapshot/1", entry.node, entry.stream, entry.window, 0, 1), entry, "")
        ready = lane.ready()
        for window in ready:
            made.close(window)
            closed[window.start] = {n: (t.received, t.announced, t.late) for n, t in sorted(window.tallies.items())}
        made.settle(lane)
        if ready:
            points.append((set(closed), made.point()))
    return closed, points


def test_a_node_that_made_itself_known_is_waited_for() -> None:
    made = ledger()
    made.admit(0, records("a", 60, 0, 10), "")
    assert mark(made, 1, marker("b", -1, 0)) == []
    assert mark(made, 2, marker("a", 60, 10)) == []
    assert mark(made, 3, marker("b", 60, 0)) == [60]
