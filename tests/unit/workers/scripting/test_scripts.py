"""Scripts: found, loaded, called, failing, suspended; and what they emit."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.integration.workers.stream import FIRST_WINDOW, MadeStream
from topics.catalog import ALERT, CAPTURED, DOCUMENT, RESOURCE, Topic
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode
from topics.errors import TaplineError
from topics.records import Alert, Document, Record, Resource, Snapshot
from workers.pipeline import Pipeline
from workers.scripting.scripts import load_files, load_folders

NODE = "file-0123456789abcdef"


def script(folder: Path, text: str, name: str = "it.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def stream(flows: int = 20, windows: int = 2) -> MadeStream:
    return MadeStream(windows=windows, flows=flows, nodes=1, partitions=2, stream=NODE)


def one_window(topic: Topic, records: list[Record]) -> list[tuple[Topic, int, Envelope, bytes]]:
    """A stream of one window whose records are all in partition 0 of one topic."""
    messages = [(topic, 0, Envelope(topic.schema, NODE, NODE, FIRST_WINDOW, 0, len(records)), encode(records))]
    for each in CAPTURED:
        for partition in range(2):
            count = len(records) if each is topic and partition == 0 else 0
            marker = Snapshot(node=NODE, stream=NODE, window=FIRST_WINDOW, announced=count, final=True)
            messages.append(
                (each, partition, Envelope(SNAPSHOT_SCHEMA, NODE, NODE, FIRST_WINDOW, 0, 1), encode([marker]))
            )
    return messages


def test_hooks_of_a_session_script_in_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Tell(SessionMonitor):
            def on_load(self): print(self.instance, "load")
            def on_unload(self): print(self.instance, "unload")
            def on_new_flow(self, flow): print(self.instance, "new")
            def on_terminate(self, flow): print(self.instance, "end")
            def on_begin_flush(self, window): print(self.instance, "begin", window)
            def flush_filter(self, flow): return flow.destination_port != 22
            def on_flush(self, flow): print(self.instance, "flush", flow.destination_port)
            def on_end_flush(self, window): print(self.instance, "finish", window)
        """,
    )
    pipeline = Pipeline(load_files([path], {}))
    made = stream(windows=1)
    pipeline.feed(made.messages())
    pipeline.stop()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {line[0] for line in lines} == {"flow-0", "flow-1"}
    assert sum(line[1] == "new" for line in lines) == 20
    for instance in ("flow-0", "flow-1"):
        mine = [line[1:] for line in lines if line[0] == instance]
        assert mine[0] == ["load"]
        assert mine[-1] == ["unload"]
        flushed = mine[mine.index(["begin", str(FIRST_WINDOW)]) + 1 : mine.index(["finish", str(FIRST_WINDOW)])]
        assert flushed
        assert all(line[0] == "flush" and line[1] != "22" for line in flushed)


