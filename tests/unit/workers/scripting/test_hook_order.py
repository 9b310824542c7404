"""The hooks of a window, type by type, for two nodes of which one is behind and late; and the same when read again."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from textwrap import dedent

import pytest

from topics.catalog import ALERT, CAPTURED, CATALOG, DOCUMENT, FLOW, RESOURCE, Topic
from topics.codec import SNAPSHOT_SCHEMA, Envelope, decode, encode
from topics.records import Alert, Document, Flow, Record, Resource, Snapshot, Stored
from workers.environment import Environment
from workers.pipeline import Message
from workers.scripting.scripts import ScriptSet, load_files
from workers.settings import WorkersSettings
from workers.stages import build, topics_of
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.stage import Stage
from workers.windows.store import newest

W1 = 1_700_000_040
W2 = W1 + 60
WINDOWS = (W1, W2)
NODES = ("ahead", "behind")
PARTITIONS = 2

SCRIPTS = """
    from tapline import (
        AlertMonitor, CounterMonitor, EngineMonitor, FlowTracker, FullTextMonitor, ResourceMonitor, SessionMonitor,
    )

    def tell(script, hook, *what):
        print(script.instance, type(script).__name__, hook, *what)

    class Told:
        def on_metronome(self, second): tell(self, "tick", second)
        def on_begin_flush(self, window): tell(self, "begin", window)
        def on_end_flush(self, window): tell(self, "end", window)

    class Engine(Told, EngineMonitor): pass

    class Sessions(Told, SessionMonitor):
        def on_new_flow(self, flow): tell(self, "new", flow.flow_id)
        def on_update(self, flow): tell(self, "update", flow.flow_id)
        def on_terminate(self, flow): tell(self, "terminate", flow.flow_id)
        def flush_filter(self, flow):
            tell(self, "filter", flow.flow_id)
            return flow.destination_port != 53
        def on_flush(self, flow): tell(self, "flush", flow.flow_id)

    class Tracker(Told, FlowTracker):
        def metric(self, flow):
            tell(self, "metric", flow.flow_id)
            return flow.delta_bytes

    class Counters(Told, CounterMonitor):
        group = "Hosts"
        def on_update(self, counter): tell(self, "update", counter.key)
        def on_new_key(self, counter): tell(self, "new", counter.key)
        def flush_filter(self, counter):
            tell(self, "filter", counter.key)
            return counter.key != "10.0.0.2"
        def on_flush(self, counter): tell(self, "flush", counter.key)
        def on_totals(self, counter): tell(self, "totals", counter.key)

    class Toppers(CounterMonitor):
        group = "Hosts"
        meters = ("bytes", "flows")
        def on_begin_topper_flush(self, top): tell(self, "begin", top.meter, top.window)
        def topper_filter(self, top):
            tell(self, "filter", top.key)
            return top.rank < 3
        def on_topper_flush(self, top): tell(self, "flush", top.key)
        def on_end_topper_flush(self, top): tell(self, "end", top.meter, top.window)

    class Items(Told):
        def on_new(self, item): tell(self, "new", item.id)
        on_new_alert = on_new_resource = on_new_document = on_new
        def flush_filter(self, item):
            tell(self, "filter", item.id)
            return not item.id.endswith("-dropped")
        def on_flush(self, item): tell(self, "flush", item.id)

    class Alerts(Items, AlertMonitor): pass
    class Resources(Items, ResourceMonitor): pass
    class Documents(Items, FullTextMonitor): pass
