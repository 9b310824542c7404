"""What scripts are told of time: seconds, one window after the other, the end of a stream."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from topics.catalog import ALERT, CAPTURED, CATALOG, FLOW, PARTIAL, RANKING, RESOURCE, Topic
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode, open_message
from topics.records import Flow, Snapshot
from workers.environment import Environment
from workers.pipeline import Message, Pipeline
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint
from workers.windows.lineage import expected_producers, lane_source, loops

W1 = 1_700_000_040
W2 = W1 + 60
PARTITIONS = {"flow": 2, "partial": 3}


def flow(name: str, second: float, window: int = W1) -> Flow:
    time = int((window + second) * 1_000_000)
    return Flow(id=name, flow_id=name, time=time, start=time, end=time, transport="tcp", source_ip=name, record="final")


def flows(node: str, window: int, sequence: int, *records: Flow, partition: int = 0) -> Message:
    return FLOW, partition, Envelope(FLOW.schema, node, "live", window, sequence, len(records)), encode(records)


def markers(node: str, window: int, announced: int = 0, *, final: bool = False) -> list[Message]:
    """A node's markers of a window; what it announces went to partition 0 of the flows."""
    return [
        (
            topic,
            partition,
            Envelope(SNAPSHOT_SCHEMA, node, "live", window, 0, 1),
            encode(
                [
                    Snapshot(
                        node=node,
                        stream="live",
                        window=window,
                        announced=announced if (topic, partition) == (FLOW, 0) else 0,
                        final=final,
                    )
                ]
            ),
        )
        for topic in CAPTURED
        for partition in range(2)
    ]


def two_nodes() -> list[Message]:
    """Two nodes, of which the second is behind, and a record that comes too late."""
    return [
        *markers("a", W1 - 60),
        *markers("b", W1 - 60),
        flows("a", W1, 0, flow("a1", 1.5), flow("a2", 3.0)),
        flows("b", W1, 0, flow("b1", 2.0)),
        *markers("a", W1, 2),
        flows("a", W2, 0, flow("a3", 5.0, W2)),
        flows("b", W1, 1, flow("b2", 30.0)),
        *markers("b", W1, 2),
        flows("b", W1, 2, flow("late", 59.0)),
        flows("b", W2, 0, flow("b3", 7.0, W2)),
        *markers("a", W2, 1, final=True),
        *markers("b", W2, 1, final=True),
    ]


def script(folder: Path, text: str) -> Path:
    path = folder / "it.py"
    path.write_text(dedent(text), encoding="utf-8")
    return path


SESSIONS = """
    from tapline import SessionMonitor
    class Tell(SessionMonitor):
        def on_new_flow(self, flow): print(self.instance, "new", flow.flow_id)
        def on_metronome(self, second): print(self.instance, "tick", second, self.now)
        def on_begin_flush(self, window): print(self.instance, "begin", window, self.now)
        def on_flush(self, flow): print(self.instance, "flush", flow.flow_id)
        def on_end_flush(self, window): print(self.instance, "end", window)
"""


def test_a_script_sees_one_window_after_the_other_and_every_second_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Pipeline(load_files([script(tmp_path, SESSIONS)], {})) as pipeline:
        pipeline.feed(two_nodes())
    said = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("flow-0 ")]
    of_windows = said[[line[0] for line in said].index("end") + 1 :]

    def ticks(window: int, first: int, beyond: int) -> list[list[str]]:
        return [["tick", str(window + s), str((window + s + 1) * 1_000_000)] for s in range(first, beyond)]

    assert of_windows == [
        ["new", "a1"],
        ["new", "a2"],
        *ticks(W1, 0, 3),
        ["new", "b1"],
        ["new", "b2"],
        *ticks(W1, 3, 30),
        *ticks(W1, 30, 60),
        ["begin", str(W1), str(W2 * 1_000_000)],
        ["flush", "a1"],
        ["flush", "a2"],
        ["flush", "b1"],
        ["flush", "b2"],
        ["end", str(W1)],
        ["new", "a3"],
        *ticks(W2, 0, 5),
        ["new", "b3"],
        *ticks(W2, 5, 60),
        ["begin", str(W2), str((W2 + 60) * 1_000_000)],
        ["flush", "a3"],
        ["flush", "b3"],
        ["end", str(W2)],
    ]