def test_a_declared_protocol_selects_the_flows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Google(SessionMonitor):
            l4_proto = "TCP"
            l7_proto = "google"
            def on_new_flow(self, flow): print(flow.application)
        class Nothing(SessionMonitor):
            l4_proto = "UDP"
            def on_new_flow(self, flow): print("never")
        """,
    )
    Pipeline(load_files([path], {})).feed(stream().messages())
    assert set(capsys.readouterr().out.split()) == {"TLS.Google"}


def test_every_monitor_type_is_called_for_its_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(
        tmp_path,
        """
        from tapline import AlertMonitor, CounterMonitor, EngineMonitor, FullTextMonitor, ResourceMonitor
        class Engine(EngineMonitor):
            def on_begin_flush(self, window): print("engine begin")
            def on_end_flush(self, window): print("engine end")
        class Hosts(CounterMonitor):
            group = "{4cd742b1-c1ca-4708-be78-0fca2eb01a86}"
            def on_flush(self, counter): print("counter", counter.group)
        class Alerts(AlertMonitor):
            def on_new_alert(self, alert): print("alert", alert.type)
        class Names(ResourceMonitor):
            group = "DNS"
            def on_new_resource(self, resource): print("resource", resource.uri)
            def on_flush(self, resource): print("flushed", resource.uri)
        class Text(FullTextMonitor):
            def on_new_document(self, document): print("document", document.text)
        """,
    )
    pipeline = Pipeline(load_files([path], {}))
    pipeline.feed(stream(windows=3).messages())
    said = capsys.readouterr().out.splitlines()
    assert said.count("engine begin") == said.count("engine end") == 3, "once a window over all partitions"
    assert "counter Hosts" in said
    assert not any(line.startswith("counter") and line != "counter Hosts" for line in said)
    for topic, record in (
        (ALERT, Alert(id="1", time=1, type="odd", message="odd")),
        (RESOURCE, Resource(id="2", time=1, group="dns", uri="example.net")),
        (RESOURCE, Resource(id="3", time=1, group="url", uri="http://example.net/")),
        (DOCUMENT, Document(id="4", time=1, group="dns", text="a text")),
    ):
        Pipeline(load_files([path], {})).feed(one_window(topic, [record]))
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if not line.startswith(("engine", "counter"))] == [
        "alert odd",
        "resource example.net",
        "flushed example.net",
        "document a text",
    ]


def test_what_a_script_emits_reaches_the_topics(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        from tapline import AlertMonitor, SessionMonitor
        class Emit(SessionMonitor):
            def on_new_flow(self, flow):
                self.count("Mine", flow.source_ip, seen=1)
                self.alert("seen", flow, "seen it", severity=6)
                self.resource(flow, "dns", "a.example")
                self.document(flow, "dns", "k", "text")
        class Echo(AlertMonitor):
            def on_new_alert(self, alert):
                self.alert("echo", alert, alert.message)
        """,
    )
    made = stream()
    pipeline = Pipeline(load_files([path], {}))
    pipeline.feed(made.messages())
    published = pipeline.published
    mine = [metric for metric in published["counter"] if metric.group == "Mine"]
    assert sum(metric.meters["seen"] for metric in mine) == 40
    alerts = published["alert"]
    seen = [alert for alert in alerts if alert.type == "seen"]
    assert len({alert.id for alert in seen}) == 40
    assert {(alert.severity, alert.script, alert.stream) for alert in seen} == {(6, "Emit", NODE)}
    assert all(alert.flow_id and alert.evidence == [alert.flow_id] and alert.source_ip for alert in seen)
    assert len([alert for alert in alerts if alert.type == "echo"]) == 40, "an echo is not echoed"
    assert len(published["resource"]) == len(published["document"]) == 40
    conserved = {m.key: m.meters for m in published["counter"] if m.group == "Conservation" and m.key[:6] == "alert/"}
    own = [meters for key, meters in conserved.items() if "~flow" in key]
    assert own, "what workers publish is counted as well"
    assert all(meters["announced"] == meters["received"] for meters in own)


def test_a_script_that_keeps_failing_is_suspended_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Bad(SessionMonitor):
            def on_new_flow(self, flow):
                return 1 / 0
        class Good(SessionMonitor):
            def on_new_flow(self, flow): print("good")
        """,
    )
    pipeline = Pipeline(load_files([path], {}))
    pipeline.feed(stream(flows=60).messages())
    assert capsys.readouterr().out.count("good") == 120
    alerts = [alert for alert in pipeline.published["alert"] if alert.type == "script-suspended"]
    assert len(alerts) == 2, "one for each instance"
    assert f"{path}:5" in alerts[0].message
    assert "ZeroDivisionError" in alerts[0].message


def test_a_script_can_decline_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Shy(SessionMonitor):
            def on_load(self): return False
            def on_new_flow(self, flow): print("never")
        """,
    )
    Pipeline(load_files([path], {})).feed(stream().messages())
    assert capsys.readouterr().out == ""


