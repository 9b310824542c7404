"""What is probably wrong with a script is found with its line, and what is right is left alone."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from workers.scripting.check import problems

ROOT = Path(__file__).parents[4]
SHIPPED = sorted(path for path in (ROOT / "scripts").glob("*/[!_]*.py") if "agent" not in str(path))


def found(folder: Path, text: str) -> list[tuple[int, str]]:
    path = folder / "it.py"
    path.write_text(dedent(text).lstrip(), encoding="utf-8")
    return [(problem.line, problem.message) for problem in problems(path)]


def in_class(folder: Path, body: str, base: str = "SessionMonitor") -> str:
    """What is wrong with one member of a class that is otherwise right; its line is always 4."""
    text = f"from tapline import *\nclass A({base}):\n    def on_end_flush(self, window): pass\n    {body}\n"
    (one,) = found(folder, text)
    assert one[0] == 4
    return one[1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def on_flow_new(self, flow): pass", "on_flow_new is no hook of SessionMonitor and is never called; did you"),
        ("def onflush(self, flow): pass", "did you mean on_flush?"),
        ("def onNewFlow(self, flow): pass", "did you mean on_new_flow?"),
        ("def flush_filters(self, flow): return True", "did you mean flush_filter?"),
        ("def on_reload(self): pass", "on_reload is no hook of SessionMonitor and is never called"),
        ("def on_new_alert(self, alert): pass", "it is one of AlertMonitor"),
        ("def on_flush(self): pass", "SessionMonitor.on_flush is called as on_flush(self, flow)"),
        ("def on_flush(self, flow, window): pass", "SessionMonitor.on_flush is called as on_flush(self, flow)"),
        ("async def on_flush(self, flow): pass", "never awaited: hooks are plain functions"),
        ("def on_flush(self, flow): yield flow", "never runs, since it yields"),
        ("def group(self): return 'flows'", "group has to be a name, a GUID, a pattern or several of these"),
        ("def count(self): pass", "count hides what every script has by that name"),
        ("l7proto = 'SSH'", "l7proto is nothing that SessionMonitor knows; did you mean l7_proto?"),
        ("groups = 'Hosts'", "did you mean group?"),
        ("l7_proto = 22", "l7_proto has to be a text, as 'SSH'"),
        ("subscriptions = 'all'", "subscriptions has to be a tuple of texts"),
        ("meters = ('bytes',)", "meters selects nothing in a SessionMonitor"),
        ("params = 3", "params has to be a class: class params(Params)"),
        ("on_flush = True", "on_flush has to be a method"),
        ("def on_flush(self, flow): return flow.total_byte", "a Flow has no total_byte; did you mean total_bytes?"),
        ("def on_flush(self, flow): flow.score = 5", "a Flow cannot be changed: all scripts see the same one"),
        ("def on_flush(self, flow): self.alret('a', flow, 'b')", "self.alret is set nowhere; did you mean alert?"),
        ("def on_flush(self, flow): return self.params.most", "there is no parameter most; there are: none"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(tmp_path: Path, body: str, said: str) -> None:
    assert said in in_class(tmp_path, body)


def test_hooks_of_each_type_are_its_own(tmp_path: Path) -> None:
    assert "it is one of SessionMonitor" in in_class(tmp_path, "def on_new_flow(self, flow): pass", "CounterMonitor")
    assert "a Metric has no meter" in in_class(tmp_path, "def on_flush(self, it): return it.meter", "CounterMonitor")


GROUPED = """
from tapline import {base}
class It({base}):
    group = {group}
    def on_end_flush(self, window): pass