"""


def records(node: str, window: int) -> dict[Topic, list[Record]]:
    """What a node sends in a window: three flows, one of which goes on in the next, and two of each item."""
    first = window == W1
    time = (window + 10) * 1_000_000

    def flow(name: str, host: str, port: int, kind: str, sequence: int, second: int) -> Flow:
        at = (window + second) * 1_000_000
        return Flow(
            id=f"{name}-{window}",
            flow_id=name,
            time=at,
            start=at,
            end=at,
            record=kind,  # type: ignore[arg-type]
            sequence=sequence,
            source_ip=host,
            destination_ip="192.0.2.1",
            destination_port=port,
            transport="tcp",
            delta_source_bytes=100 + second,
        )

    long = flow(f"{node}-long", "10.0.0.1", 443, "update" if first else "final", 0 if first else 1, 5)
    short = flow(f"{node}-{window}", "10.0.0.2", 80, "final", 0, 20)
    name = flow(f"{node}-{window}-dns", "10.0.0.3", 53, "final", 0, 40)
    ids = (f"{node}-{window}", f"{node}-{window}-dropped")
    return {
        FLOW: [long, short, name],
        ALERT: [Alert(id=each, time=time, type="odd", message="odd") for each in ids],
        RESOURCE: [Resource(id=each, time=time, group="dns", uri="example.net") for each in ids],
        DOCUMENT: [Document(id=each, time=time, group="dns", text="a text") for each in ids],
    }


def sent(node: str, window: int, *, marked: bool = True) -> list[Message]:
    """All of a node's window to partition 0, one record a message, and the markers."""
    made = records(node, window)
    messages: list[Message] = [
        (topic, 0, Envelope(topic.schema, node, "live", window, number, 1), encode([record]))
        for topic, each in made.items()
        for number, record in enumerate(each)
    ]
    for topic in CAPTURED if marked else ():
        for partition in range(PARTITIONS):
            announced = len(made.get(topic, ())) if partition == 0 else 0
            marker = Snapshot(node=node, stream="live", window=window, announced=announced, final=window == WINDOWS[-1])
            messages.append((topic, partition, Envelope(SNAPSHOT_SCHEMA, node, "live", window, 0, 1), encode([marker])))
    return messages


def stream() -> list[Message]:
    """Both nodes are heard of, then one is a whole window ahead of the other, which adds to a window that is closed."""
    ahead, behind = NODES
    known = [message for message in sent(behind, W1, marked=False) if message[2].sequence == 0]
    late: list[Message] = []
    for topic, record in (
        (FLOW, Flow(id="late", flow_id="late", time=W1 * 1_000_000, source_ip="late")),
        (ALERT, Alert(id="late", time=W1 * 1_000_000, type="late", message="late")),
        (RESOURCE, Resource(id="late", time=W1 * 1_000_000, group="dns")),
        (DOCUMENT, Document(id="late", time=W1 * 1_000_000, group="dns")),
    ):
        late.append((topic, 0, Envelope(topic.schema, behind, "live", W1, 3, 1), encode([record])))
    return [
        *known,
        *sent(ahead, W1),
        *sent(ahead, WINDOWS[1]),
        *sent(behind, W1),
        *late,
        *sent(behind, WINDOWS[1]),
    ]


class Kafka:
    """The stages of all topics with what they publish, kept as logs that can be read again."""

    def __init__(self, scripts: ScriptSet) -> None:
        partitions = {topic.kind: topic.partitions or PARTITIONS for topic in CATALOG}
        self.environment = Environment(WorkersSettings(scripts=[]), scripts, partitions)
        self.stages: dict[tuple[Topic, int], Stage] = {}
        self.logs: dict[tuple[Topic, int], list[tuple[Envelope, bytes]]] = defaultdict(list)
        self.points: dict[tuple[Topic, int], list[CommitPoint]] = defaultdict(list)

    def run(self, messages: list[Message]) -> None:
        for topic in topics_of(()):
            for partition in range(PARTITIONS):
                self.stages[topic, partition] = build(topic, partition, self.environment)
                self.stages[topic, partition].start("")
        waiting = list(messages)
        while waiting:
            topic, partition, envelope, body = waiting.pop(0)
            place = (topic, partition)
            log = self.logs[place]
            log.append((envelope, body))
            if place not in self.stages:
                continue
            step = self.stages[place].message(len(log) - 1, envelope.headers(), body)
            waiting += [message[:4] for message in step.outgoing]
            self.points[place] += [step.point] if step.point else []

    def read_again(self, place: tuple[Topic, int], point: CommitPoint) -> None:
        """As a worker does that takes a partition over at a commit point."""
        name = f"~{place[0].kind}/{place[1]}"
        known = known_offset(point.metadata, point.offset)
        stored = [
            record
            for (topic, _), log in self.logs.items()
            if topic.kind == "store"
            for _, body in log
            for record in decode(Stored, body)
            if record.stage == name
        ]
        stage = build(*place, self.environment)
        stage.start(point.metadata, newest(stored, known))
        for offset, (envelope, body) in enumerate(self.logs[place]):
            if offset >= point.offset:
                stage.message(offset, envelope.headers(), body)