@pytest.mark.parametrize(
    ("monitor", "instances"),
    [
        ("EngineMonitor", {"flow-0"}),
        ("SessionMonitor", {"flow-0", "flow-1"}),
        ("CounterMonitor", {"partial-0", "partial-1"}),
        ("AlertMonitor", {"alert-0", "alert-1"}),
        ("ResourceMonitor", {"resource-0", "resource-1"}),
        ("FullTextMonitor", {"document-0", "document-1"}),
    ],
)
def test_every_monitor_type_is_told_of_sixty_seconds_a_window(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monitor: str, instances: set[str]
) -> None:
    text = f"""
    from tapline import {monitor}
    class Tick({monitor}):
        def on_metronome(self, second): print(self.instance, second)
    """
    with Pipeline(load_files([script(tmp_path, text)], {})) as pipeline:
        pipeline.feed(two_nodes())
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {instance for instance, _ in said} == instances
    for instance in instances:
        seconds = [int(second) for found, second in said if found == instance]
        assert seconds == list(range(W1 - 60, W2 + 60))


def test_what_reading_again_shows_to_scripts_is_in_the_same_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = Environment(
        WorkersSettings(scripts=[]),
        load_files([script(tmp_path, SESSIONS)], {}),
        {topic.kind: 2 for topic in (*CAPTURED, PARTIAL, RANKING)},
    )
    messages = [message for message in two_nodes() if message[:2] == (FLOW, 0)]
    first = build(FLOW, 0, environment)
    first.start("")
    points = []
    for offset, (_, _, envelope, body) in enumerate(messages):
        point = first.message(offset, envelope.headers(), body).point
        if point is not None:
            points.append(point)
    whole = capsys.readouterr().out.splitlines()
    assert len(points) == 3
    for point in points:
        again = build(FLOW, 0, environment)
        again.start(point.metadata)
        for offset, (_, _, envelope, body) in enumerate(messages):
            if offset >= point.offset:
                again.message(offset, envelope.headers(), body)
        said = capsys.readouterr().out.splitlines()
        assert said == whole[len(whole) - len(said) :]
    assert said == [], "the last point is after everything"


def test_the_end_of_a_stream_is_told_to_every_stage() -> None:
    stage = build(
        FLOW,
        0,
        Environment(
            WorkersSettings(scripts=[]), load_files([], {}), {topic.kind: 2 for topic in (*CAPTURED, PARTIAL, RANKING)}
        ),
    )
    stage.start("")
    ends = {}
    for offset, (_, _, envelope, body) in enumerate(m for m in two_nodes() if m[:2] == (FLOW, 0)):
        for out in stage.message(offset, envelope.headers(), body).outgoing:
            if out.envelope.is_snapshot:
                ends[out.envelope.window] = open_message(out.envelope.headers(), out.body, out.topic)[1][0].final
    assert ends == {W1 - 60: False, W1: False, W2: True}


@pytest.mark.parametrize(
    ("topic", "producer", "lane", "expected"),
    [
        (FLOW, "node/eth0#1", "", set()),
        (PARTIAL, "~flow/1", "~flow", {"~flow/0", "~flow/1"}),
        (PARTIAL, "~alert/1<~flow/0", "~alert/1<~flow/0", {"~alert/1<~flow/0"}),
        (RANKING, "~flow/1", "~flow", {"~flow/0", "~flow/1"}),
        (RANKING, "~partial/2<~flow", "~partial<~flow", {f"~partial/{n}<~flow" for n in range(3)}),
        (
            RANKING,
            "~partial/2<~alert/1<~flow/0",
            "~partial<~alert/1<~flow/0",
            {f"~partial/{n}<~alert/1<~flow/0" for n in range(3)},
        ),
        (PARTIAL, "~nobody", "~nobody", set()),
    ],
)
def test_a_lane_waits_for_the_partitions_that_share_it(
    topic: Topic, producer: str, lane: str, expected: set[str]
) -> None:
    assert lane_source(topic, producer) == lane
    assert expected_producers(lane, PARTITIONS) == expected