def test_params_come_from_the_configuration_and_are_checked(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        from tapline import Params, SessionMonitor
        class Limits(SessionMonitor):
            class params(Params):
                most: int = 5
        """,
    )
    assert load_files([path], {}).scripts[0].create().params.most == 5
    assert load_files([path], {"Limits": {"most": 7}}).scripts[0].create().params.most == 7
    with pytest.raises(TaplineError, match=r"workers\.params\.Limits.*int.*most"):
        load_files([path], {"Limits": {"most": "many"}})
    with pytest.raises(TaplineError, match="moost"):
        load_files([path], {"Limits": {"moost": 1}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n", r"it\.py:1: "),
        ("\nimport surely_not_there\n", r"it\.py:2: ModuleNotFoundError"),
        ("x = 1\n", "defines no monitor"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TaplineError, match=said):
        load_files([script(tmp_path, text)], {})


def test_folders_are_read_in_order_and_may_be_missing(tmp_path: Path) -> None:
    one = "from tapline import SessionMonitor\nclass {}(SessionMonitor): pass\n"
    script(tmp_path, one.format("B"), "b.py")
    script(tmp_path, one.format("A"), "a.py")
    script(tmp_path, "not even Python", "_helper.py")
    assert [each.name for each in load_folders([tmp_path, tmp_path / "missing"], {}).scripts] == ["A", "B"]


def test_a_session_script_attaches_to_flows_by_name_guid_or_pattern(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script(
        tmp_path,
        """
        import re
        from tapline import SessionMonitor
        class Base(SessionMonitor):
            def on_new_flow(self, flow): print(type(self).__name__)
        class ByName(Base): group = "IP flows"
        class ByGuid(Base): group = "{99a78737-4b41-4387-8f31-8077db917336}"
        class ByPattern(Base): group = re.compile("(?i)^ip")
        class ByList(Base): group = ("other", "flows")
        class Elsewhere(Base): group = "other"
        """,
    )
    Pipeline(load_files([path], {})).feed(stream(flows=1, windows=1).messages())
    assert sorted(capsys.readouterr().out.split()) == ["Base", "ByGuid", "ByList", "ByName", "ByPattern"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("l7_proto = ('SSH', 'TLS')", "It: l7_proto has to be a text, as 'SSH'"),
        ("l4_proto = None", "It: l4_proto has to be a text, as 'TCP'"),
        ("group = 5", "It: group has to be a name, a GUID, a pattern or several of these"),
        ("def group(self): return 'flows'", "It: group has to be a name, a GUID, a pattern or several of these"),
        ("class params: x = 5", r"It: params has to be a class: class params\(Params\)"),
        ("on_flush = 5", "It: on_flush has to be a method"),
        ("@property\n    def on_flush(self): return print", "It: on_flush has to be a method"),
        ("class params(Params): x: 'Nothing' = None", "params of It cannot be read: name 'Nothing' is not defined"),
        ("name = 'one'\nclass Other(It): pass", "It and Other are both named one: give one another `name`"),
    ],
)
def test_what_no_worker_could_use_is_told_when_it_is_loaded(tmp_path: Path, body: str, said: str) -> None:
    path = tmp_path / "it.py"
    path.write_text(
        "from __future__ import annotations\nfrom tapline import Params, SessionMonitor\n"
        f"class It(SessionMonitor):\n    def on_end_flush(self, window): pass\n    {body}\n",
        encoding="utf-8",
    )
    with pytest.raises(TaplineError, match=said):
        load_files([path], {})


def test_a_class_is_one_script_by_whatever_names_and_an_abstract_one_is_none(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        from abc import ABC, abstractmethod
        from tapline import SessionMonitor
        class Base(SessionMonitor, ABC):
            def on_terminate(self, flow): self.see(flow)
            @abstractmethod
            def see(self, flow): ...
        class Real(Base):
            def see(self, flow): pass
        monitor = Real
        """,
    )
    assert [each.name for each in load_files([path], {}).scripts] == ["Real"]