@pytest.fixture
def scripts(tmp_path: Path) -> ScriptSet:
    path = tmp_path / "they.py"
    path.write_text(dedent(SCRIPTS), encoding="utf-8")
    return load_files([path], {})


def calls(said: str) -> dict[tuple[str, str], list[list[str]]]:
    """The calls of each script by instance and script, in their order."""
    found: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for line in said.splitlines():
        instance, script, *rest = line.split()
        found[instance, script].append(rest)
    return dict(found)


def names(node: str, window: int) -> list[str]:
    """The flows a node sends in a window."""
    return [flow.flow_id for flow in records(node, window)[FLOW]]  # type: ignore[attr-defined]


def keys(rows: list[list[str]], hook: str) -> list[str]:
    return [row[1] for row in rows if row[0] == hook]


def by_window(rows: list[list[str]]) -> list[list[list[str]]]:
    """The calls up to and with each ``end``."""
    parts: list[list[list[str]]] = [[]]
    for row in rows:
        parts[-1].append(row)
        if row[0] == "end":
            parts.append([])
    assert parts.pop() == []
    return parts


TIMED = {
    "Engine": {"flow-0"},
    "Sessions": {"flow-0", "flow-1"},
    "Tracker": {"flow-0", "flow-1"},
    "Counters": {"partial-0", "partial-1"},
    "Alerts": {"alert-0", "alert-1"},
    "Resources": {"resource-0", "resource-1"},
    "Documents": {"document-0", "document-1"},
}


def test_each_window_has_its_sixty_seconds_before_its_one_flush(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str]
) -> None:
    Kafka(scripts).run(stream())
    said = calls(capsys.readouterr().out)
    for script, instances in TIMED.items():
        assert {instance for instance, name in said if name == script} == instances
        for instance in instances:
            windows = by_window(said[instance, script])
            assert len(windows) == len(WINDOWS), (instance, script)
            for window, rows in zip(WINDOWS, windows, strict=True):
                assert keys(rows, "tick") == [str(second) for second in range(window, window + 60)]
                assert keys(rows, "begin") == keys(rows, "end") == [str(window)]
                hooks = [row[0] for row in rows]
                begin = hooks.index("begin")
                assert max(number for number, hook in enumerate(hooks) if hook == "tick") < begin
                assert not {"filter", "flush", "metric", "totals"} & set(hooks[:begin])
                assert not {"update", "terminate"} & set(hooks[begin:])


def test_flows_come_in_their_order_and_are_flushed_after_a_vote(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str]
) -> None:
    Kafka(scripts).run(stream())
    said = calls(capsys.readouterr().out)
    first, second = by_window(said["flow-0", "Sessions"])
    order = ["behind-long", *names("ahead", W1), *names("behind", W1)[1:]]
    assert keys(first, "new") == keys(first, "filter") == order
    assert keys(first, "update") == ["behind-long", "ahead-long"]
    assert keys(first, "terminate") == order[2:]
    assert keys(first, "flush") == [name for name in order if not name.endswith("dns")]
    later = [*names("ahead", W2), *names("behind", W2)]
    assert keys(second, "terminate") == keys(second, "filter") == later
    assert keys(second, "new") == [name for name in later if not name.endswith("long")]
    assert keys(second, "update") == []
    assert [keys(rows, "metric") for rows in by_window(said["flow-0", "Tracker"])] == [order, later]
    assert not any("late" in row for rows in said.values() for row in rows), "what comes too late is shown to nobody"