@pytest.mark.parametrize(
    ("topic", "source", "cut"),
    [
        (PARTIAL, "~flow", False),
        (PARTIAL, "~partial/0<~flow", True),
        (PARTIAL, "~ranking/0<~partial<~flow", True),
        (RANKING, "~partial<~flow", False),
        (RANKING, "~ranking/1<~flow", True),
        (FLOW, "", False),
        (ALERT, "~flow/1", False),
        (ALERT, "~alert/0<~flow/1", False),
        (ALERT, "~alert/1<~alert/0<~flow/1", True),
        (RESOURCE, "~resource/0", False),
        (RESOURCE, "~resource/1<~resource/0", True),
        (RESOURCE, "~resource/1<~alert/0<~resource/0", True),
    ],
)
def test_records_that_scripts_of_a_topic_had_a_part_in_are_not_shown_to_them_again(
    topic: Topic, source: str, *, cut: bool
) -> None:
    assert loops(topic, source) is cut


def test_interim_sums_have_a_numbering_of_their_own(tmp_path: Path) -> None:
    """A window that waited for an older one tells its seconds in fewer steps than when it is read again."""
    text = """
    from tapline import CounterMonitor
    class Sees(CounterMonitor):
        def on_update(self, counter): pass
    """
    environment = Environment(
        WorkersSettings(scripts=[]),
        load_files([script(tmp_path, text)], {}),
        {topic.kind: 2 for topic in (*CAPTURED, PARTIAL, RANKING)},
    )
    messages = two_nodes()
    ahead = next(i for i, m in enumerate(messages) if m[2].window == W2 and not m[2].is_snapshot)
    messages.insert(ahead + 1, flows("a", W2, 1, flow("a3", 9.0, W2)))
    messages = [message for message in messages if message[:2] == (FLOW, 0)]

    def run(metadata: str, start: int) -> tuple[list[CommitPoint], dict[tuple[str, int, int, int], bytes], int]:
        stage = build(FLOW, 0, environment)
        stage.start(metadata)
        points, exact, interim = [], {}, 0
        for offset, (_, _, envelope, body) in enumerate(messages):
            if offset < start:
                continue
            step = stage.message(offset, envelope.headers(), body)
            points += [step.point] if step.point else []
            for out in step.outgoing:
                place = (out.envelope.node, out.partition, out.envelope.window, out.envelope.sequence)
                if out.envelope.node.endswith("+"):
                    interim += out.envelope.window == W2
                elif not out.envelope.is_snapshot and out.topic is PARTIAL:
                    exact[place] = out.body
        return points, exact, interim

    points, exact, interim = run("", 0)
    _, again, interim_again = run(points[1].metadata, points[1].offset)
    assert interim > 0
    assert interim_again > interim, "what this test is about"
    assert again == {place: body for place, body in exact.items() if place[2] == W2}


def test_an_alert_about_a_script_moves_no_number_of_what_scripts_emit(tmp_path: Path) -> None:
    text = """
    from tapline import SessionMonitor
    class Bad(SessionMonitor):
        def on_new_flow(self, flow): raise ValueError("no")
    class Good(SessionMonitor):
        def on_new_flow(self, flow): self.alert("seen", flow, flow.flow_id)
    """
    environment = Environment(
        WorkersSettings(scripts=[]), load_files([script(tmp_path, text)], {}), {topic.kind: 1 for topic in CATALOG}
    )
    stage = build(FLOW, 0, environment)
    stage.start("")
    sequences, aside = [], []
    many = [flows("a", W1, number, flow(f"f{number}", number)) for number in range(15)]
    for offset, (_, _, envelope, body) in enumerate(many):
        for out in stage.message(offset, envelope.headers(), body).outgoing:
            if out.envelope.node == "~flow/0":
                sequences.append(out.envelope.sequence)
            else:
                aside.append((out.envelope.node, *open_message(out.envelope.headers(), out.body, out.topic)[1]))
    assert sequences == list(range(15))
    assert [node for node, _ in aside] == ["~flow/0+", "~flow/0+"]
    assert (aside[0][1].type, aside[0][1].script) == ("script-suspended", "Bad")
    assert aside[1][1].announced == 1, "its marker follows at once"


def test_rankings_are_marked_whether_a_script_wants_them_or_not() -> None:
    """A script that wants them may go in the middle of a window: the window has to end all the same."""
    marked: set[tuple[int, int]] = set()

    def observe(topic: Topic, partition: int, envelope: Envelope, _: list[Any]) -> None:
        if topic is RANKING and envelope.is_snapshot and "<" not in envelope.node:
            marked.add((envelope.window, partition))

    with Pipeline(load_files([], {}), 2, observer=observe) as pipeline:
        pipeline.feed(two_nodes())
    assert marked == {(window, partition) for window in (W1 - 60, W1, W2) for partition in range(2)}