def test_a_constructor_sees_the_parameters_as_they_are_set(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        from tapline import Params, SessionMonitor
        class It(SessionMonitor):
            class params(Params):
                limit: int = 5
            def __init__(self): self.twice = 2 * self.params.limit
            def on_end_flush(self, window): pass
        """,
    )
    (it,) = load_files([path], {"It": {"limit": 7}}).scripts
    assert vars(it.create())["twice"] == 14


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "class It(Monitor):\n    def on_end_flush(self, window): pass",
            "It: nothing calls a Monitor: derive it from one of EngineMonitor, SessionMonitor, CounterMonitor,",
        ),
        ("class It(Script):\n    def on_load(self): pass", "It: nothing calls a Script: derive it from one of Engine"),
        (
            "class It(SessionMonitor):\n    async def on_flush(self, flow): pass",
            "It: on_flush is never awaited: hooks are plain functions; slow work goes to self.run_async",
        ),
        ("class It(SessionMonitor):\n    def on_flush(self, flow): yield", "It: on_flush never runs, since it yields"),
        ("class It(SessionMonitor):\n    def on_flush(self): pass", "It: on_flush is called as on_flush(self, flow)"),
        (
            "class It(FlowTracker):\n    def metric(self, flow, top): pass",
            "It: metric is called as metric(self, flow)",
        ),
        ("class It(SessionMonitor):\n    def on_load(self, x): pass", "It: on_load is called as on_load(self)"),
    ],
)
def test_a_class_that_nothing_could_call_is_refused_with_what_would_be_right(
    tmp_path: Path, text: str, said: str
) -> None:
    path = script(
        tmp_path,
        f"from tapline import *\nfrom tapline.monitors import Monitor\nfrom tapline.script import Script\n{text}\n",
    )
    with pytest.raises(TaplineError, match=re.escape(f"{path}: {said}")):
        load_files([path], {})


def test_hooks_may_take_what_they_are_called_with_in_any_way(tmp_path: Path) -> None:
    text = """
        import functools
        from tapline import SessionMonitor
        def each(hook):
            @functools.wraps(hook)
            def wrapped(*arguments): return hook(*arguments, 1)
            return wrapped
        class A(SessionMonitor):
            def on_new_flow(self, f, extra=None): pass
            def on_update(self, *flows, **more): pass
            @staticmethod
            def on_terminate(flow): pass
            @each
            def on_flush(self, flow, number): pass
            on_unload = functools.partialmethod(print, "bye")
    """
    assert load_files([script(tmp_path, text)], {}).scripts


def test_what_several_scripts_have_in_common_is_no_script(tmp_path: Path) -> None:
    text = """
        from tapline.monitors import Monitor, SessionMonitor
        class Common(Monitor):
            def on_end_flush(self, window): pass
        class It(Common, SessionMonitor):
            def on_flush(self, flow): pass
    """
    assert [each.name for each in load_files([script(tmp_path, text)], {}).scripts] == ["It"]


def test_a_filter_that_raises_drops_nothing_and_a_suspended_script_has_no_vote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script(
        tmp_path,
        """
        from tapline import SessionMonitor
        class Broken(SessionMonitor):
            def flush_filter(self, flow): raise ValueError("no")
        class Wanting(SessionMonitor):
            def flush_filter(self, flow): return False
            def on_flush(self, flow): print("flushed")
        """,
    )
    pipeline = Pipeline(load_files([path], {}), partitions=1)
    pipeline.feed(MadeStream(windows=1, flows=30, nodes=1, partitions=1, stream=NODE).messages())
    assert capsys.readouterr().out.count("flushed") == 10, "until Broken has raised ten times; then Wanting alone votes"


@pytest.mark.parametrize(
    "change",
    [
        "flow.application = []",
        "flow.source_ip = 5",
        "flow.time = 'now'",
        "flow.sequence, flow.record = 0, 'final'",
        "flow.flow_id = flow.id = None",
        "flow.tags = None",
        "del flow.community_id",
    ],
)
def test_a_flow_is_the_same_for_all_scripts_whatever_one_does_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    text = """
        from tapline import FlowTracker, SessionMonitor
        class Spoil(SessionMonitor):
            def on_metronome(self, second): pass
            def on_new_flow(self, flow): CHANGE
        class Largest(FlowTracker):
            def metric(self, flow): return flow.delta_source_bytes
        class Tags(SessionMonitor):
            def on_new_flow(self, flow):
                self.tag(flow, "seen")
                self.alert("seen", flow, "seen")
        class Prints(SessionMonitor):
            l7_proto = "HTTP"
            def on_terminate(self, flow): print("ended", flow.flow_id, self.now)
            def on_flush(self, flow): print("flushed", flow.source_ip)
            def flush_filter(self, flow): return True
        """

    def outcome(change: str) -> tuple[Any, ...]:
        it = Pipeline(load_files([script(tmp_path, text.replace("CHANGE", change))], {}))
        it.feed(stream().messages())
        assert {error.script for error in it.errors} == (set() if change == "pass" else {"Spoil"})
        alerts = [alert for alert in it.published["alert"] if alert.type == "seen"]
        counters = [counter for counter in it.published["counter"] if counter.group == "Hosts"]
        others = [it.published[kind] for kind in ("track", "annotation", "dead")]
        return alerts, capsys.readouterr().out, counters, others

    untouched = outcome("pass")
    assert untouched[3][0], "there is a list of the tracker"
    assert "ended" in untouched[1]
    assert outcome(change) == untouched