def test_the_engine_is_around_the_flush_of_its_partition(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str]
) -> None:
    Kafka(scripts).run(stream())
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("flow-0")]
    around = [(script, hook) for _, script, hook, *_ in lines if hook in {"begin", "end"}]
    window = [
        ("Engine", "begin"),
        ("Sessions", "begin"),
        ("Sessions", "end"),
        ("Tracker", "begin"),
        ("Tracker", "end"),
        ("Engine", "end"),
    ]
    assert around == window * 2


def test_counters_are_told_of_new_keys_then_voted_on_then_flushed(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str]
) -> None:
    Kafka(scripts).run(stream())
    said = calls(capsys.readouterr().out)
    hosts = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"}
    flushed: list[str] = []
    totals: list[str] = []
    for partition in range(PARTITIONS):
        for number, rows in enumerate(by_window(said[f"partial-{partition}", "Counters"])):
            flush = [row for row in rows[[row[0] for row in rows].index("begin") :] if row[0] not in {"begin", "end"}]
            one_key = []
            for hook, key in flush:
                if hook == "totals":
                    totals.append(key)
                else:
                    one_key.append(f"{hook}:{key}")
            mine = [row.partition(":")[2] for row in one_key if row.startswith("filter")]
            assert one_key == [
                f"{hook}:{key}"
                for key in mine
                for hook in ("new", "filter", "flush")
                if not (hook == "new" and number == 1)
            ], "a key stays that one script votes against while another has no filter"
            assert set(keys(rows, "update")) == set(mine), "each has grown in the window"
            flushed += mine
    assert sorted(flushed) == sorted([*hosts, *hosts])
    assert totals == ["SYS:GROUP_TOTALS"] * 2


def test_top_lists_come_meter_by_meter_after_a_vote(scripts: ScriptSet, capsys: pytest.CaptureFixture[str]) -> None:
    Kafka(scripts).run(stream())
    said = calls(capsys.readouterr().out)
    rows = [row for (_, script), each in said.items() if script == "Toppers" for row in each]
    assert [" ".join(row) for row in rows if row[0] in {"begin", "end"}] == [
        f"{hook} {meter} {window}" for window in WINDOWS for meter in ("bytes", "flows") for hook in ("begin", "end")
    ]
    lists = by_window(rows)
    assert len(lists) == 4
    for each in lists:
        voted = keys(each, "filter")
        assert len(voted) == 4
        assert keys(each, "flush") == voted[:2]
    assert keys(lists[0], "flush")[0] == "192.0.2.1", "the host that all flows go to"


@pytest.mark.parametrize(
    ("script", "instance"), [("Alerts", "alert"), ("Resources", "resource"), ("Documents", "document")]
)
def test_items_come_at_once_and_are_flushed_after_a_vote(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str], script: str, instance: str
) -> None:
    Kafka(scripts).run(stream())
    said = calls(capsys.readouterr().out)
    first, second = by_window(said[f"{instance}-0", script])
    order = [f"behind-{W1}", f"ahead-{W1}", f"ahead-{W1}-dropped", f"behind-{W1}-dropped"]
    assert keys(first, "new") == keys(first, "filter") == order
    assert keys(first, "flush") == order[:2]
    later = [f"{node}-{W2}{suffix}" for node in NODES for suffix in ("", "-dropped")]
    assert keys(second, "new") == keys(second, "filter") == later
    assert keys(second, "flush") == [later[0], later[2]]


def test_reading_again_from_any_commit_point_makes_the_same_calls(
    scripts: ScriptSet, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = Kafka(scripts)
    kafka.run(stream())
    whole = calls(capsys.readouterr().out)
    compared = 0
    for place, points in kafka.points.items():
        for point in points:
            kafka.read_again(place, point)
            again = calls(capsys.readouterr().out)
            for who, rows in again.items():
                assert rows == whole[who][len(whole[who]) - len(rows) :], (who, point)
                compared += len(rows)
    assert compared > 1000


def test_two_runs_over_one_stream_make_the_same_calls(scripts: ScriptSet, capsys: pytest.CaptureFixture[str]) -> None:
    Kafka(scripts).run(stream())
    first = capsys.readouterr().out
    Kafka(scripts).run(stream())
    assert capsys.readouterr().out == first
    assert first