"""


@pytest.mark.parametrize(
    ("base", "group", "said"),
    [
        (
            "CounterMonitor",
            "'Hots'",
            "It attaches to 'Hots', and there is no counter group of that name yet; did you mean",
        ),
        ("CounterMonitor", "('Apps', 'hosst')", "It attaches to 'hosst', and there is no counter group"),
        ("AlertMonitor", "'Blaklist'", "there is no alert group of that name yet; did you mean Blacklist?"),
        ("ResourceMonitor", "'nothing'", "there is no resource group of that name yet"),
        ("FullTextMonitor", "'http-header'", "there is no document group of that name yet; did you mean http-headers?"),
        ("SessionMonitor", "'flow'", "there is no session group of that name yet; did you mean flows?"),
    ],
)
def test_a_group_that_nobody_has_is_told_with_what_was_meant(tmp_path: Path, base: str, group: str, said: str) -> None:
    ((line, message),) = found(tmp_path, GROUPED.format(base=base, group=group))
    assert line == 3
    assert said in message


@pytest.mark.parametrize(
    ("base", "group", "beside"),
    [
        ("CounterMonitor", "'hosts'", ""),
        ("AlertMonitor", "'{9AFD8C08-07EB-47E0-BF05-28B4A7AE8DC9}'", ""),
        ("CounterMonitor", "'Mine'", "from tapline import CounterGroup\nMINE = CounterGroup('Mine')\n"),
        ("AlertMonitor", "'Mine'", "def tell(it, flow): it.alert('x', flow, 'm', group='mine')\n"),
    ],
)
def test_a_group_that_somebody_has_or_fills_is_none_to_tell_of(
    tmp_path: Path, base: str, group: str, beside: str
) -> None:
    (tmp_path / "other.py").write_text(beside, encoding="utf-8")
    assert found(tmp_path, GROUPED.format(base=base, group=group)) == []


def test_a_class_that_nothing_calls_is_told(tmp_path: Path) -> None:
    text = "from tapline.monitors import Monitor\nclass A(Monitor):\n    def on_end_flush(self, window): pass\n"
    ((line, message),) = found(tmp_path, text)
    assert line == 2
    assert message.startswith("A: nothing calls a Monitor: derive it from one of EngineMonitor, SessionMonitor")


def test_a_class_that_another_of_its_name_replaces_is_told(tmp_path: Path) -> None:
    one = "class A(SessionMonitor):\n    def on_flush(self, flow): pass\n"
    assert found(tmp_path, f"from tapline import *\n{one}{one}") == [
        (4, "A takes the place of the class of that name in line 2, which never runs: give one another name")
    ]


@pytest.mark.parametrize("base", ["SessionMonitor", "FlowTracker"])
def test_a_script_without_a_hook_does_nothing(tmp_path: Path, base: str) -> None:
    text = f"from tapline import *\nclass A({base}):\n    def on_load(self): pass\n"
    expected = [] if base == "SessionMonitor" else [(2, "A has no hook and does nothing")]
    assert found(tmp_path, text) == expected
    assert found(tmp_path, f"from tapline import *\nclass A({base}): pass\n") == [(2, "A has no hook and does nothing")]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("def broken(:\n", 1, "invalid syntax"),
        ("\nimport surely_not_there\n", 2, "ModuleNotFoundError"),
        ("x = 1\n", 1, "defines no monitor"),
    ],
)
def test_a_file_that_cannot_be_used_has_one_problem(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "it.py"
    path.write_text(text, encoding="utf-8")
    ((where, message),) = [(problem.line, problem.message) for problem in problems(path)]
    assert where == line
    assert said in message
    assert str(path) not in message


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    text = """
        import re
        from tapline import AlertMonitor, Params, SessionMonitor
        class Shared:
            def helper(self, flow): self.seen = flow; return self.here
        class A(Shared, SessionMonitor):
            l4_proto = "TCP"
            group = re.compile("flows")
            limit = 3
            late: int
            class params(Params):
                most: int = 5
            def on_load(self):
                self.here, self.there = 1, {}
                for self.index in range(3): pass
            def on_flush(self, flow, *others, **more):
                flow_ = self.helper(flow)
                self.there[flow.id] = self.params.most + self.limit + self.late + self.index + flow.total_bytes
                return self.seen, flow_
            @property
            def window_name(self): return "w"
            @staticmethod
            def score(value): return value
        class B(AlertMonitor):
            def on_new_alert(self, alert):
                alert = str(alert)
                return alert.upper()
        class C(AlertMonitor):
            def __getattr__(self, name): return name
            def on_flush(self, alert): return self.anything
        class D(AlertMonitor):
            def on_load(self): setattr(self, "x" * 3, 1)
            def on_flush(self, alert): return self.xxx
        """
    assert found(tmp_path, text) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_ships_has_no_problem(path: Path) -> None:
    assert problems(path) == []
